"""`opusagent route`: which agent a call would get, and why, without a daemon and without a call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import msgspec

from opusagent.daemon.config import Config, load
from opusagent.daemon.config_routes import bases_of
from opusagent.daemon.routing import (
    VOICE_PATH,
    Choice,
    Inbound,
    NoAgent,
    Platform,
    Routed,
    awaits_number,
    choose,
    plain_number,
    platform_at,
    webhook_of,
)
from opusagent.plain import plain

ON_ITS_WAY: Final = "it is taken first, because AudioCodes says the number only then"


class NoSuchCall(Exception):
    """No call comes as it was described, and why not."""


@attrs.frozen
class Wish:
    """A call as a person describes it. `path` is a media path, or a webhook; empty: the platform's own."""

    number: str = ""
    path: str = ""
    bot: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class Answer:
    """What becomes of the call. `agent` None: it is refused. `decided_by` is a key of `[routes]`."""

    agent: str | None
    decided_by: str
    why: str
    platform: Platform
    path: str
    number: str
    taken_first: bool

    def in_words(self) -> str:
        """For a person."""
        first = f"; {ON_ITS_WAY}" if self.taken_first else ""
        number = f", number {self.number}" if self.number else ""
        lines = (
            f"{self.agent or 'refused'}: {self.why}",
            f"  {self.platform} at {self.path}{number}{first}",
        )
        return "".join(f"{plain(line)}\n" for line in lines)

    def as_json(self) -> str:
        """For a program."""
        return msgspec.json.encode(self).decode() + "\n"


def answer_of(file: Path, environ: Mapping[str, str], wish: Wish) -> Answer:
    """What would become of the call.

    Raises:
        ConfigError: the configuration cannot be used.
        NoSuchCall: no call comes like that.
    """
    config = load(file, environ)
    call = inbound_of(config, wish)
    choice = choose(config.routes, call)
    asks = call.platform == "audiocodes" and awaits_number(config.routes, attrs.evolve(call, number=None))
    return Answer(
        agent=choice.agent if isinstance(choice, Routed) else None,
        decided_by=_decided_by(choice),
        why=choice.why,
        platform=call.platform,
        path=call.path,
        number=plain_number(wish.number),
        taken_first=asks,
    )


def read_parameters(written: Sequence[str]) -> Mapping[str, str]:
    """The parameters of `NAME=VALUE`, each. Raises `NoSuchCall`.

    >>> read_parameters(["department=sales", "x=a=b"])
    {'department': 'sales', 'x': 'a=b'}
    """
    if wrong := [each for each in written if "=" not in each]:
        raise NoSuchCall(f"a parameter is NAME=VALUE, not {', '.join(wrong)}")
    return {each.partition("=")[0]: each.partition("=")[2] for each in written}


def inbound_of(config: Config, wish: Wish) -> Inbound:
    """The call, as its platform would describe it. Raises `NoSuchCall` if it cannot come like that."""
    bases = bases_of(config.twilio, config.audiocodes)
    path = _media_path(config, wish, bases)
    platform = platform_at(path, bases)
    if platform is None or path not in {*bases.values(), *config.routes.paths}:
        known = ", ".join(f"`{each}`" for each in (*bases.values(), *config.routes.paths))
        raise NoSuchCall(f"the daemon does not answer at {path}; calls come by {known}")
    if platform == "twilio" and wish.bot:
        raise NoSuchCall(f"a call at {path} is Twilio's, which knows no bot: leave --bot out, or name another path")
    if platform == "audiocodes" and wish.parameters:
        raise NoSuchCall(f"a call at {path} is AudioCodes', where no TwiML has parameters: leave --parameter out")
    return Inbound(platform, path, wish.number, wish.parameters, wish.bot)


def _media_path(config: Config, wish: Wish, bases: Mapping[Platform, str]) -> str:
    """Where the call comes in: a webhook stands for the path that it leads to."""
    if config.twilio is not None and wish.path.startswith(VOICE_PATH):
        media = {webhook_of(path, bases["twilio"]): path for path in (bases["twilio"], *config.routes.paths)}
        return media.get(wish.path, wish.path)
    wanted: Sequence[Platform] = ("audiocodes", "twilio") if wish.bot else ("twilio", "audiocodes")
    return wish.path or next(bases[each] for each in wanted if each in bases)


def _decided_by(choice: Choice) -> str:
    return "default" if isinstance(choice, NoAgent) else choice.ground.value
