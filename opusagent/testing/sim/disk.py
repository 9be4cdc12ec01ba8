"""A disk that is slow, fails, or hangs when it is told to. The files are real ones, in a folder of the run's own.

As with a thread, work that has begun is waited for, whoever is cancelled meanwhile. A fault is raised behind the work:
the bytes may be there or not, as after an fsync that failed, and the program may rely on neither.
"""

import os
from collections.abc import Callable

import attrs
import trio

from opusagent.testing.sim.trace import Trace


@attrs.define(eq=False)
class SimDisk:
    """A `Disk`. `fault` is an errno for every piece of work from now on, `failures` bounds how many; None: all."""

    trace: Trace
    delay: float = 0.0
    fault: int | None = None
    failures: int | None = None
    hangs_until: float = 0.0
    has_failed: bool = attrs.field(default=False, init=False)
    """Whether anything has gone wrong with it yet: from then on no recording is promised."""

    async def __call__(self, work: Callable[[], None]) -> None:
        """Have `work` done. Raises `OSError` if it is told to fail."""
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await trio.sleep_until(max(trio.current_time() + self.delay, self.hangs_until))
        work()
        if self.fault is not None and self.failures != 0:
            self.failures = None if self.failures is None else self.failures - 1
            self.trace.note("disk fails", self.fault)
            raise OSError(self.fault, os.strerror(self.fault))

    def fail(self, number: int, failures: int | None) -> None:
        """From now on fail with `number`: the next `failures` times, or for good."""
        self.has_failed, self.fault, self.failures = True, number, failures

    def hang(self, until: float) -> None:
        """Do nothing before `until`."""
        self.has_failed, self.hangs_until = True, max(self.hangs_until, until)

    def slow_down(self, delay: float) -> None:
        """Take `delay` seconds for each piece of work."""
        self.has_failed, self.delay = True, delay

    def heal(self) -> None:
        """Be a good disk again."""
        self.fault, self.delay, self.hangs_until = None, 0.0, trio.current_time()
