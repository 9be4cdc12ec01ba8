"""The tape of a call: stereo WAV, caller left, model right, playable at every moment, also after `kill -9`.

Both channels lie on one time line that begins when the tape is opened. The caller's audio is placed by the platform's
media time, so that a gap on the line is a gap on the tape. The model's audio is placed at the time at which the caller
hears it, and what a barge-in discarded is not on the tape. Audio is handed to the platform a little before it is
heard, so the last `HOLD` is kept in memory, where a cut can still reach it, and everything older is appended to the
file. Each append is followed by a rewrite of the header: at most `HOLD` and one `INTERVAL` are lost with the process.

A caller's line that stalls delivers everything later and at once, with the media time at which it was said. Its place
on the tape is kept free for `LATE`, so that the two channels still belong together after it.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import attrs
import structlog
import trio

from opusagent.audio.wav import HEADER_BYTES, header, interleave
from opusagent.units import CallId, Hz, LoopTime, Ms, Pcm16

HOLD: Final = 0.5
"""Seconds that stay in memory. More than the playout's lead, so that a cut only ever reaches what is here."""

INTERVAL: Final = 0.25
"""Seconds between two appends."""

SLACK: Final = 0.02
"""Audio that comes this near to the end of what is there continues it: arrival is uneven, speech is not."""

LATE: Final = 10.0
"""Seconds that a caller's audio may be late: as long as a silent line may be before it is given up."""

MOST_HELD: Final = 60.0
"""Seconds of a channel that wait in memory for a disk. A disk that falls behind by more loses what comes then: it
becomes silence of the same length and is told as a fault of the recording."""

FINISH_SECONDS: Final = 2.0
"""How long the last append may take when the call is over."""

REPORT_FILE: Final = "report.json"
TRANSCRIPT_FILE: Final = "transcript.jsonl"
"""What lies beside a recording."""

MAX_GAP: Final = 3600.0
"""No silence longer than this is believed of a platform's media time: the tape would grow by it at once."""

log = structlog.get_logger()

Disk = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs one piece of blocking work away from the event loop."""


class Tape(Protocol):
    """What a call may put on a tape. Never waits, never raises."""

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """The caller's audio that has just arrived; `at` is the platform's media time of its first sample."""
        ...

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """The model's audio, heard from `at` on."""
        ...

    def cut(self, now: LoopTime) -> None:
        """Of the model's audio, nothing beyond `now` was heard."""
        ...


class BlankTape:
    """No recording was asked for."""

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Nothing is kept."""

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Nothing is kept."""

    def cut(self, now: LoopTime) -> None:
        """Nothing is kept."""


class Channel:
    """One mono channel of the tape: samples from `written` on, continued or placed with silence between."""

    def __init__(self, rate: Hz) -> None:
        self._rate: Final = rate
        self._samples = bytearray()
        self.written = 0
        self.lost = 0

    @property
    def end(self) -> int:
        """The sample index behind the last sample."""
        return self.written + len(self._samples) // 2

    def place(self, pcm: Pcm16, at: float) -> None:
        """Put `pcm` at `at` seconds, behind everything that is there already."""
        if len(self._samples) > 2 * MOST_HELD * self._rate:
            self.lost += len(pcm) // 2
            return
        gap = round(at * self._rate) - self.end
        if SLACK * self._rate < gap <= MAX_GAP * self._rate:
            self._samples += bytes(2 * gap)
        self._samples += pcm

    def cut(self, at: float) -> None:
        """Drop what lies beyond `at` seconds and is still in memory."""
        keep = max(0, round(at * self._rate) - self.written)
        del self._samples[2 * keep :]

    def take_until(self, index: int) -> bytes:
        """The samples up to `index`, with silence where there are none."""
        count = max(0, index - self.written)
        block = bytes(self._samples[: 2 * count]).ljust(2 * count, b"\x00")
        del self._samples[: 2 * count]
        self.written += count
        return block


class StereoTape:
    """The tape in memory. `take` gives what is old enough to be written."""

    def __init__(self, rate: Hz, opened: LoopTime) -> None:
        self.rate: Final = rate
        self._opened: Final = opened
        self._caller: Final = Channel(rate)
        self._model: Final = Channel(rate)
        self._media_zero: float | None = None

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Place the caller's audio by media time, whose zero lies where its first block began to arrive."""
        started = now - self._opened - len(pcm) / 2 / self.rate
        if at is None:
            self._caller.place(pcm, started)
            return
        if self._media_zero is None:
            self._media_zero = max(0.0, started) - at / 1000
        self._caller.place(pcm, self._media_zero + at / 1000)

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Place the model's audio at the time at which it is heard."""
        self._model.place(pcm, at - self._opened)

    def cut(self, now: LoopTime) -> None:
        """Take back what was sent and not heard."""
        self._model.cut(now - self._opened)

    def take(self, now: LoopTime) -> bytes:
        """Interleaved stereo of everything older than `HOLD`, or of as much as cannot be expected to come any more."""
        old = int((now - self._opened - HOLD) * self.rate)
        if self._media_zero is None:
            return self._take_until(old)
        return self._take_until(min(old, max(self._caller.end, old - int(LATE * self.rate))))

    def take_rest(self, now: LoopTime) -> bytes:
        """Interleaved stereo of all that is left: the call ends at `now`."""
        self.cut(now)
        return self._take_until(max(self._caller.end, self._model.end))

    @property
    def lost_seconds(self) -> float:
        """How much of either channel the disk was too slow for."""
        return (self._caller.lost + self._model.lost) / self.rate

    def _take_until(self, index: int) -> bytes:
        return interleave(self._caller.take_until(index), self._model.take_until(index))


def _open_new(path: Path) -> int:
    """A new file, readable by its owner only; what is there already is neither followed nor replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _write_new(path: Path, content: bytes) -> None:
    with os.fdopen(_open_new(path), "wb") as file:
        file.write(content)


@attrs.define
class WavFile:
    """An open recording. Blocking: every method is run by the disk."""

    path: Path
    rate: Hz
    data_bytes: int = 0
    descriptor: int = -1

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self.descriptor >= 0

    def create(self) -> None:
        """Make the directory and the file."""
        self.descriptor = _open_new(self.path)
        os.write(self.descriptor, header(2, self.rate, 0))

    def append(self, block: bytes) -> None:
        """Write `block` behind the samples, then say so in the header."""
        view = memoryview(block)
        while view:
            count = os.pwrite(self.descriptor, view, HEADER_BYTES + self.data_bytes)
            self.data_bytes += count
            view = view[count:]
        os.pwrite(self.descriptor, header(2, self.rate, self.data_bytes), 0)

    def close(self) -> None:
        """Have it on the disk, and let go of it."""
        fd, self.descriptor = self.descriptor, -1
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@attrs.define
class Recording:
    """An open tape and what is known of its file."""

    tape: Tape
    path: Path | None
    fault: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether everything that was put on the tape is in the file."""
        return self.path is not None and self.fault is None


@attrs.define
class Pen:
    """The only task that touches a recording's file."""

    disk: Disk
    tape: StereoTape
    recording: Recording
    file: WavFile
    _waiting: bytes = b""

    async def write(self, call: trio.CancelScope) -> None:
        """Append what is old enough, time and again; when `call` is cancelled, the rest, within `FINISH_SECONDS`.

        `call` is shielded: whoever cancels the call as a whole does not stop the pen before its last words.
        """
        with call:
            try:
                with trio.move_on_after(FINISH_SECONDS, shield=True) as start:
                    await self._do("recording could not be started", self.file.create)
                self._check(start, "recording could not be started")
                while True:
                    await trio.sleep(INTERVAL)
                    self._waiting += self.tape.take(LoopTime(trio.current_time()))
                    await self._append()
            finally:
                with trio.move_on_after(FINISH_SECONDS, shield=True) as finish:
                    await self._finish()
                self._check(finish, "recording could not be finished")

    async def _finish(self) -> None:
        self._waiting += self.tape.take_rest(LoopTime(trio.current_time()))
        await self._append()
        if self.file.is_open:
            await self._do("recording could not be finished", self.file.close)
        if self.tape.lost_seconds:
            self._fail(f"recording has gaps: the disk was too slow for {self.tape.lost_seconds:.1f} s of audio")

    async def _append(self) -> None:
        # A cancelled append has either not begun or is complete: a disk's thread is not abandoned. So a block waits
        # until its append returns, and none is lost or written twice.
        block = self._waiting
        if block and self.recording.fault is None:
            await self._do("recording stopped", lambda: self.file.append(block))
        self._waiting = b""

    async def _do(self, trouble: str, work: Callable[[], None]) -> None:
        try:
            await self.disk(work)
        except OSError as error:
            self._fail(f"{trouble}: {error}")

    def _check(self, patience: trio.CancelScope, trouble: str) -> None:
        if patience.cancelled_caught:
            self._fail(f"{trouble}: the disk took more than {FINISH_SECONDS:g} s")

    def _fail(self, fault: str) -> None:
        # Said once: what follows the first fault is its consequence.
        if self.recording.fault is None:
            log.warning("recording failed", path=str(self.recording.path), fault=fault)
            self.recording.fault = fault


@attrs.frozen
class Recorder:
    """Opens tapes. `directory` None: blank ones."""

    directory: Path | None
    disk: Disk

    def folder(self, call_id: CallId, started: datetime) -> Path | None:
        """Where everything about this call is kept."""
        return None if self.directory is None else self.directory / f"{started:%Y/%m/%d}" / call_id

    async def keep_report(self, call_id: CallId, started: datetime, report: bytes) -> None:
        """Put the call's report beside its recording."""
        await self.keep(call_id, started, REPORT_FILE, report)

    async def keep(self, call_id: CallId, started: datetime, name: str, content: bytes) -> None:
        """Put a file of ours beside the recording. A disk that fails is told to the operator, nothing more."""
        folder = self.folder(call_id, started)
        if folder is None:
            return
        try:
            with trio.move_on_after(FINISH_SECONDS, shield=True):
                await self.disk(lambda: _write_new(folder / name, content))
        except OSError as error:
            log.warning("file could not be written", path=str(folder / name), error=str(error))

    @asynccontextmanager
    async def open_tape(self, call_id: CallId, rate: Hz, started: datetime) -> AsyncGenerator[Recording]:
        """A tape for the time of the call. On leaving, what is left is written, within `FINISH_SECONDS`.

        A disk that fails never hurts the call: the recording is marked and the operator is told, once.
        """
        folder = self.folder(call_id, started)
        if folder is None:
            yield Recording(BlankTape(), None)
            return
        tape = StereoTape(rate, LoopTime(trio.current_time()))
        recording = Recording(tape, folder / "call.wav")
        call = trio.CancelScope(shield=True)
        async with trio.open_nursery() as pen:
            pen.start_soon(Pen(self.disk, tape, recording, WavFile(folder / "call.wav", rate)).write, call)
            try:
                yield recording
            finally:
                call.cancel()
