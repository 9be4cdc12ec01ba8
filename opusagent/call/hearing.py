"""What the daemon itself hears of its callers, beside the model: when somebody speaks.

One bank of the process judges every call that has a chunk ready, in one batch per tick. It stands beside the way of
the audio to the model and never in it. Audio waits as it came, and is resampled when it is judged: at most a `TICK`
after the last sample of a chunk has arrived there is a verdict.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.vad.bank import MOST_WAITING, Bank, BankStatistics, StreamState
from opusagent.audio.vad.detector import CHUNK, Detector
from opusagent.audio.vad.ear import Chunk, Ear, Heard, push_each_ear
from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent
from opusagent.call.bell import Bell
from opusagent.units import Hz, Pcm16

log: FilteringBoundLogger = structlog.get_logger()

TICK: Final = 0.02
"""Seconds between two batches while anybody has a chunk ready. No verdict may be later than a chunk is long, 32 ms: the
rest of them is for the batch, and for a busy loop. In a tick as long as a frame of a telephone no call completes two
chunks, which would take a second batch for those few that do."""


@attrs.frozen
class HearingSettings:
    """From which probability on it is speech, and for how many chunks of 32 ms it must stay so."""

    threshold: float = 0.5
    start_frames: int = 2
    stop_frames: int = 3


@attrs.define(eq=False)
class Tap:
    """One caller's audio on its way to the bank. `on_speech` is told what was decided.

    `_chunk`: the bytes of a chunk at the caller's rate. What nobody judges is the bank's to bound, so no more is held
    here than the bank would keep.
    """

    ear: Ear
    stream: StreamState
    on_speech: Callable[[SpeechEvent], None]
    _chunk: int
    _bank: Bank
    _bell: Bell
    _ended: list["Tap"]
    _held: bytearray = attrs.field(factory=bytearray, init=False)

    def hear(self, pcm: Pcm16) -> None:
        """Take the caller's next audio, in pieces of any size."""
        self._held += pcm
        if len(self._held) >= self._chunk:
            self._bell.ring()
        if len(self._held) >= self._chunk * MOST_WAITING:
            self.submit(self.ear.push(self.take()))

    def end(self) -> None:
        """No more comes for now: whoever is heard to speak has stopped, when all of it is judged."""
        if self not in self._ended:
            self._ended.append(self)
        self._bell.ring()

    def take(self) -> Pcm16:
        """Whatever chunks are complete, at the caller's rate."""
        whole = len(self._held) - len(self._held) % self._chunk
        pcm = Pcm16(bytes(self._held[:whole]))
        del self._held[:whole]
        return pcm

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Let them wait for their verdict."""
        for chunk in chunks:
            self._bank.submit(self.stream, chunk)

    def statistics(self) -> Heard:
        """What was judged so far."""
        return self.ear.statistics()


class Hearing:
    """The process's ears. `listen` is its one task; each call has a tap for as long as it lasts."""

    def __init__(self, detector: Detector, settings: HearingSettings | None = None) -> None:
        self._bank: Final = Bank(detector)
        self._settings: Final = settings or HearingSettings()
        self._taps: Final[dict[StreamState, Tap]] = {}
        self._ended: Final[list[Tap]] = []
        self._bell: Final = Bell()

    def new_tap(self, rate: Hz, on_speech: Callable[[SpeechEvent], None]) -> Tap:
        """A tap for a caller's audio at `rate`. It is judged while it is attended to."""
        chosen = self._settings
        ear = Ear(rate, Hysteresis(chosen.threshold, chosen.start_frames, chosen.stop_frames))
        chunk = MediaFormat(Encoding.PCM16, rate).bytes_of(CHUNK)
        return Tap(ear, self._bank.new_stream(), on_speech, chunk, self._bank, self._bell, self._ended)

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
            is_more = True
            while is_more:  # of a burst: others first, and then at once
                is_more = self.judge()
                await trio.lowlevel.checkpoint()

    def judge(self) -> bool:
        """One run of what is ready, and its verdicts to the calls that they belong to. Whether there is more."""
        taken = [(each, pcm) for each in self._taps.values() if (pcm := each.take())]
        cut = push_each_ear([each.ear for each, _ in taken], [pcm for _, pcm in taken])
        for (each, _), chunks in zip(taken, cut, strict=True):
            each.submit(chunks)
        for verdict in self._bank.run():
            tap = self._taps.get(verdict.stream)
            event = tap.ear.judge(verdict.probability, verdict.at) if tap else None
            if tap and event:
                self._tell(tap, event)
        if self._ended and not self._bank.is_waiting:
            self._close_ended()
        return self._bank.is_waiting

    def _close_ended(self) -> None:
        ended = [tap for tap in self._ended if tap.stream in self._taps]
        self._ended.clear()
        for tap in ended:
            if event := tap.ear.close():
                self._tell(tap, event)

    def statistics(self) -> BankStatistics:
        """What became of the chunks of all calls."""
        return self._bank.statistics()

    def _tell(self, tap: Tap, event: SpeechEvent) -> None:
        """This task is everybody's: what goes wrong in one call's ear ends that call's hearing, and no other's."""
        try:
            tap.on_speech(event)
        except Exception:
            log.exception("fault in a call's ear: it hears nothing more")
            self._taps.pop(tap.stream, None)
