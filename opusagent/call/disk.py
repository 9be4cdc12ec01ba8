"""The disk of a process: blocking work on threads, much of it in one trip.

A trip to a thread and back costs more than what a recording has to write four times a second. So work that is wanted
at the same moment goes together, and while all threads are away what comes next waits for the next trip. Pieces of one
trip are done one after the other; an error belongs to its piece alone.

As with `trio.to_thread.run_sync`, cancelling whoever waits takes back what has not left yet. What is on its way is
waited for, so that nothing is done that nobody knows of; or, with `abandon_on_cancel`, goes on by itself: a disk that
hangs may hold a thread for ever, and a call not at all.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import attrs
import trio

THREADS: Final = 4
"""Trips at once. A slow disk may hold all of them, and no other thread of the program waits for it."""

MOST_TOGETHER: Final = 64
"""Pieces of work in one trip."""


@attrs.define(eq=False)
class _Piece:
    work: Callable[[], None]
    task: trio.lowlevel.Task
    failure: Exception | None = None
    is_abandoned: bool = False

    def do(self) -> None:
        """On a thread. Whatever is raised is raised where the work was asked for."""
        try:
            self.work()
        except Exception as failure:  # noqa: BLE001 - it is handed over, not handled
            self.failure = failure


class SharedDisk:
    """Runs blocking work in as few trips to threads as it can. One for each event loop."""

    def __init__(self, threads: int = THREADS, *, abandon_on_cancel: bool = False) -> None:
        self._free = threads
        self._abandons: Final = abandon_on_cancel
        self._waiting: list[_Piece] = []
        self._is_called = False
        self.trips = 0

    async def __call__(self, work: Callable[[], None]) -> None:
        """Have `work` done on a thread, and raise what it raises."""
        await trio.lowlevel.checkpoint_if_cancelled()
        piece = _Piece(work, trio.lowlevel.current_task())
        self._waiting.append(piece)
        self._call()
        await trio.lowlevel.wait_task_rescheduled(partial(self._take_back, piece))
        if piece.failure is not None:
            raise piece.failure

    def _call(self) -> None:
        """Leave soon: not before everybody who is running now has asked."""
        if not self._is_called and self._free:
            self._is_called = True
            trio.lowlevel.current_trio_token().run_sync_soon(self._depart)

    def _depart(self) -> None:
        self._is_called = False
        pieces, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        if not pieces:
            return
        self._free -= 1
        self.trips += 1
        come_back = partial(_come_back, trio.lowlevel.current_trio_token(), partial(self._arrive, pieces))
        trio.lowlevel.start_thread_soon(partial(_do_all, pieces), come_back, "disk")
        if self._waiting:
            self._call()

    def _arrive(self, pieces: Sequence[_Piece]) -> None:
        self._free += 1
        for piece in pieces:
            if not piece.is_abandoned:
                trio.lowlevel.reschedule(piece.task)
        if self._waiting:
            self._call()

    def _take_back(self, piece: _Piece, _raise_cancel: Callable[[], None]) -> trio.lowlevel.Abort:
        if piece in self._waiting:
            self._waiting.remove(piece)
        elif self._abandons:
            piece.is_abandoned = True
        else:
            return trio.lowlevel.Abort.FAILED
        return trio.lowlevel.Abort.SUCCEEDED


def _come_back(token: trio.lowlevel.TrioToken, arrive: Callable[[], None], _: object) -> None:
    with suppress(trio.RunFinishedError):  # the disk hung for longer than the program ran
        token.run_sync_soon(arrive)


def _do_all(pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        piece.do()
