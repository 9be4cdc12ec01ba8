"""The platform-neutral vocabulary of a caller's leg.

A platform's own messages are parsed at the door into the events below, and what the call wants to say is rendered
back into the platform's text. Nothing behind this line knows which platform the caller came by.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.units import Ms


@attrs.frozen
class CallStarted:
    """The platform put a caller through.

    `platform_call_id` and `stream_id` are the platform's names: data for the report, never part of a path.
    `media` is how the caller's audio is written, both ways.
    """

    platform_call_id: str
    stream_id: str
    media: MediaFormat
    account: str = ""
    caller: str = ""
    callee: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])


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


CallerEvent = CallStarted | CallerAudio | KeysPressed | MarkReached | CallerLeft | Chatter | Unknown


class Dialect(Protocol):
    """One call's translation between a platform's text and the house. Stateful only in names (stream ids)."""

    def parse(self, text: str) -> CallerEvent:
        """What the platform said. Raises `RemoteProtocolError` if it breaks the platform's protocol."""
        ...

    def play(self, frames: Sequence[bytes], mark: str | None) -> list[str]:
        """The messages that play `frames` in order and, behind them, set `mark`."""
        ...

    def clear(self) -> list[str]:
        """The messages that make the platform drop what it has not played yet."""
        ...
