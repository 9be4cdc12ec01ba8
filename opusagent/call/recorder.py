"""Recordings: WAV files that are playable at every moment of their call, also after `kill -9`.

A pen takes from the tape what is old enough, appends it, and rewrites the header: at most the tape's `HOLD` and one
`INTERVAL` are lost with the process. What a caller's line may still fill is written as a draft, and again when it is
certain. All disk work is somebody else's: a `Disk` runs it away from the event loop, and whatever a disk does, the call
does not wait for it, but for `FINISH_SECONDS` at its end.

An open file is locked (`flock`), so that whoever clears old recordings away, in this process or another, can tell which
are still being made. The kernel lets go of the lock when the process ends, however it ends.
"""

import errno
import fcntl
import math
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from opusagent.audio.wav import HEADER_BYTES, header
from opusagent.call.tape import BlankTape, CallTape, Tape, TapeKind
from opusagent.call.time_line import MOST_HELD
from opusagent.units import CallId, Hz, LoopTime

INTERVAL: Final = 0.3
"""Seconds between two appends."""

GRID: Final = 0.15
"""Seconds of the loop's clock on whose multiples all calls append: many together, and not all at once."""

FINISH_SECONDS: Final = 2.0
"""How long the last append may take when the call is over."""

RECORDING_FILE: Final = "call.wav"
REPORT_FILE: Final = "report.json"
TRANSCRIPT_FILE: Final = "transcript.jsonl"
"""What lies in a call's folder."""

log = structlog.get_logger()

Disk = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs one piece of blocking work away from the event loop."""


def _open_new(path: Path) -> int:
    """A new file, readable by its owner only; what is there already is neither followed nor replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _on_grid(now: float) -> float:
    return now - now % GRID


def _disregard(outcome: object) -> None:
    """Nobody waits for it."""


def free_bytes(directory: Path) -> int:
    """How much room the file system of `directory` has for us. Raises `OSError`."""
    room = os.statvfs(directory)
    return room.f_bavail * room.f_frsize


def _write_new(path: Path, content: bytes) -> None:
    """A file that has its name when it is whole and on the disk; what is there already stays."""
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(_open_new(part), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_name(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _give_name(part: Path, path: Path) -> None:
    """Call a finished file `path`. Raises `FileExistsError` if there is one."""
    if os.path.lexists(path):
        part.unlink()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part.rename(path)


@attrs.define
class WavFile:
    """An open recording. Blocking: every method is run by the disk. `least_free`: bytes without which none begins.

    A disk may hold a piece of work for so long that nobody waits for it any more. Then somebody abandons the file: it
    is closed when that piece is done, and whatever is begun later does nothing.
    """

    path: Path
    rate: Hz
    channels: int = 2
    least_free: int = 0
    data_bytes: int = 0
    descriptor: int = -1
    is_abandoned: bool = False
    _drafted: int = attrs.field(default=0, init=False, eq=False)
    _reached: int = attrs.field(default=0, init=False, eq=False)
    _work: threading.Lock = attrs.field(factory=threading.Lock, init=False, eq=False)

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self.descriptor >= 0

    def create(self) -> None:
        """Make the directory and the file. Raises `OSError`, also if fewer bytes than `least_free` are free."""
        with self._work:
            if not self.is_abandoned:
                self._create()

    def _create(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = free_bytes(self.path.parent)
        if free < self.least_free:
            raise OSError(f"{free // 10**6} MB are free, and `free_space_megabytes` is {self.least_free // 10**6}")
        # It has its name from the moment on at which it has a header: an empty file opens in no player.
        part = self.path.with_name(f"{self.path.name}.part")
        self.descriptor = _open_new(part)
        with suppress(OSError):  # a file system without locks: whoever clears away goes by age alone
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._head()
        _give_name(part, self.path)

    def append(self, block: bytes, draft: bytes = b"") -> None:
        """Write `block` behind the samples, and a `draft` of what will follow; then say so in the header.

        The next block is written over the draft. Raises `OSError`; what was written then is in the header.
        """
        with self._work:
            if self.is_abandoned:
                return
            there = self.data_bytes + self._drafted
            try:
                self._write(block, self.data_bytes)
                self.data_bytes = self._reached
                self._write(draft, self.data_bytes)
                self._drafted = self._reached - self.data_bytes
            except OSError:
                # Nothing comes any more. The draft of before, as far as it is not written over, is what is left of it.
                self.data_bytes, self._drafted = max(there, self._reached), 0
                raise
            finally:
                self._head()

    def _write(self, block: bytes, place: int) -> None:
        self._reached, view = place, memoryview(block)
        while view:
            count = os.pwrite(self.descriptor, view, HEADER_BYTES + self._reached)
            self._reached += count
            view = view[count:]

    def _head(self) -> None:
        os.pwrite(self.descriptor, header(self.channels, self.rate, self.data_bytes + self._drafted), 0)

    def close(self) -> None:
        """Have it on the disk without a draft, and let go of it."""
        with self._work:
            if self.is_abandoned:
                return
            fd = self.descriptor
            try:
                self._drafted = 0
                self._head()
                os.ftruncate(fd, HEADER_BYTES + self.data_bytes)
                os.fsync(fd)
            finally:
                self.descriptor = -1
                os.close(fd)

    def abandon(self) -> None:
        """Let go of it as it is, as soon as whatever is under way is done."""
        with self._work:
            self.is_abandoned = True
            fd, self.descriptor = self.descriptor, -1
            if fd >= 0:
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
    """The only task that touches a recording's file. A disk that keeps some work for too long is asked for no more."""

    disk: Disk
    tape: CallTape
    recording: Recording
    file: WavFile
    _over: trio.Event = attrs.field(factory=trio.Event, init=False)
    _patience: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _end: float = math.inf
    _hangs: bool = False

    def finish(self) -> None:
        """The call is over: what is left has `FINISH_SECONDS` to get on the disk."""
        self._over.set()
        self._end = trio.current_time() + FINISH_SECONDS
        self._patience.deadline = min(self._patience.deadline, self._end)

    async def write(self) -> None:
        """Append what is old enough, time and again, and the rest when it is told to `finish`.

        Shielded: whoever cancels the call as a whole does not stop the pen before its last words.
        """
        with trio.CancelScope(shield=True):
            await self._do("recording could not be started", self.file.create, FINISH_SECONDS)
            due = _on_grid(trio.current_time())
            while not self._over.is_set():
                due = max(due + INTERVAL, _on_grid(trio.current_time()))
                with trio.move_on_at(due):
                    await self._over.wait()
                now = LoopTime(trio.current_time())
                await self._append("recording stopped", self.tape.take(now), self.tape.peek(now))
            await self._finish()

    async def _finish(self) -> None:
        trouble = "recording could not be finished"
        await self._append(trouble, self.tape.take_rest(LoopTime(trio.current_time())))
        if self.file.is_open:
            await self._do(trouble, self.file.close, FINISH_SECONDS)
        if self.tape.lost_seconds:
            self._fail(f"recording has gaps: the disk was too slow for {self.tape.lost_seconds:.1f} s of audio")

    async def _append(self, trouble: str, block: bytes, draft: bytes = b"") -> None:
        if (block or draft) and self.recording.fault is None:
            await self._do(trouble, lambda: self.file.append(block, draft), MOST_HELD)

    async def _do(self, trouble: str, work: Callable[[], None], most: float) -> None:
        """Have the disk do some `work`, within `most` seconds and before the end of the call's own bound."""
        if self._hangs:
            return
        begun = trio.current_time()
        try:
            with trio.CancelScope(deadline=min(begun + most, self._end), shield=True) as self._patience:
                await self.disk(work)
        except OSError as error:
            self._fail(f"{trouble}: {error}")
        if self._patience.cancelled_caught:
            self._hangs = True
            self._fail(f"{trouble}: the disk took more than {trio.current_time() - begun:.1f} s")
            # The disk may keep the file for ever, and only a thread can wait for that.
            trio.lowlevel.start_thread_soon(self.file.abandon, _disregard, "abandoned recording")

    def _fail(self, fault: str) -> None:
        # Said once: what follows the first fault is its consequence.
        if self.recording.fault is None:
            log.warning("recording failed", path=str(self.recording.path), fault=fault)
            self.recording.fault = fault


@attrs.frozen
class Recorder:
    """Opens tapes. `directory` None: blank ones. `least_free`: bytes without which no recording begins."""

    directory: Path | None
    disk: Disk
    kind: TapeKind = TapeKind()
    least_free: int = 0

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
        error = f"the disk took more than {FINISH_SECONDS:g} s"
        with trio.move_on_after(FINISH_SECONDS, shield=True):
            await trio.lowlevel.checkpoint()
            try:
                await self.disk(lambda: _write_new(folder / name, content))
            except OSError as failed:
                error = str(failed)
            else:
                return
        log.warning("file could not be written", path=str(folder / name), error=error)

    @asynccontextmanager
    async def open_tape(self, call_id: CallId, rate: Hz, started: datetime) -> AsyncGenerator[Recording]:
        """A tape for the time of a call whose leg has `rate`. On leaving, the rest is written, within `FINISH_SECONDS`.

        A disk that fails never hurts the call: the recording is marked and the operator is told, once.
        """
        folder = self.folder(call_id, started)
        if folder is None:
            yield Recording(BlankTape(), None)
            return
        tape = CallTape(rate, LoopTime(trio.current_time()), self.kind)
        recording = Recording(tape, folder / RECORDING_FILE)
        file = WavFile(folder / RECORDING_FILE, tape.rate, tape.channels, self.least_free)
        pen = Pen(self.disk, tape, recording, file)
        async with trio.open_nursery() as pens:
            pens.start_soon(pen.write)
            try:
                yield recording
            finally:
                pen.finish()
