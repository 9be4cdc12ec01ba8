"""One Twilio call's translation between the wire and the house.

Twilio returns marks, drops what it has not played when it is told to clear, and never comes back to a stream that
broke. What ends, transfers or sends keys into a call is not said on the stream but asked of the REST API.
"""

import json
from collections.abc import Sequence
from typing import Final, assert_never

import attrs
import pybase64

from opusagent.audio.media import MULAW_8K
from opusagent.errors import (
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    UNSUPPORTED_DATA,
    LocalProtocolError,
    RemoteProtocolError,
)
from opusagent.platforms.dialect import (
    CallerAudio,
    CallerEvent,
    CallerLeft,
    CallStarted,
    Chatter,
    KeysPressed,
    MarkReached,
    Notice,
    Unknown,
)
from opusagent.platforms.twilio import (
    KEYS,
    LONGEST_STREAM_SID,
    PAIR,
    Clear,
    Connected,
    Dtmf,
    Mark,
    MarkDetail,
    Media,
    MediaDetail,
    Number,
    OutboundMark,
    Start,
    StartDetail,
    Stop,
    StreamFormat,
    parse_platform_message,
    render,
)
from opusagent.units import Ms
from opusagent.wire import printable


@attrs.frozen
class _Unnamed:
    """Before `start`: there is no stream to speak of or into."""


@attrs.frozen
class _Stream:
    """After `start`. `media_head` is all of an outgoing media message that comes before its payload."""

    sid: str
    media_head: str


_MEDIA_TAIL: Final = '"}}'


@attrs.define
class TwilioDialect:
    """One call's translation. Its only state is the stream's name."""

    _stream: _Unnamed | _Stream = attrs.field(factory=_Unnamed, init=False)

    def parse(self, text: str) -> CallerEvent:
        """What the platform said.

        Raises:
            RemoteProtocolError: no message (1007, 1002), a format other than mu-law at 8000 Hz (1003), or a message
                before `start`, of another stream, or a second `start` (1008).
        """
        message = parse_platform_message(text)
        match message:
            case Media():
                self._require_stream(message.event, message.streamSid)
                return _sound(message.media)
            case Mark():
                self._require_stream(message.event, message.streamSid)
                return MarkReached(message.mark.name)
            case Dtmf():
                self._require_stream(message.event, message.streamSid)
                return _key(message.dtmf.digit)
            case Start():
                return self._begin(message)
            case Stop():
                self._require_stream(message.event, message.streamSid)
                return CallerLeft("stop")
            case Connected():
                return Chatter("connected")
            case Unknown():
                return message
        assert_never(message)

    def replies(self) -> list[str]:
        """None: Twilio asks nothing."""
        return []

    def accept(self) -> list[str]:
        """None: the call was taken when the socket was."""
        return []

    def resume(self) -> list[str]:
        """Twilio never comes back to a stream that broke.

        Raises:
            LocalProtocolError: always.
        """
        raise LocalProtocolError("a Twilio stream is not resumed")

    def notify(self, notice: Notice) -> list[str]:
        """None: Twilio does not ask what is said."""
        del notice
        return []

    def transfer(self, target: str) -> list[str]:
        """None: that is asked of the REST API."""
        del target
        return []

    def press(self, digits: str) -> list[str]:
        """None: that is asked of the REST API."""
        del digits
        return []

    def hang_up(self, reason: str) -> list[str]:
        """None: closing the socket lets the TwiML go on behind `<Connect>`, and ends the call if nothing is there."""
        del reason
        return []

    def play(self, frames: Sequence[bytes], mark: str | None, *, last: bool) -> list[str]:
        """One `media` message for each of `frames` (mu-law, any length) and, behind them, `mark`.

        Raises:
            LocalProtocolError: before `start`.
        """
        del last
        stream = self._named("play")
        head = stream.media_head
        messages = [head + pybase64.b64encode_as_string(frame) + _MEDIA_TAIL for frame in frames]
        if mark is not None:
            messages.append(render(OutboundMark(streamSid=stream.sid, mark=MarkDetail(name=mark))))
        return messages

    def clear(self) -> list[str]:
        """The message that drops what is queued. Raises `LocalProtocolError` before `start`."""
        return [render(Clear(streamSid=self._named("clear").sid))]

    def _begin(self, message: Start) -> CallStarted:
        """Take the stream's name, once."""
        if isinstance(self._stream, _Stream):
            raise RemoteProtocolError("start: the stream has already started", close_code=POLICY_VIOLATION)
        sid, detail = message.streamSid, message.start
        if detail.streamSid not in {None, sid}:
            raise RemoteProtocolError("start.streamSid: not the message's streamSid", close_code=POLICY_VIOLATION)
        if len(sid) > LONGEST_STREAM_SID:
            fault = f"streamSid: {len(sid)} characters, at most {LONGEST_STREAM_SID} are taken"
            raise RemoteProtocolError(fault, close_code=POLICY_VIOLATION)
        _require_mulaw(detail.mediaFormat)
        self._stream = _Stream(sid, f'{{"event":"media","streamSid":{json.dumps(sid)},"media":{{"payload":"')
        return _call(sid, detail)

    def _require_stream(self, event: str, sid: str) -> None:
        """Refuse a message that does not belong to the stream of this call."""
        match self._stream:
            case _Unnamed():
                raise RemoteProtocolError(f"{event}: came before start", close_code=POLICY_VIOLATION)
            case _Stream(sid=ours) if ours != sid:
                fault = f"streamSid: {event} names the stream '{printable(sid)}', not this call's"
                raise RemoteProtocolError(fault, close_code=POLICY_VIOLATION)
            case _Stream():
                pass

    def _named(self, wish: str) -> _Stream:
        if isinstance(self._stream, _Unnamed):
            raise LocalProtocolError(f"{wish} before start: the stream has no name yet")
        return self._stream


def _call(sid: str, detail: StartDetail) -> CallStarted:
    """The call in neutral words. Our TwiML passes `From` and `To`, which Twilio does not add by itself."""
    given = detail.customParameters or {}
    return CallStarted(
        platform_call_id=detail.callSid,
        stream_id=sid,
        media=MULAW_8K,
        account=detail.accountSid or "",
        caller=given.get("From", ""),
        callee=given.get("To", ""),
        parameters={name: value for name, value in given.items() if name not in {"From", "To"}},
        block=PAIR,
    )


def _sound(media: MediaDetail) -> CallerAudio | Chatter:
    """The caller's sound; that of any other track is our own and asks for nothing."""
    if media.track not in {None, "inbound"}:
        return Chatter("media")
    at = media.timestamp
    return CallerAudio(media.payload, None if at is None else Ms(_whole("media.timestamp", at)))


def _key(digit: str) -> KeysPressed | Unknown:
    """A key that a telephone has; anything else is counted, for no caller should be cut off over a key."""
    return KeysPressed(digit) if digit in KEYS else Unknown("dtmf")


def _require_mulaw(media: StreamFormat) -> None:
    """Refuse what is not mu-law, 8000 Hz, mono: Twilio's helper library already names other formats."""
    if (media.encoding, str(media.sampleRate), str(media.channels)) == ("audio/x-mulaw", "8000", "1"):
        return
    came = f"{printable(media.encoding)}, {printable(str(media.sampleRate))} Hz, {printable(str(media.channels))} ch"
    fault = f"start.mediaFormat: {came} came; only audio/x-mulaw, 8000 Hz, 1 ch is supported"
    raise RemoteProtocolError(fault, close_code=UNSUPPORTED_DATA)


def _whole(place: str, number: Number) -> int:
    """`number` as an int: up to 18 decimal digits, so never below zero and always within 64 bits."""
    digits = str(number)
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return int(digits)
    fault = f"{place}: expected a whole number of milliseconds, got '{printable(digits)}'"
    raise RemoteProtocolError(fault, close_code=PROTOCOL_ERROR)
