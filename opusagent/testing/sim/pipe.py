"""A simulated TCP connection: two bounded buffers, each with a way that bytes take time on. No clock of its own.

A blocked pipe delivers nothing and its window fills, as behind a cable that was pulled; what was sent is delivered once
it is unblocked, as TCP sends it again. What a write puts in may come out in other pieces.
"""

import math
import random
from collections import deque
from typing import Final

import attrs
import trio

from opusagent.units import LoopTime

WINDOW: Final = 64 * 1024
"""Bytes on their way and not yet read, at most: the order of what two kernels hold for a connection."""

NEVER: Final = LoopTime(math.inf)


@attrs.frozen
class Weather:
    """How a direction delivers: seconds on the way, seconds more at random, how often a piece is cut, and how fast."""

    latency: float = 0.01
    jitter: float = 0.0
    cuts: float = 0.0
    bytes_per_second: float = math.inf


@attrs.define
class _Segment:
    """Bytes and when they arrive; none at all are the end of the stream."""

    at: float
    data: bytes


@attrs.define(eq=False)
class Pipe:
    """One direction of a connection, from its `writer` to its reader."""

    name: str
    weather: Weather
    dice: random.Random
    changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    held: int = attrs.field(default=0, init=False)
    peak: int = attrs.field(default=0, init=False)
    is_ended: bool = attrs.field(default=False, init=False)
    """Its writer has said that nothing more comes."""
    is_abandoned: bool = attrs.field(default=False, init=False)
    """Its reader has closed."""
    _way: deque[_Segment] = attrs.field(factory=deque[_Segment], init=False)
    _blocked_since: float = attrs.field(default=math.inf, init=False)
    _blocked_until: float = attrs.field(default=-math.inf, init=False)
    _oldest: float = attrs.field(default=math.inf, init=False)

    @property
    def room(self) -> int:
        """Bytes that a write may put in now."""
        return max(0, WINDOW - self.held)

    def put(self, data: bytes, now: float) -> int:
        """Send as much of `data` as there is room for, or a little less. How much it was."""
        count = min(len(data), self.room)
        if count > 1 and self.dice.random() < self.weather.cuts:
            count = self.dice.randint(1, count)
        self._send(data[:count], now)
        self.held += count
        self.peak = max(self.peak, self.held)
        return count

    def end(self, now: float) -> None:
        """Nothing more comes after what was sent."""
        if not self.is_ended:
            self.is_ended = True
            self._send(b"", now)
            self.changed.unpark_all()

    def due(self) -> LoopTime:
        """When there is something to read: never, if nothing is on its way."""
        return LoopTime(max(self._way[0].at, self._blocked_until)) if self._way else NEVER

    def take(self, most: int) -> bytes:
        """The next bytes, which are due; b"" at the end of the stream, as often as it is asked."""
        segment = self._way[0]
        count = min(len(segment.data), most)
        if count > 1 and self.dice.random() < self.weather.cuts:
            count = self.dice.randint(1, count)
        taken, segment.data = segment.data[:count], segment.data[count:]
        if taken and not segment.data:
            self._way.popleft()
        self.held -= count
        self.changed.unpark_all()
        return taken

    def block(self, now: float, until: float) -> None:
        """Deliver nothing before `until`."""
        self._blocked_since = min(self._blocked_since, now)
        self._blocked_until = max(self._blocked_until, until)
        self.changed.unpark_all()

    def unblock(self) -> None:
        """Deliver again, at once what should have come."""
        self._blocked_since, self._blocked_until = math.inf, -math.inf
        self.changed.unpark_all()

    def unanswered_since(self, now: float) -> LoopTime:
        """Since when sent bytes have gone without an acknowledgement; never if none do."""
        if not self._way or self._blocked_until <= now:
            return NEVER
        return LoopTime(max(self._blocked_since, self._oldest))

    def _send(self, data: bytes, now: float) -> None:
        weather = self.weather
        if not self._way:
            self._oldest = now
        before = self._way[-1].at if self._way else now
        arrives = max(before, now + weather.latency + self.dice.uniform(0, weather.jitter))
        self._way.append(_Segment(arrives + len(data) / weather.bytes_per_second, data))
        self.changed.unpark_all()


@attrs.define(eq=False)
class Connection:
    """Both directions between the end that dialled and the end that accepted."""

    name: str
    there: Pipe
    back: Pipe
    is_broken: bool = False

    @property
    def pipes(self) -> tuple[Pipe, Pipe]:
        """The direction from the dialling end first."""
        return self.there, self.back

    def reset(self) -> None:
        """Break it for both ends; what is on its way is lost."""
        self.is_broken = True
        for pipe in self.pipes:
            pipe.changed.unpark_all()

    def block(self, now: float, until: float) -> None:
        """Deliver nothing before `until`, either way."""
        for pipe in self.pipes:
            pipe.block(now, until)

    def unblock(self) -> None:
        """Deliver again."""
        for pipe in self.pipes:
            pipe.unblock()

    @property
    def is_over(self) -> bool:
        """Whether both ends have done with it."""
        return self.is_broken or all(pipe.is_abandoned for pipe in self.pipes)
