"""Callers: a frame every 20 ms; and on a Twilio media stream, with the platform's playout and its marks.

Messages are written and read as text, without a JSON library on the frames' way: both sides' forms are known.
"""

import abc
import asyncio
import base64
import json
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs
from typing_extensions import override

from opusagent.bench.load.account import Account
from opusagent.bench.load.line import Line
from opusagent.bench.load.voices import CYCLE_FRAMES, FRAME_MS, MULAW, is_marked

FRAME: Final = FRAME_MS / 1000

_EVENT: Final = re.compile(rb'"event"\s*:\s*"([a-z]+)"')
_PAYLOAD: Final = re.compile(rb'"payload"\s*:\s*"([^"]*)"')
_NAME: Final = re.compile(rb'"name"\s*:\s*"([^"]*)"')


@attrs.define(eq=False)
class Caller(abc.ABC):
    """One call as a platform has it. `phase`: the frame of the cycle that the caller begins with."""

    account: Account
    number: int
    frames: Sequence[bytes]
    phase: int
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)
    lateness: list[float] = attrs.field(factory=list[float])
    """Milliseconds that each frame was sent after its time: the generator's own fault."""
    _line: Line | None = None
    _sent: int = 0
    _began: float = 0.0
    _talks: bool = True

    @abc.abstractmethod
    def opened(self, line: Line) -> None:
        """The bridge has taken the line: say who calls."""

    @abc.abstractmethod
    def heard(self, text: bytes) -> None:
        """The bridge says this."""

    @abc.abstractmethod
    def hang_up(self) -> None:
        """The call is over."""

    @abc.abstractmethod
    def send(self, sound: bytes) -> None:
        """Send a frame, which is base64."""

    def gone(self) -> None:
        """The line is closed."""
        self._line = None
        self.ended.set()

    def hush(self) -> None:
        """Say nothing more once the number of frames is even: a frame is not late that waits for its other half."""
        self._talks = False

    def begin(self) -> None:
        """Speak from now on."""
        self._began = clock()
        self._speak()

    def _speak(self) -> None:
        """Send what is due, and come back when the next frame is."""
        if self._line is None or not (self._talks or self._sent % 2):
            return
        now = clock()
        while (due := self._began + self._sent * FRAME) <= now:
            at = (self.phase + self._sent) % CYCLE_FRAMES
            self._sent += 1
            self.send(self.frames[at])
            self.account.up.send(now, marked=is_marked(at))
            self.lateness.append((now - due) * 1000)
        asyncio.get_running_loop().call_at(due, self._speak)


@attrs.define(eq=False)
class TwilioCaller(Caller):
    """One call over a media stream; `frames` are mu-law."""

    _sequence: int = 1
    _marks: deque[tuple[float, bytes]] = attrs.field(factory=deque[tuple[float, bytes]])
    _echo: asyncio.TimerHandle | None = None

    @property
    def _stream(self) -> str:
        return f"MZ{self.number:032x}"

    @override
    def opened(self, line: Line) -> None:
        self._line = line
        call = f"CA{self.number:032x}"
        line.say(
            b'{"event":"connected","protocol":"Call","version":"1.0.0"}',
            json.dumps(
                {
                    "event": "start",
                    "sequenceNumber": "1",
                    "start": {
                        "accountSid": "AC" + "0" * 32,
                        "streamSid": self._stream,
                        "callSid": call,
                        "tracks": ["inbound"],
                        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                        "customParameters": {"From": "+15550100", "To": "+15550199", "CallSid": call},
                    },
                    "streamSid": self._stream,
                }
            ).encode(),
        )
        self.begin()

    @override
    def heard(self, text: bytes) -> None:
        now = clock()
        found = _EVENT.search(text)
        match found[1] if found else b"":
            case b"media" if (payload := _PAYLOAD.search(text)) is not None:
                raw = base64.b64decode(payload[1])
                self.account.down.receive(now, MULAW.ms(raw), MULAW.mark_in(raw))
            case b"mark" if (name := _NAME.search(text)) is not None:
                self._marks.append((self.account.down.plays_until(), name[1]))
                if self._echo is None:
                    self._echo_due()
            case b"clear":
                self.account.down.clear(now)
                self._marks = deque((now, name) for _, name in self._marks)
                self._echo_due()
            case _:
                self.account.failure = f"the platform knows no {text[:100]!r}"

    @override
    def gone(self) -> None:
        super().gone()
        if self._echo is not None:
            self._echo.cancel()

    @override
    def hang_up(self) -> None:
        if self._line is not None:
            self._say(b'"event":"stop","stop":{"accountSid":"AC0","callSid":"CA%032x"}' % self.number)
            self._line.close()

    @override
    def send(self, sound: bytes) -> None:
        self._say(
            b'"event":"media","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"}'
            % (self._sent, (self._sent - 1) * FRAME_MS, sound)
        )

    def _echo_due(self) -> None:
        """Echo the marks whose sound was played; there is one timer, for the next of them."""
        if self._echo is not None:
            self._echo.cancel()
        now = clock()
        while self._marks and self._marks[0][0] <= now:
            self._say(b'"event":"mark","mark":{"name":"%b"}' % self._marks.popleft()[1])
        loop = asyncio.get_running_loop()
        self._echo = loop.call_at(self._marks[0][0], self._echo_due) if self._marks else None

    def _say(self, fields: bytes) -> None:
        self._sequence += 1
        if self._line is not None:
            self._line.say(
                b'{%b,"sequenceNumber":"%d","streamSid":"%b"}' % (fields, self._sequence, self._stream.encode())
            )


def clock() -> float:
    """The clock of both ends, in seconds."""
    return asyncio.get_running_loop().time()
