"""The worked example as a play in three calls: what the model says and calls, what callers do, what must come of it.

The model's lines are those of the clinic in `examples/clinic.toml`; an agent that lacks a tool which they call cannot
be in this play, and is told so.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.policy import TransferTo
from opusagent.call.reasons import End, EndReason
from opusagent.daemon.config import Config
from opusagent.daemon.config_tools import transfer_targets
from opusagent.demo.speech import CLINIC, load
from opusagent.errors import ConfigError
from opusagent.local.script import Asked, Returned, Script, Spoke, Step, Told
from opusagent.local.voices import Invocation, Reply, Utterance, chime
from opusagent.tools.declared import declared_name
from opusagent.units import Ms, Pcm16

RECEPTION: Final = "reception"
MENU_KEY: Final = "0"

PUT_THROUGH: Final = End(EndReason.CALLER_HUNG_UP, "stop")
"""What a call that goes on elsewhere looks like from here; behind it the report says how far we had put it through."""


@attrs.frozen
class Listens:
    """The caller listens."""

    hears: tuple[str, ...]


@attrs.frozen
class ListensFor:
    """The caller listens for some time and no longer."""

    ms: Ms


@attrs.frozen
class Says:
    """The caller says the words called `words`, and listens to the end of what is answered."""

    words: str
    hears: tuple[str, ...] = ()


@attrs.frozen
class Presses:
    """The caller presses `keys`, and listens."""

    keys: str
    hears: tuple[str, ...] = ()


Act: TypeAlias = Listens | ListensFor | Says | Presses


@attrs.frozen
class Given:
    """The model was given an output of `tool` that holds `words`."""

    tool: str
    words: str


@attrs.frozen
class Scene:
    """One call. `switched` is what Twilio must have been asked to do with it, in the form's words."""

    title: str
    script: Script
    acts: tuple[Act, ...]
    outputs: tuple[Given, ...]
    switched: str
    end: End


def said(name: str, *calls: Invocation) -> Reply:
    """The line called `name`, and what is called with it."""
    converter = Converter(MULAW_8K, PCM16_24K)
    audio = Pcm16(converter.push(load(name)) + converter.flush())
    return Reply(Utterance(audio, CLINIC[name]), calls)


def scenes(config: Config) -> tuple[Scene, ...]:
    """The play with the agent of `config`. Raises `ConfigError` if the agent has not what the play needs."""
    problems = list(_problems(config))
    if problems:
        raise ConfigError(problems)
    reception = transfer_targets(config.tools)[RECEPTION]
    greeting = Step(Asked("Greet them now"), said("clinic_greeting"))
    at_a_loss = Reply(Utterance(chime(), "(the script has no answer to this)"))
    booking = Scene(
        "an appointment, with a key to choose and a reminder to send",
        Script((greeting, *_booking()), at_a_loss),
        (
            Listens(("clinic_greeting",)),
            Says("request", ("clinic_offer",)),
            Presses("1", ("clinic_booked",)),
            Says("reminder", ("clinic_moment", "clinic_reminded")),
            Says("goodbye", ("clinic_goodbye",)),
        ),
        (
            Given("find_slot", '"10:30"'),
            Given("find_slot", '"09:00"'),
            Given("book_slot", "tuesday 10:30"),
            Given("send_reminder", "sent"),
        ),
        "completed",
        End(EndReason.AGENT_DONE),
    )
    asking = Scene(
        "a caller who interrupts the greeting to ask for reception",
        Script((greeting, Step(Spoke(1), said("clinic_transfer", _transfer()))), at_a_loss),
        (ListensFor(Ms(1500)), Says("reception", ("clinic_transfer",))),
        (),
        reception,
        PUT_THROUGH,
    )
    pressing = Scene(
        f"a caller who presses {MENU_KEY} during the greeting",
        Script((greeting,), at_a_loss),
        (ListensFor(Ms(1500)), Presses(MENU_KEY)),
        (),
        reception,
        PUT_THROUGH,
    )
    return booking, asking, pressing


def _booking() -> Iterator[Step]:
    tuesday = Invocation("find_slot", '{"day": "tuesday", "after": "10:00"}')
    wednesday = Invocation("find_slot", '{"day": "wednesday"}')
    slot = Invocation("book_slot", '{"day": "tuesday", "time": "10:30", "name": "Ann"}')
    reminder = Invocation("send_reminder", '{"day": "tuesday", "time": "10:30"}')
    yield Step(Spoke(1), Reply(calls=(tuesday, wednesday)))
    yield Step(Returned("find_slot", '["10:30"'), said("clinic_offer"))
    yield Step(Told("keys: 1]"), Reply(calls=(slot,)))
    yield Step(Returned("book_slot", "tuesday 10:30"), said("clinic_booked"))
    yield Step(Spoke(2), said("clinic_moment", reminder))
    yield Step(Returned("send_reminder", "sent"), said("clinic_reminded"))
    yield Step(Spoke(3), said("clinic_goodbye", Invocation("end_call", '{"reason": "the appointment is booked"}')))


def _transfer() -> Invocation:
    return Invocation("transfer_call", f'{{"target": "{RECEPTION}"}}')


NEEDED: Final[Mapping[str, str]] = {
    "find_slot": "finds free slots",
    "book_slot": "books one",
    "send_reminder": "is a webhook",
    "transfer_call": f"has a target `{RECEPTION}`",
    "end_call": "ends the call",
}
"""The tools that the play calls, and what each is to it."""


def _problems(config: Config) -> Iterator[str]:
    """What the agent lacks."""
    have = {declared_name(tool) for tool in config.tools}
    for name, what in NEEDED.items():
        if name not in have:
            yield f"the play calls `{name}`, which {what}; this agent has none: see examples/clinic.toml, at tools"
    if "transfer_call" in have and RECEPTION not in transfer_targets(config.tools):
        yield f"the play transfers to `{RECEPTION}`, which is no target of `transfer_call`, at tools"
    if config.agent.greeting is None:
        yield "the play begins with a greeting: set `greeting`, at agent.greeting"
    if config.agent.keys.actions.get(MENU_KEY) != TransferTo(RECEPTION):
        yield f"the play presses {MENU_KEY} to be transferred to `{RECEPTION}`: bind the key to that, at agent.keys"
