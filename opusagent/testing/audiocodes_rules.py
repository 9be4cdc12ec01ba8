"""What a bridge may say to VoiceAI Connect, and when: the platform's rules as a judge without a clock or a socket.

It is told what either side says and answers with a complaint about the bridge, or with none. Sources: the vendor's
"Bot API" in streaming mode (play streams: one at a time, chunks only while it is open; `userStream.started` before any
sound), and its SDK.
"""

import enum
from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

import attrs

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.platforms.audiocodes import (
    Activities,
    BridgeMessage,
    ConnectionValidate,
    ConnectionValidated,
    PlatformMessage,
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionError,
    SessionInitiate,
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
)
from opusagent.platforms.dialect import Unknown
from opusagent.units import HZ_8K, HZ_16K, HZ_24K

FORMATS: Final = {
    f"{container}/{name}": MediaFormat(encoding, rate)
    for container in ("raw", "wav")
    for name, encoding, rate in (
        ("lpcm16_24", Encoding.PCM16, HZ_24K),
        ("lpcm16", Encoding.PCM16, HZ_16K),
        ("lpcm16_8", Encoding.PCM16, HZ_8K),
        ("mulaw", Encoding.MULAW, HZ_8K),
    )
}
"""The vendor's names of formats (Bot API, `supportedMediaFormats`)."""

_TOO_EARLY: Final = "comes before session.accepted"

FromBridge: TypeAlias = BridgeMessage | Unknown
PlayMessage: TypeAlias = PlayStreamStart | PlayStreamChunk | PlayStreamStop
Speech: TypeAlias = (
    UserStreamSpeechStarted
    | UserStreamSpeechStopped
    | UserStreamSpeechCommitted
    | UserStreamSpeechHypothesis
    | UserStreamSpeechRecognition
)


class UserStream(enum.Enum):
    """How the caller's sound stands on one socket."""

    CLOSED = "none is open"
    ASKED = "userStream.start was said"
    OPEN = "userStream.started came"
    CLOSING = "userStream.stop was said"


class Standing(enum.Enum):
    """What one socket has come to."""

    OFFERED = "the bridge has not answered yet"
    ACCEPTED = "the bridge has taken the call"
    OVER = "the bridge has said goodbye"


@attrs.define
class Rules:
    """One conversation, over one socket after the other. `format` is empty until the bridge has chosen it."""

    offered: Sequence[str] = tuple(FORMATS)
    format: str = attrs.field(default="", init=False)
    standing: Standing = attrs.field(default=Standing.OFFERED, init=False)
    user_stream: UserStream = attrs.field(default=UserStream.CLOSED, init=False)
    play_stream: str | None = attrs.field(default=None, init=False)
    _ids: set[str] = attrs.field(factory=set[str], init=False)
    _validations: int = attrs.field(default=0, init=False)

    @property
    def media(self) -> MediaFormat:
        """How sound is written, once that is known."""
        return FORMATS[self.format]

    def change_socket(self) -> None:
        """The old socket is gone, and with it every stream that was open on it."""
        self.standing = Standing.OFFERED
        self.user_stream = UserStream.CLOSED
        self.play_stream = None

    def say(self, message: PlatformMessage) -> None:
        """The platform says this."""
        match message:
            case SessionInitiate():
                self.offered = message.supportedMediaFormats
            case UserStreamStart():
                self.user_stream = UserStream.ASKED
            case UserStreamStop():
                self.user_stream = UserStream.CLOSING
            case ConnectionValidate():
                self._validations += 1
            case _:
                pass

    def hear(self, message: FromBridge) -> str | None:
        """The bridge says this. What is wrong with it."""
        if isinstance(message, Unknown):
            return f"{message.kind}: the platform knows no such message"
        fault = self._judge(message)
        return None if fault is None else f"{message.type}: {fault}"

    def _judge(self, message: BridgeMessage) -> str | None:
        match message:
            case ConnectionValidated():
                self._validations -= 1
                return None if self._validations >= 0 else "nobody asked"
            case UserStreamStarted():
                return self._answer(UserStream.ASKED, UserStream.OPEN)
            case UserStreamStopped():
                return self._answer(UserStream.CLOSING, UserStream.CLOSED)
            case _ if self.standing is Standing.OVER:
                return "comes after the goodbye"
            case SessionError():
                self.standing = Standing.OVER
                return None
            case SessionAccepted():
                return self._accept(message)
            case _ if self.standing is Standing.OFFERED:
                return _TOO_EARLY
            case PlayStreamStart() | PlayStreamChunk() | PlayStreamStop():
                return self._play(message)
            case UserStreamSpeechHypothesis() | UserStreamSpeechRecognition():
                return None if message.alternatives else "has no alternatives"
            case UserStreamSpeechStarted() | UserStreamSpeechStopped() | UserStreamSpeechCommitted():
                return None
            case Activities():
                return self._act(message)
        assert_never(message)

    def _accept(self, message: SessionAccepted) -> str | None:
        if self.standing is Standing.ACCEPTED:
            return "comes a second time"
        self.standing = Standing.ACCEPTED
        chosen = message.mediaFormat or self.format
        if chosen not in self.offered:
            return f"{chosen or 'no format'} was not offered"
        if self.format not in {"", chosen}:
            return f"{chosen} is not {self.format}, in which the call began"
        self.format = chosen
        return None

    def _answer(self, asked: UserStream, then: UserStream) -> str | None:
        if self.standing is Standing.OFFERED:
            return _TOO_EARLY
        if self.user_stream is not asked:
            return f"answers nothing: {self.user_stream.value}"
        self.user_stream = then
        return None

    def _play(self, message: PlayMessage) -> str | None:
        match message:
            case PlayStreamStart():
                return self._open(message)
            case PlayStreamChunk() if message.streamId == self.play_stream:
                whole = not len(message.audioChunk) % self.media.bytes_per_sample
                return None if whole else f"{len(message.audioChunk)} bytes are not whole samples"
            case PlayStreamStop() if message.streamId == self.play_stream:
                self.play_stream = None
                return None
            case _:
                return f"stream {message.streamId} is not open"

    def _open(self, message: PlayStreamStart) -> str | None:
        before, self.play_stream = self.play_stream, message.streamId
        if before is not None:
            return f"stream {before} is still open"
        if message.streamId in self._ids:
            return f"stream {message.streamId} was there before"
        self._ids.add(message.streamId)
        return None if message.mediaFormat == self.format else f"{message.mediaFormat} is not {self.format}"

    def _act(self, message: Activities) -> str | None:
        if not {"hangup", "transfer", "handover"} & set(map(event_name, message.activities)):
            return None
        self.standing = Standing.OVER
        return None if self.play_stream is None else f"leaves stream {self.play_stream} open"
