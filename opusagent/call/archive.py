"""What becomes of recordings when their calls are over: made smaller, kept for as long as the rules say, and removed.

One task does all of it, at its start, once an hour, and whenever a call has ended. Its disk work is cut into pieces, on
a thread of its own: a disk that is slow with old recordings takes nothing from those that are being made. When the
daemon ends nobody waits for a piece, which a disk may hold for ever: until a recording is encoded to its end the WAV is
the recording, and what was begun is begun anew by the next process.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, assert_never

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.recorder import RECORDING_FILE, REPORT_FILE, Disk
from opusagent.call.retention import Day, KeptCall, Rules, calls_of, days_in, remove, remove_empty_days, surplus

log: FilteringBoundLogger = structlog.get_logger()

SWEEP_SECONDS: Final = 3600.0
"""Between two looks at everything."""

MOST_WAITING: Final = 10_000
"""Calls that wait to be made smaller. What is beyond is found by the next sweep."""

Format = Literal["wav", "flac", "opus"]


@attrs.frozen
class Keeping:
    """How recordings under `directory` are kept; None: there are none."""

    directory: Path | None = None
    format: Format = "wav"
    rules: Rules = Rules()


def missing_encoder(form: Format) -> str | None:
    """Why recordings cannot be made `form` here; None if they can."""
    match form:
        case "wav":
            return None
        case "flac" | "opus":
            try:
                from opusagent.call.encoding import can_encode
            except (ImportError, OSError) as error:
                install = 'install it with `pip install "opusagent[flac]"`'
                return f"needs the package soundfile, which cannot be loaded ({error}): {install}"
            return None if can_encode(form) else "needs a newer libsndfile than the one that is installed"
        case _:
            assert_never(form)


def wall_clock() -> datetime:
    """The time of day, by which files are dated."""
    return datetime.now(UTC)


class Archive:
    """The recordings of a process. `run` is its one task; `follow` changes its rules, `finished` names a call."""

    def __init__(self, keeping: Keeping, disk: Disk, clock: Callable[[], datetime] = wall_clock) -> None:
        self._keeping = keeping
        self._disk: Final = disk
        self._clock: Final = clock
        self._over, self._waiting = trio.open_memory_channel[Path](MOST_WAITING)

    def follow(self, keeping: Keeping) -> None:
        """Keep recordings by other rules from the next piece of work on."""
        self._keeping = keeping

    def finished(self, folder: Path) -> None:
        """The call in `folder` is over, and all that is known of it is there."""
        try:
            self._over.send_nowait(folder)
        except trio.WouldBlock:
            log.warning("too many recordings wait to be encoded; the hourly sweep finds the rest", folder=str(folder))

    async def run(self) -> None:
        """Sweep at once and every hour; between two sweeps make smaller what has ended."""
        while True:
            await self.sweep()
            with trio.move_on_after(SWEEP_SECONDS):
                while True:
                    await self._encode(await self._waiting.receive())

    async def sweep(self) -> None:
        """Look at everything: make smaller what was left over, remove what is too old or too much."""
        keeping = self._keeping
        if keeping.directory is None or (keeping.format == "wav" and not keeping.rules.is_needed):
            await trio.lowlevel.checkpoint()
            return
        try:
            days, calls = await self._look(keeping.directory)
            left_over = [call for call in calls if {RECORDING_FILE, REPORT_FILE} <= call.files]
            if keeping.format != "wav" and left_over:
                for call in left_over:
                    await self._encode(call.folder(keeping.directory))
                days, calls = await self._look(keeping.directory)  # they are smaller now
            await self._remove(keeping.directory, calls, keeping.rules)
            await self._disk(partial(_forget_days, keeping.directory, days, self._clock()))
        except OSError as error:
            log.warning("recordings could not be looked through", error=str(error))

    async def _look(self, directory: Path) -> tuple[list[Day], list[KeptCall]]:
        days: list[Day] = []
        calls: list[KeptCall] = []
        await self._disk(lambda: days.extend(days_in(directory)))
        for day in days:
            await self._disk(partial(_note_calls, calls, directory, day))
        return days, calls

    async def _remove(self, directory: Path, calls: list[KeptCall], rules: Rules) -> None:
        gone: list[KeptCall] = []
        for call in surplus(calls, rules, self._clock().timestamp()):
            try:
                await self._disk(partial(_remove_call, gone, directory, call))
            except OSError as error:
                log.warning("recording could not be removed", folder=str(call.folder(directory)), error=str(error))
        if gone:
            size = sum(call.size for call in gone)
            log.info("recordings removed", calls=len(gone), megabytes=size // 10**6, oldest="/".join(gone[0].day))

    async def _encode(self, folder: Path) -> None:
        form = self._keeping.format
        if form == "wav":
            await trio.lowlevel.checkpoint()
            return
        from opusagent.call.encoding import EncodingFailed, encode

        steps = encode(folder, form)
        left: list[Iterator[None]] = [steps]
        try:
            while left:
                await self._disk(partial(_step, left))
            log.info("recording encoded", folder=str(folder), format=form)
        except (OSError, EncodingFailed) as error:
            log.warning("recording stays WAV", folder=str(folder), error=str(error))
        finally:
            with suppress(ValueError):  # a thread is at work on it still, and will be the last
                steps.close()


def _step(left: list[Iterator[None]]) -> None:
    """One piece of the work that is left; none is left after the last."""
    for _ in left[0]:
        return
    left.clear()


def _note_calls(calls: list[KeptCall], directory: Path, day: Day) -> None:
    calls.extend(calls_of(directory, day))


def _remove_call(gone: list[KeptCall], directory: Path, call: KeptCall) -> None:
    if remove(directory, call):
        gone.append(call)


def _forget_days(directory: Path, days: list[Day], now: datetime) -> None:
    remove_empty_days(directory, days, now.date())
