"""How evenly the event loop turns, and what held it longest: a trio instrument.

While a task's step runs, no other task does: every call's audio waits for it. A turn of the loop is from its waking to
its next sleep, so a timer is late by no more than the turn before it took. Per step one clock is read and two numbers
are compared; whatever costs more happens once a turn, or when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Callable
from time import perf_counter
from typing import Final

import attrs
import trio
from typing_extensions import override

BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds. A frame is 20 ms; what is sent ahead of the caller's ear forgives 200 ms."""

WINDOW_SECONDS: Final = 60.0
"""The longest step is forgotten after one to two of these, so that a scrape a minute misses none."""


@attrs.frozen
class Step:
    """The time that one task kept all others waiting, in seconds, and the task's name: the function it began with."""

    seconds: float = 0.0
    task: str = ""


@attrs.frozen
class Turns:
    """The turns so far: how many took at most each of `BOUNDS`, then how many took longer; and seconds in all."""

    counts: tuple[int, ...]
    seconds: float


class LoopWatch(trio.abc.Instrument):
    """Install it with `trio.lowlevel.add_instrument`. `clock` is the computer's, in seconds, not the loop's."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock: Final = clock
        self._counts: Final = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._woke = self._last = self._window = clock()
        self._longest, self._holder = 0.0, ""
        self._before = Step()

    def turns(self) -> Turns:
        """What was counted so far."""
        return Turns(tuple(self._counts), self._seconds)

    def longest(self) -> Step:
        """The longest step of the last one to two minutes."""
        return max(self._before, Step(self._longest, self._holder), key=lambda step: step.seconds)

    @override
    def after_io_wait(self, timeout: float) -> None:
        self._woke = self._last = self.clock()

    @override
    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        now = self.clock()
        if now - self._last > self._longest:
            self._longest, self._holder = now - self._last, task.name
        self._last = now

    @override
    def before_io_wait(self, timeout: float) -> None:
        now = self.clock()
        spent = now - self._woke
        self._counts[bisect_left(BOUNDS, spent)] += 1
        self._seconds += spent
        if now - self._window >= WINDOW_SECONDS:
            self._window = now
            self._before = Step(self._longest, self._holder)
            self._longest, self._holder = 0.0, ""
