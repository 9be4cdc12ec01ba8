"""Which agent takes a call, by what the call says about itself. Pure and total: `opusagent route` asks the same.

    parameters    what the TwiML of a Twilio call says, in the order of the configuration
    bots          AudioCodes' name of the bot
    paths         where the platform dialled us
    numbers       whom the caller dialled
    default       an agent, or a refusal

The first that knows the call decides. What somebody has set up for us stands before what a caller happened to dial,
and so an AudioCodes call has to be asked for its number, which comes late, only where nothing else knows it.
"""

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

import attrs

DEFAULT_AGENT: Final = "default"
"""The agent of `[agent]`."""

REFUSE: Final = "refuse"
"""Instead of an agent's name: the call is refused."""

Platform: TypeAlias = Literal["twilio", "audiocodes"]
Names: TypeAlias = Mapping[str, str]
"""Names of agents, by what stands for them."""


class Ground(enum.Enum):
    """What of the configuration decides. The values are its keys."""

    PARAMETER = "parameters"
    BOT = "bots"
    PATH = "paths"
    NUMBER = "numbers"
    DEFAULT = "default"


@attrs.frozen
class Routes:
    """`[routes]`: the names of agents. `numbers` are plain (`plain_number`), `parameters` go by name and value."""

    default: str = DEFAULT_AGENT
    parameters: Mapping[str, Names] = attrs.field(factory=dict[str, Names])
    bots: Names = attrs.field(factory=dict[str, str])
    paths: Names = attrs.field(factory=dict[str, str])
    numbers: Names = attrs.field(factory=dict[str, str])


@attrs.frozen
class Inbound:
    """What a call says about itself. `number` is whom the caller dialled, None as long as it has not been said."""

    platform: Platform
    path: str
    number: str | None = None
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])
    bot: str = ""


@attrs.frozen
class Routed:
    """The call is `agent`'s; `key` is what it is known by, and empty for the default."""

    agent: str
    ground: Ground
    key: str = ""

    @property
    def why(self) -> str:
        """For a person: what in the configuration has decided."""
        if self.ground is Ground.DEFAULT:
            return _nobody_knows(self.agent)
        return f"routes.{self.ground.value} has {self.key}"


@attrs.frozen
class NoAgent:
    """Nothing knows the call, and it is to be refused then."""

    @property
    def why(self) -> str:
        """For a person."""
        return _nobody_knows(REFUSE)


Choice: TypeAlias = Routed | NoAgent


def choose(routes: Routes, call: Inbound) -> Choice:
    """Who takes `call`."""
    return next(_matches(routes, call), None) or _otherwise(routes)


def awaits_number(routes: Routes, call: Inbound) -> bool:
    """Whether nothing but the number that was dialled, which is still to be said, can decide."""
    return call.number is None and bool(routes.numbers) and next(_matches(routes, call), None) is None


def _matches(routes: Routes, call: Inbound) -> Iterator[Routed]:
    if call.platform == "twilio":
        for name, agents in routes.parameters.items():
            value = call.parameters.get(name)
            if value is not None and value in agents:
                yield Routed(agents[value], Ground.PARAMETER, f"{name} = {value}")
    if call.platform == "audiocodes" and call.bot in routes.bots:
        yield Routed(routes.bots[call.bot], Ground.BOT, call.bot)
    if call.path in routes.paths:
        yield Routed(routes.paths[call.path], Ground.PATH, call.path)
    number = plain_number(call.number or "")
    if number in routes.numbers:
        yield Routed(routes.numbers[number], Ground.NUMBER, number)


def _otherwise(routes: Routes) -> Choice:
    return NoAgent() if routes.default == REFUSE else Routed(routes.default, Ground.DEFAULT)


def _nobody_knows(default: str) -> str:
    return f'nothing under [routes] knows it, and routes.default is "{default}"'


def plain_number(text: str) -> str:
    """What was dialled, so that the same comes of every way to write it. Idempotent.

    A number is its digits, with or without `+`: carriers differ in that. Of a SIP or telephone URI it is the user's
    part; what is no number stays as it is, in small letters.

    >>> [plain_number(each) for each in ("+1 (555) 01-00", "tel:+1-555-0100", '"Desk" <sip:+15550100;phone@a:5060>')]
    ['15550100', '15550100', '15550100']
    >>> plain_number("sip:Sales@pbx.example.net"), plain_number("client:alice"), plain_number("")
    ('sales', 'client:alice', '')
    """
    named = re.search(r"<([^<>]*)>", text)
    scheme, colon, rest = (named[1] if named else text).strip().partition(":")
    is_uri = bool(colon) and scheme.lower() in {"sip", "sips", "tel"}
    user = re.split("[:;?@]" if is_uri else "[;?@]", rest if is_uri else f"{scheme}{colon}{rest}", maxsplit=1)[0]
    digits = re.sub(r"[\s().\-/]", "", user)
    return digits.lstrip("+") if re.fullmatch(r"\+?[0-9*#]+", digits) else user.strip().lower()


# -- paths -------------------------------------------------------------------------------------------------------------

VOICE_PATH: Final = "/twilio/voice"
"""The webhook of `twilio.path`; below it are those of the paths below that."""


def webhook_of(media: str, base: str) -> str:
    """The webhook whose TwiML leads to the media path; `base` is `twilio.path`.

    >>> webhook_of("/twilio/media", "/twilio/media"), webhook_of("/twilio/media/sales", "/twilio/media")
    ('/twilio/voice', '/twilio/voice/sales')
    """
    return VOICE_PATH + media.removeprefix(base)


def platform_at(path: str, bases: Mapping[Platform, str]) -> Platform | None:
    """Whose path it is: that of the platform whose base it is or lies below, the longest if it is below both."""
    homes: list[Platform] = [name for name, base in bases.items() if path == base or path.startswith(f"{base}/")]
    return max(homes, key=lambda name: len(bases[name]), default=None)
