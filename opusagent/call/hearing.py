"""What the daemon itself hears of its callers, beside the model: when somebody speaks.

One bank of the process judges every call that has a chunk ready, in one batch per tick. It stands beside the way of
the audio to the model and never in it, and what is heard here is known at most a chunk and a tick later.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.audio.framing import Framer
from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.vad.bank import Bank, StreamState
from opusagent.audio.vad.detector import CHUNK, Detector
from opusagent.audio.vad.ear import Ear, Heard
from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent
from opusagent.call.bell import Bell
from opusagent.units import Hz, Ms, Pcm16

log: FilteringBoundLogger = structlog.get_logger()

TICK: Final = CHUNK / 1000
"""Seconds between two batches while anybody has a chunk ready: a chunk's own length, which bounds the added delay."""

BLOCK: Final = Ms(40)
"""What is resampled at a time: numpy's cost is in the calls, not in the samples."""


@attrs.frozen
class HearingSettings:
    """From which probability on it is speech, and for how many chunks of 32 ms it must stay so."""

    threshold: float = 0.5
    start_frames: int = 2
    stop_frames: int = 3


@attrs.define(eq=False)
class Tap:
    """One caller's audio on its way to the bank. `on_speech` is told what was decided."""

    ear: Ear
    stream: StreamState
    on_speech: Callable[[SpeechEvent], None]
    _blocks: Framer
    _bank: Bank
    _bell: Bell

    def hear(self, pcm: Pcm16) -> None:
        """Take the caller's next audio, in blocks of any size."""
        for block in self._blocks.push(pcm):
            for chunk in self.ear.push(Pcm16(block)):
                self._bank.submit(self.stream, chunk)
                self._bell.ring()

    def statistics(self) -> Heard:
        """What was judged so far."""
        return self.ear.statistics()


class Hearing:
    """The process's ears. `listen` is its one task; each call has a tap for as long as it lasts."""

    def __init__(self, detector: Detector, settings: HearingSettings | None = None) -> None:
        self._bank: Final = Bank(detector)
        self._settings: Final = settings or HearingSettings()
        self._taps: Final[dict[StreamState, Tap]] = {}
        self._bell: Final = Bell()

    def new_tap(self, rate: Hz, on_speech: Callable[[SpeechEvent], None]) -> Tap:
        """A tap for a caller's audio at `rate`. It is judged while it is attended to."""
        chosen = self._settings
        ear = Ear(rate, Hysteresis(chosen.threshold, chosen.start_frames, chosen.stop_frames))
        blocks = Framer(MediaFormat(Encoding.PCM16, rate).bytes_of(BLOCK))
        return Tap(ear, self._bank.new_stream(), on_speech, blocks, self._bank, self._bell)

    @contextmanager
    def attend(self, tap: Tap) -> Generator[None]:
        """Judge `tap` for the time of a call."""
        self._taps[tap.stream] = tap
        try:
            yield
        finally:
            self._taps.pop(tap.stream, None)
            self._bank.withdraw(tap.stream)

    async def listen(self) -> None:
        """Judge whatever is ready, a batch per tick, on one grid for all calls; sleep while nobody has anything."""
        while True:
            await self._bell.wait(None)
            now = trio.current_time()
            await trio.sleep_until(now - now % TICK + TICK)
            self.judge()

    def judge(self) -> None:
        """One batch, and its verdicts to the calls that they belong to."""
        verdicts = self._bank.run()
        for verdict in verdicts:
            tap = self._taps.get(verdict.stream)
            event = tap.ear.judge(verdict.probability, verdict.at) if tap else None
            if tap and event:
                self._tell(tap, event)
        if verdicts:
            self._bell.ring()

    def _tell(self, tap: Tap, event: SpeechEvent) -> None:
        """This task is everybody's: what goes wrong in one call's ear ends that call's hearing, and no other's."""
        try:
            tap.on_speech(event)
        except Exception:
            log.exception("fault in a call's ear: it hears nothing more")
            self._taps.pop(tap.stream, None)
