"""A caller on AudioCodes VoiceAI Connect (Bot API, streaming mode), in PCM at 24 kHz, which bridges take first."""

import base64
import json
import re
from typing import Final

import attrs
from typing_extensions import override

from opusagent.bench.load.caller import Caller, clock
from opusagent.bench.load.line import Line
from opusagent.bench.load.voices import PCM_24K

FORMAT: Final = "raw/lpcm16_24"

_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-zA-Z.]+)"')
_CHUNK: Final = re.compile(rb'"audioChunk"\s*:\s*"([^"]*)"')


@attrs.define(eq=False)
class AudioCodesCaller(Caller):
    """One conversation; `frames` are of `PCM_24K`. Told that the caller speaks, the platform stops playing."""

    @override
    def opened(self, line: Line) -> None:
        self._line = line
        self._say("session.initiate", botName="bench", caller="+15550100", supportedMediaFormats=[FORMAT])

    @override
    def heard(self, text: bytes) -> None:
        now = clock()
        found = _TYPE.search(text)
        match found[1] if found else b"":
            case b"playStream.chunk" if (chunk := _CHUNK.search(text)) is not None:
                raw = base64.b64decode(chunk[1])
                self.account.down.receive(now, PCM_24K.ms(raw), PCM_24K.mark_in(raw))
            case b"userStream.speech.started":
                self.account.down.clear(now)
            case b"session.accepted":
                self._say("userStream.start")
            case b"userStream.started":
                self.begin()
            case b"session.error":
                self.account.failure = text[:200].decode(errors="replace")
            case _:
                pass

    @override
    def hang_up(self) -> None:
        if self._line is not None:
            self._say("session.end", reasonCode="client-disconnected", reason="Client Side")
            self._line.close()

    @override
    def send(self, sound: bytes) -> None:
        if self._line is not None:
            self._line.say(
                b'{"type":"userStream.chunk","conversationId":"%b","audioChunk":"%b"}' % (self._name.encode(), sound)
            )

    @property
    def _name(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012x}"

    def _say(self, kind: str, **fields: object) -> None:
        if self._line is not None:
            self._line.say(json.dumps({"type": kind, "conversationId": self._name, **fields}).encode())
