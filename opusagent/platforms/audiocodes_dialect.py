"""One AudioCodes conversation's translation between the wire and the house.

The platform's protocol asks for answers of its own (`userStream.started` before any sound comes), lets at most one
play stream be open, and keeps the conversation when a socket breaks: the same dialect goes on over the next socket. So
it has a state, in three parts that are independent of each other: whether the call is offered, accepted or over;
whether the caller's sound may come; and which play stream is open.

There are no marks. What the platform has not played cannot be seen or taken back, so it is kept short (`lead`).
"""

import enum
from collections.abc import Sequence
from typing import Final, assert_never

import attrs

from opusagent.audio.media import MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.audio.wav import MOST_DATA_BYTES, header
from opusagent.errors import POLICY_VIOLATION, UNSUPPORTED_DATA, LocalProtocolError, RemoteProtocolError
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    Alternative,
    BridgeMessage,
    ConnectionValidate,
    ConnectionValidated,
    JsonObject,
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionEnd,
    SessionError,
    SessionInitiate,
    SessionResume,
    UserStreamChunk,
    UserStreamSpeechCommitted,
    UserStreamSpeechHypothesis,
    UserStreamSpeechRecognition,
    UserStreamSpeechStarted,
    UserStreamSpeechStopped,
    UserStreamStart,
    UserStreamStarted,
    UserStreamStop,
    UserStreamStopped,
    event_name,
    parse_platform_message,
    render,
)
from opusagent.platforms.dialect import (
    CallerAudio,
    CallerEvent,
    CallerLeft,
    CallerNamed,
    CallerSoundBegan,
    CallerSoundPaused,
    CallResumed,
    CallStarted,
    Chatter,
    KeysPressed,
    Notice,
    SpeechSign,
    Unknown,
    WordsRecognised,
)
from opusagent.units import HZ_8K, HZ_16K, Ms
from opusagent.wire import printable

KEYS: Final = frozenset("0123456789*#ABCD")
"""What a telephone can send (ITU-T Q.23)."""

SENDABLE: Final = frozenset("0123456789*#")
MOST_SENT: Final = 20
"""What `sendDtmf` takes (AudioCodes, "Sending DTMF digits")."""

LEAD: Final = Ms(400)
"""The vendor's advice is to send at about the rate of playing; this much ahead bridges an uneven network."""

_PCM16_16K: Final = MediaFormat(Encoding.PCM16, HZ_16K)
_PCM16_8K: Final = MediaFormat(Encoding.PCM16, HZ_8K)

RIFF: Final = b"RIFF"

MOST_HEADER: Final = 4096
"""Bytes within which the samples of a WAV stream begin; what is still no data chunk then is taken as samples."""

MEDIA: Final = {
    "raw/lpcm16_24": PCM16_24K,
    "raw/lpcm16": _PCM16_16K,
    "raw/lpcm16_8": _PCM16_8K,
    "raw/mulaw": MULAW_8K,
    "wav/lpcm16_24": PCM16_24K,
    "wav/lpcm16": _PCM16_16K,
    "wav/lpcm16_8": _PCM16_8K,
    "wav/mulaw": MULAW_8K,
}
"""The platform's names of formats, best first: 24 kHz needs no resampling, and `raw` no header."""


class Standing(enum.Enum):
    """How the conversation stands between the platform and us."""

    UNKNOWN = "nothing was said"
    OFFERED = "the platform has put a call through"
    ACCEPTED = "we have taken it"
    LEAVING = "we have asked for its end"
    OVER = "the last word is said"


@attrs.define
class AudioCodesDialect:
    """One conversation. `formats` are the names that we take, best first."""

    formats: Sequence[str] = tuple(MEDIA)
    lead: Ms = LEAD

    _standing: Standing = attrs.field(default=Standing.UNKNOWN, init=False)
    _conversation: str = attrs.field(default="", init=False)
    _format: str = attrs.field(default="", init=False)
    _participant: str | None = attrs.field(default=None, init=False)
    _hears: bool = attrs.field(default=False, init=False)
    _header: bytearray | None = attrs.field(default=None, init=False)
    _replies: list[BridgeMessage] = attrs.field(factory=list[BridgeMessage], init=False)
    _owed: list[BridgeMessage] = attrs.field(factory=list[BridgeMessage], init=False)
    _streams: int = attrs.field(default=0, init=False)
    _open: str | None = attrs.field(default=None, init=False)

    # -- what the platform says ----------------------------------------------------------------------------------

    def parse(self, text: str) -> CallerEvent:
        """What the platform said.

        Raises:
            RemoteProtocolError: no message (1007, 1002), no format in common or no audio wanted (1003), a message of
                another conversation, before its beginning or a second beginning (1008).
        """
        message = parse_platform_message(text)
        match message:
            case UserStreamChunk():
                self._require_conversation(message.type, message.conversationId)
                return self._sound(message.audioChunk)
            case UserStreamStart():
                self._require_conversation(message.type, message.conversationId)
                return self._begin_sound(message)
            case UserStreamStop():
                self._require_conversation(message.type, message.conversationId)
                return self._pause_sound(message)
            case Activities():
                self._require_conversation(message.type, message.conversationId)
                return _activity(message.activities)
            case SessionInitiate():
                return self._begin(message)
            case SessionResume():
                return self._come_back(message)
            case SessionEnd():
                self._require_conversation(message.type, message.conversationId)
                self._standing = Standing.OVER
                return CallerLeft(": ".join(filter(None, (message.reasonCode, message.reason))) or "session.end")
            case ConnectionValidate():
                self._replies.append(ConnectionValidated())
                return Chatter(message.type)
            case Unknown():
                return message
        assert_never(message)

    def replies(self) -> list[str]:
        """What the protocol demands: `userStream.started` and `stopped`, `connection.validated`."""
        replies = [render(reply) for reply in self._replies]
        self._replies.clear()
        return replies

    # -- what we say ---------------------------------------------------------------------------------------------

    def accept(self) -> list[str]:
        """`session.accepted`, and what was owed to a platform that began its user stream before it.

        Nothing if it has been taken already, nor if it is over: a model may get ready just after the caller has left.
        """
        if self._standing in {Standing.ACCEPTED, Standing.LEAVING, Standing.OVER}:
            return []
        return self._take()

    def _take(self) -> list[str]:
        self._standing = Standing.ACCEPTED
        owed, self._owed = self._owed, []
        return [render(SessionAccepted(mediaFormat=self._format)), *map(render, owed)]

    def resume(self) -> list[str]:
        """Take the call up again: sound may come before a new `userStream.start`, and no play stream is open."""
        self._open = None
        self._header = None
        self._hears = True
        self._replies.clear()
        self._owed.clear()
        return self._take() if self._standing is Standing.ACCEPTED else []

    def play(self, frames: Sequence[bytes], mark: str | None, *, last: bool) -> list[str]:
        """One chunk, in a stream that is opened for it, and closed behind it if it is the `last`.

        Nothing unless the call is taken: the platform allows no play stream before that, nor behind a goodbye.
        """
        del mark
        if self._standing is not Standing.ACCEPTED:
            return []
        messages: list[str] = []
        if frames:
            if self._open is None:
                messages += self._open_stream()
            messages += self._chunk(b"".join(frames))
        return messages + self._close_stream() if last else messages

    def clear(self) -> list[str]:
        """`playStream.stop`: there is nothing that takes back what was sent."""
        return self._close_stream()

    def notify(self, notice: Notice) -> list[str]:
        """The caller's speech: it makes the platform barge in, and feeds its no-input timers."""
        if self._standing is not Standing.ACCEPTED:
            return []
        return [render(self._notice(notice))]

    def transfer(self, target: str) -> list[str]:
        """The `transfer` activity; the platform ends the session when it has been done."""
        address = target if target.startswith(("tel:", "sip:", "sips:")) else f"tel:{target}"
        return [*self._close_stream(), *self._event("transfer", {"transferTarget": address})]

    def press(self, digits: str) -> list[str]:
        """The `sendDtmf` activity: up to 20 of `0-9*#`; the platform ignores others."""
        keys = "".join(key for key in digits if key in SENDABLE)[:MOST_SENT]
        return self._event("sendDtmf", {"dtmfDigits": keys}) if keys else []

    def hang_up(self, reason: str) -> list[str]:
        """The `hangup` activity, or `session.error` if the call was never taken."""
        match self._standing:
            case Standing.ACCEPTED:
                self._standing = Standing.LEAVING
                return [*self._close_stream(), *_activity_of("hangup", {"hangupReason": reason})]
            case Standing.OFFERED | Standing.UNKNOWN:
                self._standing = Standing.OVER
                return [render(SessionError(reason=reason))]
            case Standing.LEAVING | Standing.OVER:
                return []
        assert_never(self._standing)

    def _event(self, name: str, parameters: JsonObject) -> list[str]:
        return _activity_of(name, parameters) if self._standing is Standing.ACCEPTED else []

    # -- inside --------------------------------------------------------------------------------------------------

    def _begin(self, message: SessionInitiate) -> CallStarted:
        if self._standing is not Standing.UNKNOWN:
            raise RemoteProtocolError("session.initiate: the session has already begun", close_code=POLICY_VIOLATION)
        if message.expectAudioMessages is False:
            fault = "expectAudioMessages: the platform wants text; switch on directTTS (Live Hub: voice streaming)"
            raise RemoteProtocolError(fault, close_code=UNSUPPORTED_DATA)
        self._conversation = message.conversationId
        self._format = self._negotiate(message.supportedMediaFormats)
        self._standing = Standing.OFFERED
        return CallStarted(
            platform_call_id=message.conversationId,
            stream_id=message.conversationId,
            media=MEDIA[self._format],
            account=message.botName or "",
            caller=message.caller or "",
            returns_marks=False,
            lead=self.lead,
            is_listening=False,
        )

    def _negotiate(self, offered: Sequence[str]) -> str:
        for ours in self.formats:
            if ours in offered:
                return ours
        names = ", ".join(map(printable, offered[:16])) or "none"
        fault = f"supportedMediaFormats: {names} offered, none of them is taken here: {', '.join(self.formats)}"
        raise RemoteProtocolError(fault, close_code=UNSUPPORTED_DATA)

    def _come_back(self, message: SessionResume) -> CallResumed:
        # The formats that a resume may offer are not asked: the conversation has one, its recording and its model go
        # on in it, and `session.accepted` repeats it. A platform that cannot take it any more ends the session.
        if self._standing is not Standing.UNKNOWN:
            raise RemoteProtocolError("session.resume: the session has already begun", close_code=POLICY_VIOLATION)
        return CallResumed(message.conversationId)

    def _require_conversation(self, event: str, conversation: str | None) -> None:
        if self._standing is Standing.UNKNOWN:
            raise RemoteProtocolError(f"{event}: came before session.initiate", close_code=POLICY_VIOLATION)
        if conversation not in {None, self._conversation}:
            fault = f"conversationId: {event} names '{printable(conversation or '')}', not this conversation"
            raise RemoteProtocolError(fault, close_code=POLICY_VIOLATION)

    def _begin_sound(self, message: UserStreamStart) -> CallerSoundBegan:
        self._hears, self._participant = True, message.participant
        self._header = bytearray() if self._format.startswith("wav/") else None
        self._reply(UserStreamStarted(participant=message.participant))
        return CallerSoundBegan()

    def _pause_sound(self, message: UserStreamStop) -> CallerSoundPaused:
        self._hears = False
        self._reply(UserStreamStopped(participant=message.participant))
        return CallerSoundPaused()

    def _reply(self, reply: BridgeMessage) -> None:
        (self._owed if self._standing is Standing.OFFERED else self._replies).append(reply)

    def _sound(self, chunk: bytes) -> CallerAudio | Unknown:
        # The platform sends none before it is told that it may; what comes all the same is counted and passed over.
        if not self._hears or self._standing is not Standing.ACCEPTED:
            return Unknown("userStream.chunk outside a user stream")
        if self._header is None:
            return CallerAudio(chunk)
        self._header += chunk
        samples = _behind_header(bytes(self._header))
        if samples is None:
            return CallerAudio(b"")
        self._header = None
        return CallerAudio(samples)

    def _open_stream(self) -> list[str]:
        self._streams += 1
        self._open = str(self._streams)
        start = render(PlayStreamStart(streamId=self._open, mediaFormat=self._format))
        if not self._format.startswith("wav/"):
            return [start]
        media = MEDIA[self._format]
        return [start, *self._chunk(header(1, media.rate, MOST_DATA_BYTES, media.encoding))]

    def _chunk(self, audio: bytes) -> list[str]:
        if self._open is None:
            raise LocalProtocolError("a chunk outside a play stream")
        return [render(PlayStreamChunk(streamId=self._open, audioChunk=audio))]

    def _close_stream(self) -> list[str]:
        stream, self._open = self._open, None
        return [] if stream is None else [render(PlayStreamStop(streamId=stream))]

    def _notice(self, notice: Notice) -> BridgeMessage:
        who = self._participant
        match notice:
            case SpeechSign.STARTED:
                return UserStreamSpeechStarted(participant=who, participantId=who)
            case SpeechSign.STOPPED:
                return UserStreamSpeechStopped(participant=who, participantId=who)
            case SpeechSign.COMMITTED:
                return UserStreamSpeechCommitted(participant=who, participantId=who)
            case WordsRecognised(final=True):
                said = Alternative(text=notice.words, confidence=1.0)
                return UserStreamSpeechRecognition(alternatives=(said,), participant=who)
            case WordsRecognised():
                return UserStreamSpeechHypothesis(alternatives=(Alternative(text=notice.words),), participant=who)
        assert_never(notice)


def _behind_header(stream: bytes) -> bytes | None:
    """The samples of a WAV whose first bytes these are; None while they may still be header.

    What the platform's header looks like is documented nowhere, so the data chunk is looked for, wherever the stream
    was cut; what does not begin like a WAV is taken as samples.
    """
    if not stream.startswith(RIFF[: len(stream)]):
        return stream
    at = stream.find(b"data")
    if 0 <= at <= len(stream) - 8:
        return stream[at + 8 :]
    return stream if len(stream) > MOST_HEADER else None


def _activity_of(name: str, parameters: JsonObject) -> list[str]:
    return [render(Activities(activities=(Activity(type="event", name=name, activityParams=parameters),)))]


def _activity(activities: Sequence[Activity]) -> CallerEvent:
    """What the activities mean: who calls, or keys, all of one message together. Others ask for nothing."""
    keys: list[str] = []
    for activity in activities:
        match event_name(activity):
            case "start":
                return _named(activity)
            case "dtmf":
                keys.append(str(activity.value if activity.value is not None else "").upper())
            case _:
                continue
    digits = "".join(keys)
    if keys and digits and set(digits) <= KEYS:
        return KeysPressed(digits)
    return Unknown("activity dtmf") if keys else Chatter("activities")


def _named(activity: Activity) -> CallerNamed:
    given = {name: str(value) for name, value in (activity.parameters or {}).items() if isinstance(value, str | int)}
    return CallerNamed(given.pop("caller", ""), given.pop("callee", ""), given)
