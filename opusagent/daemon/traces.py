"""The way of calls that are over to whoever traces: a bounded queue, and one thread at a time that tells of them."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.daemon.config_tracing import Tracing
from opusagent.daemon.spans import Told

QUEUE: Final = 256
"""Calls that may wait for a collector; the newest loses. A process carries some hundred."""

AT_ONCE: Final = 32
"""Calls that are told of in one go."""

PATIENCE_SECONDS: Final = 2.0
"""What a collector may take when the daemon ends."""

Outcome = Literal["exported", "lost"]

Export = Callable[[Tracing, Sequence[Told]], int]
"""Tells of calls, on a thread. Returns how many spans were lost."""

log: FilteringBoundLogger = structlog.get_logger()


class Traces:
    """Tells of calls as `settings` say, None: nobody is told. `count` is told how many calls were, and were not.

    What goes wrong with `export`, of packages that are not ours, costs traces and no call.
    """

    def __init__(
        self, settings: Tracing | None, count: Callable[[Outcome, int], None], export: Export | None = None
    ) -> None:
        self._settings = settings
        self._count: Final = count
        self._export: Final = export or _export
        self._queue, self._waiting = trio.open_memory_channel[Told](QUEUE)
        self._done: Final = trio.Event()
        self._is_away = False

    def follow(self, settings: Tracing | None) -> None:
        """Calls that are over from now on are told of as `settings` say."""
        self._settings = settings

    def add(self, told: Told) -> None:
        """A call is over."""
        if self._settings is None:
            return
        try:
            self._queue.send_nowait(told)
        except (trio.WouldBlock, trio.ClosedResourceError):  # a call may end later than all calls should have
            self._count("lost", 1)

    async def run(self) -> None:
        """Tell of calls until `finish`."""
        async for told in self._waiting:
            calls = [told]
            while len(calls) < AT_ONCE:
                try:
                    calls.append(self._waiting.receive_nowait())
                except (trio.WouldBlock, trio.EndOfChannel):
                    break
            await self._tell(calls)
        self._done.set()

    async def finish(self) -> None:
        """No call is told of that is over from now on; those that wait have `PATIENCE_SECONDS`."""
        self._queue.close()
        with trio.move_on_after(PATIENCE_SECONDS):
            await self._done.wait()

    async def _tell(self, calls: Sequence[Told]) -> None:
        settings = self._settings
        if settings is None:
            return
        try:
            lost = await trio.to_thread.run_sync(self._export, settings, calls, abandon_on_cancel=True)
        except Exception:
            lost = len(calls)
            if not self._is_away:
                log.exception("fault in telling of calls")
        self._count("lost" if lost else "exported", len(calls))
        if lost and not self._is_away:
            log.warning("traces do not arrive", endpoint=settings.endpoint, spans_lost=lost)
        if not lost and self._is_away:
            log.info("traces arrive again", endpoint=settings.endpoint)
        self._is_away = bool(lost)


def _export(settings: Tracing, calls: Sequence[Told]) -> int:
    """How many spans were lost. The packages are an extra, and are loaded by whoever has it configured."""
    from opusagent.daemon.otel import export

    return export(settings, calls)
