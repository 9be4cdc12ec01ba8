"""Threads for plain functions: so many in all, and so many of one call.

A thread cannot be stopped: one that was given up keeps its place until its function returns. So functions that hang use
up the places of the call that began them, and those of no other call.
"""

import contextvars
import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import attrs
import trio

from opusagent.units import CallId

MOST_THREADS: Final = 64
"""Plain functions that run at once, of all calls. A further one waits, within its own time limit."""

THREADS_OF_A_CALL: Final = 4
"""Plain functions of one call that run at once. A further one waits in the same way."""


@attrs.define(eq=False)
class Errand:
    """One function on its thread, and what came of it."""

    work: Callable[[], str]
    answer: str | None = attrs.field(default=None, init=False)
    failure: BaseException = attrs.field(factory=functools.partial(RuntimeError, "its thread died"), init=False)
    is_over: trio.Event = attrs.field(factory=trio.Event, init=False)

    def run(self) -> None:
        """On the thread. Whatever is raised is for whoever waits."""
        try:
            self.answer = self.work()
        except (Exception, SystemExit) as failure:  # noqa: BLE001 - raised by whoever waits
            self.failure = failure


class ToolThreads:
    """The threads of one toolbox."""

    def __init__(self, most: int = MOST_THREADS, of_a_call: int = THREADS_OF_A_CALL) -> None:
        self._all: Final = trio.CapacityLimiter(most)
        self._of_a_call: Final = of_a_call
        self._shares: Final[dict[CallId, trio.CapacityLimiter]] = {}

    async def run(self, call: CallId, work: Callable[[], str]) -> str:
        """What `work` returns, or raises, on a thread. Cancelled, it leaves the thread to itself."""
        errand = Errand(work)
        await self._take_places(call, errand)
        token = trio.lowlevel.current_trio_token()

        def come_back() -> None:
            self._give_back(call, errand)
            errand.is_over.set()

        def deliver(nothing: object) -> None:
            del nothing
            with suppress(trio.RunFinishedError):  # the daemon is over, and nobody waits
                token.run_sync_soon(come_back)

        on_thread = functools.partial(contextvars.copy_context().run, errand.run)
        trio.lowlevel.start_thread_soon(on_thread, deliver, f"tool of {call}")
        await errand.is_over.wait()
        if errand.answer is None:
            raise errand.failure
        return errand.answer

    async def _take_places(self, call: CallId, errand: Errand) -> None:
        """One of the call's, then one of all: whoever waits for the first holds up no others with the second."""
        share = self._shares.setdefault(call, trio.CapacityLimiter(self._of_a_call))
        try:
            await share.acquire_on_behalf_of(errand)
            await self._all.acquire_on_behalf_of(errand)
        except BaseException:
            self._give_back(call, errand)
            raise

    def _give_back(self, call: CallId, errand: Errand) -> None:
        share = self._shares.get(call, self._all)
        for limiter in (share, self._all):
            if errand in limiter.statistics().borrowers:
                limiter.release_on_behalf_of(errand)
        if share is not self._all and not share.borrowed_tokens and not share.statistics().tasks_waiting:
            del self._shares[call]
