"""What Twilio says on a media stream, numbered as Twilio numbers it, for a caller who has only audio and keys."""

from collections.abc import Mapping

import attrs

from opusagent.audio.media import MULAW_8K
from opusagent.platforms.twilio import (
    Connected,
    Dtmf,
    DtmfDetail,
    Mark,
    MarkDetail,
    Media,
    MediaDetail,
    PlatformMessage,
    Start,
    StartDetail,
    Stop,
    StopDetail,
    StreamFormat,
    render,
)
from opusagent.units import Mulaw


@attrs.frozen
class Identity:
    """Who calls whom, and what the TwiML says `further`. Twilio's names are two letters and 32 hexadecimal digits."""

    call_sid: str = "CA" + "0" * 31 + "1"
    stream_sid: str = "MZ" + "0" * 31 + "2"
    account_sid: str = "AC" + "0" * 31 + "3"
    caller: str = "+15550100"
    callee: str = "+15550199"
    further: Mapping[str, str] = attrs.field(factory=dict[str, str])

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the TwiML passes on, since Twilio itself does not."""
        return {"From": self.caller, "To": self.callee, "CallSid": self.call_sid, **self.further}


@attrs.define
class PlatformMessages:
    """One stream's messages, rendered. Each call of a method takes the next number, so ask in the order of sending."""

    _identity: Identity
    _number: int = attrs.field(default=0, init=False)
    _chunk: int = attrs.field(default=0, init=False)
    _audio_bytes: int = attrs.field(default=0, init=False)

    @property
    def has_started(self) -> bool:
        """Whether `start` was taken, so that the bridge may know the stream's name."""
        return self._number > 0

    def connected(self) -> str:
        """The greeting, which has no number."""
        return render(Connected(protocol="Call", version="1.0.0"))

    def start(self) -> str:
        """The stream's name, format and parameters."""
        who = self._identity
        detail = StartDetail(
            accountSid=who.account_sid,
            streamSid=who.stream_sid,
            callSid=who.call_sid,
            tracks=("inbound",),
            mediaFormat=StreamFormat(encoding="audio/x-mulaw", sampleRate=8000, channels=1),
            customParameters=who.parameters,
        )
        return self._numbered(Start(streamSid=who.stream_sid, start=detail))

    def media(self, frame: Mulaw) -> str:
        """Sound of the caller; its timestamp is the media time at which it begins, in milliseconds."""
        self._chunk += 1
        began = str(MULAW_8K.ms_of(self._audio_bytes))
        self._audio_bytes += len(frame)
        detail = MediaDetail(track="inbound", chunk=str(self._chunk), timestamp=began, payload=frame)
        return self._numbered(Media(streamSid=self._identity.stream_sid, media=detail))

    def key(self, digit: str) -> str:
        """A key pressed."""
        detail = DtmfDetail(track="inbound_track", digit=digit)
        return self._numbered(Dtmf(streamSid=self._identity.stream_sid, dtmf=detail))

    def mark(self, name: str) -> str:
        """The echo of a mark."""
        return self._numbered(Mark(streamSid=self._identity.stream_sid, mark=MarkDetail(name=name)))

    def stop(self) -> str:
        """The end."""
        detail = StopDetail(accountSid=self._identity.account_sid, callSid=self._identity.call_sid)
        return self._numbered(Stop(streamSid=self._identity.stream_sid, stop=detail))

    def _numbered(self, message: Start | Media | Dtmf | Mark | Stop) -> str:
        self._number += 1
        numbered: PlatformMessage = attrs.evolve(message, sequenceNumber=str(self._number))
        return render(numbered)
