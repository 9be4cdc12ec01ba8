# ruff: noqa: N815 (the fields carry the wire's own names, which the decoder matches)
"""Twilio Media Streams, the bidirectional kind: every message of both directions, and one call's dialect.

The platform dials us and says `connected`, `start`, any mix of `media`, `dtmf` and `mark`, and `stop`; we answer with
`media`, `mark` and `clear` (Twilio, "Media Streams - WebSocket Messages"). Each message is one JSON object in one text
frame. Fields that nothing here depends on may be missing; fields that are not documented are ignored.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import attrs

from opusagent.platforms.dialect import (
    Unknown,
)
from opusagent.units import Ms
from opusagent.wire import EventTag, Reader, to_text

Number: TypeAlias = str | int
"""A whole number, which Twilio writes as a string of digits."""

KEYS: Final = frozenset("0123456789*#ABCD")
"""What a telephone can send (ITU-T Q.23)."""

PAIR: Final = Ms(40)
"""20 ms frames go up in pairs: half the messages to the model for 20 ms of delay."""

LONGEST_STREAM_SID: Final = 128
"""Characters. Twilio's have 34; every message we send repeats it, so a peer may not choose a long one."""


@attrs.frozen(kw_only=True)
class Connected:
    """The first message: which protocol the platform speaks."""

    protocol: str | None = None
    version: str | None = None
    event: Literal["connected"] = "connected"


@attrs.frozen(kw_only=True)
class StreamFormat:
    """How the stream's audio is written; documented as always `audio/x-mulaw`, 8000, 1."""

    encoding: str
    sampleRate: Number
    channels: Number


@attrs.frozen(kw_only=True)
class StartDetail:
    """What the stream is: whose call, which tracks, which format, and the parameters of our TwiML."""

    callSid: str
    mediaFormat: StreamFormat
    streamSid: str | None = None
    accountSid: str | None = None
    tracks: tuple[str, ...] | None = None
    customParameters: Mapping[str, str] | None = None


@attrs.frozen(kw_only=True)
class Start:
    """The stream begins. Exactly once, before anything that carries its `streamSid`."""

    streamSid: str
    start: StartDetail
    sequenceNumber: Number | None = None
    event: Literal["start"] = "start"


@attrs.frozen(kw_only=True)
class MediaDetail:
    """Raw mu-law of one track, any length. `timestamp`: milliseconds since the stream began."""

    payload: bytes
    track: str | None = None
    chunk: Number | None = None
    timestamp: Number | None = None


@attrs.frozen(kw_only=True)
class Media:
    """Sound from the call."""

    streamSid: str
    media: MediaDetail
    sequenceNumber: Number | None = None
    event: Literal["media"] = "media"


@attrs.frozen(kw_only=True)
class DtmfDetail:
    """One key."""

    digit: str
    track: str | None = None


@attrs.frozen(kw_only=True)
class Dtmf:
    """The caller pressed a key."""

    streamSid: str
    dtmf: DtmfDetail
    sequenceNumber: Number | None = None
    event: Literal["dtmf"] = "dtmf"


@attrs.frozen(kw_only=True)
class MarkDetail:
    """A mark's name, which is whatever we chose."""

    name: str


@attrs.frozen(kw_only=True)
class Mark:
    """A mark of ours comes back: what was queued before it was played, or cleared."""

    streamSid: str
    mark: MarkDetail
    sequenceNumber: Number | None = None
    event: Literal["mark"] = "mark"


@attrs.frozen(kw_only=True)
class StopDetail:
    """Whose stream stopped. Twilio gives no reason."""

    accountSid: str | None = None
    callSid: str | None = None


@attrs.frozen(kw_only=True)
class Stop:
    """The stream is over; the platform closes the socket next."""

    streamSid: str
    stop: StopDetail | None = None
    sequenceNumber: Number | None = None
    event: Literal["stop"] = "stop"


@attrs.frozen(kw_only=True)
class OutboundPayload:
    """Raw mu-law to play, any length, without a header."""

    payload: bytes


@attrs.frozen(kw_only=True)
class OutboundMedia:
    """Play this behind what is queued."""

    streamSid: str
    media: OutboundPayload
    event: Literal["media"] = "media"


@attrs.frozen(kw_only=True)
class OutboundMark:
    """Echo this name when all that was queued before it was played, or cleared."""

    streamSid: str
    mark: MarkDetail
    event: Literal["mark"] = "mark"


@attrs.frozen(kw_only=True)
class Clear:
    """Drop what is queued; every mark in it is echoed at once."""

    streamSid: str
    event: Literal["clear"] = "clear"


PlatformMessage: TypeAlias = Connected | Start | Media | Dtmf | Mark | Stop
BridgeMessage: TypeAlias = OutboundMedia | OutboundMark | Clear

_PLATFORM: Final[Reader[PlatformMessage, Unknown]] = Reader(
    EventTag, get_args(PlatformMessage), hot=Media, unknown=Unknown
)
_BRIDGE: Final[Reader[BridgeMessage, Unknown]] = Reader(
    EventTag, get_args(BridgeMessage), hot=OutboundMedia, unknown=Unknown
)


def parse_platform_message(text: str) -> PlatformMessage | Unknown:
    """What the platform said, before it means anything to a call.

    Raises:
        RemoteProtocolError: `text` is no message; close code 1007 for what is not JSON or not base64, else 1002.
    """
    return _PLATFORM.parse(text)


def parse_bridge_message(text: str) -> BridgeMessage | Unknown:
    """What a bridge said, as the platform hears it. Raises as `parse_platform_message`."""
    return _BRIDGE.parse(text)


def render(message: PlatformMessage | BridgeMessage) -> str:
    """The text of `message`. Raises `LocalProtocolError` if it cannot be written."""
    return to_text(message)
