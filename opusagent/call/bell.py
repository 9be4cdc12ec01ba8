"""Waking one task when there is something to do, or when its time has come."""

import trio

from opusagent.units import LoopTime


class Bell:
    """Any task rings; one task waits. Rings while nobody waits are kept as one."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the waiting task."""
        self._rung.set()

    async def wait(self, until: LoopTime | None) -> None:
        """Return at the next ring, or at `until`, whichever is first."""
        if until is None:  # a deadline that never comes costs as much as one that does
            await self._rung.wait()
        else:
            with trio.move_on_at(until):
                await self._rung.wait()
        self._rung = trio.Event()
