"""The platform-neutral vocabulary of a caller's leg.

A platform's own messages are parsed at the door into the events below, and what the call wants to say is rendered
back into the platform's text. Nothing behind this line knows which platform the caller came by.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.units import Ms

LEAD: Final = Ms(300)
"""How far a platform may be ahead of the caller's ear, unless it has a reason of its own."""


@attrs.frozen
class CallStarted:
    """The platform put a caller through.

    `platform_call_id` and `stream_id` are the platform's names: data for the report, never part of a path.
    `media` is how the caller's audio is written, both ways. `block` is how much of it goes up in one message, None: as
    it comes; `most` is the most. `returns_marks`: whether the platform tells what was played. `lead` is how far it may
    be ahead of the ear. `is_listening`: the caller hears us before the call is taken.
    """

    platform_call_id: str
    stream_id: str
    media: MediaFormat
    account: str = ""
    caller: str = ""
    callee: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])
    block: Ms | None = None
    most: Ms = Ms(1000)
    returns_marks: bool = True
    lead: Ms = LEAD
    is_listening: bool = True


@attrs.frozen
class CallResumed:
    """The platform comes back on a new socket for a call that it had put through before."""

    platform_call_id: str


@attrs.frozen
class CallerNamed:
    """Who calls whom, where the platform says it after the call has started. Empty: not said."""

    caller: str
    callee: str
    parameters: Mapping[str, str]


@attrs.frozen
class CallerSoundBegan:
    """The caller's sound will come."""


@attrs.frozen
class CallerSoundPaused:
    """The platform stops sending the caller's sound until it says otherwise: this is not silence, it is nothing."""


@attrs.define
class CallerAudio:
    """Sound from the caller, in the leg's media format, any length. `at`: the platform's media time, if it has one."""

    audio: bytes
    at: Ms | None = None


@attrs.frozen
class KeysPressed:
    """Telephone keys, one or a collected sequence, out of `0-9*#A-D`."""

    digits: str


@attrs.frozen
class MarkReached:
    """A mark that we set came back: everything sent before it was played, or was cleared."""

    name: str


@attrs.frozen
class CallerLeft:
    """The platform says that the caller's leg is over."""

    reason: str


@attrs.frozen
class Chatter:
    """A known message that asks for nothing (Twilio's `connected`)."""

    kind: str


@attrs.frozen
class Unknown:
    """A message of a kind that this version does not know. Counted, never fatal: platforms add kinds."""

    kind: str


CallerEvent = (
    CallStarted
    | CallResumed
    | CallerNamed
    | CallerSoundBegan
    | CallerSoundPaused
    | CallerAudio
    | KeysPressed
    | MarkReached
    | CallerLeft
    | Chatter
    | Unknown
)


class SpeechSign(enum.Enum):
    """What the model's voice activity detection noticed of the caller."""

    STARTED = "started"
    STOPPED = "stopped"
    COMMITTED = "committed"


@attrs.frozen
class WordsRecognised:
    """What the caller says, as the model's service understands it; `final` once it will not change any more."""

    words: str
    final: bool


Notice = SpeechSign | WordsRecognised
"""What a platform may want to know of the conversation."""


class Dialect(Protocol):
    """One call's translation between a platform's text and the house. Its state is what the platform's protocol needs.

    A platform that has no words for something is told nothing: the method returns no message.
    """

    def parse(self, text: str) -> CallerEvent:
        """What the platform said. Raises `RemoteProtocolError` if it breaks the platform's protocol."""
        ...

    def replies(self) -> list[str]:
        """The answers that the platform's protocol demands to what was parsed, each once, whatever the call decides."""
        ...

    def accept(self) -> list[str]:
        """The messages that take the call: the model is ready."""
        ...

    def resume(self) -> list[str]:
        """The messages that take up the call again on a new socket."""
        ...

    def play(self, frames: Sequence[bytes], mark: str | None, *, last: bool) -> list[str]:
        """The messages that play `frames` in order and, behind them, set `mark`. `last`: nothing follows for now."""
        ...

    def clear(self) -> list[str]:
        """The messages that make the platform drop what it has not played yet."""
        ...

    def notify(self, notice: Notice) -> list[str]:
        """The messages that tell the platform about the conversation."""
        ...

    def transfer(self, target: str) -> list[str]:
        """The messages that pass the caller on to `target` (`tel:`, `sip:` or a bare number)."""
        ...

    def press(self, digits: str) -> list[str]:
        """The messages that press keys for the other side to hear."""
        ...

    def hang_up(self, reason: str) -> list[str]:
        """The messages that end the call from our side, or refuse it. The platform says `CallerLeft` if it answers."""
        ...
