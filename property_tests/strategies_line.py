"""A playout at work on a line that delays: what it sends arrives late, and marks come back later still."""

import itertools
import math
from collections.abc import Iterator
from typing import Final

import attrs
from hypothesis import strategies as st

from opusagent.call.playout import Cut, Playout
from opusagent.testing.twilio_playout import TwilioPlayout
from opusagent.units import LoopTime, Ms, Mulaw

NEVER: Final = LoopTime(math.inf)
NO_DELAY: Final = itertools.repeat(0.0)
PICK_UP: Final = LoopTime(100.0)

Delays = tuple[float, ...]


def delays(most: Ms) -> st.SearchStrategy[Delays]:
    """Seconds under way, up to `most`, one after the other and then over again; steady lines and wild ones."""
    some = st.integers(0, most).map(lambda ms: ms / 1000)
    return st.one_of(some.map(lambda each: (each,)), st.lists(some, min_size=2, max_size=8).map(tuple))


@attrs.define
class Line:
    """A mu-law playout, the platform that it plays to, and the network between them: order is kept, time is not.

    `platform` knows what the caller has heard. `arrivals` and `echoes` are the seconds that each message of the bridge
    and each mark on its way back spend on the line.
    """

    playout: Playout
    arrivals: Iterator[float] = NO_DELAY
    echoes: Iterator[float] = NO_DELAY
    now: LoopTime = PICK_UP
    platform: TwilioPlayout = attrs.field(factory=TwilioPlayout, init=False)
    plays_at: list[LoopTime] = attrs.field(factory=list[LoopTime], init=False)
    _arrived: LoopTime = attrs.field(default=LoopTime(0.0), init=False)

    def listen(self, seconds: float) -> None:
        """Let time pass: what is due is sent, and marks come back."""
        until = self.now + seconds
        while (at := min(self.playout.next_due(self.now) or NEVER, self.platform.next_echo())) <= until:
            self.now = LoopTime(max(self.now, at))
            for mark in self.platform.take_echoes(self.now):
                self.playout.on_mark(mark.name, self.now)
            self._send()
        self.now = LoopTime(until)

    def interrupt(self) -> tuple[Cut, ...]:
        """Barge in: cut the playout and clear the platform."""
        cuts = self.playout.cut(self.now)
        self.platform.clear(self._arrival())
        return tuple(cuts)

    @property
    def heard_bytes(self) -> int:
        """The truth: how much the caller has heard by now."""
        return self.platform.heard_bytes(self.now)

    @property
    def settled_bytes(self) -> int:
        """The truth: how much the caller will have heard when all that is under way has been played."""
        return self.platform.heard_bytes(LoopTime(self.platform.busy_until + 1.0))

    def _send(self) -> None:
        batch = self.playout.pop_due(self.now)
        if batch is None:
            return
        at = self._arrival()
        for frame in batch.frames:
            self.platform.play(Mulaw(frame), at)
        if batch.frames:
            self.plays_at.append(batch.plays_at)
        if batch.mark is not None:
            self.platform.mark(batch.mark, at, echo_delay=next(self.echoes))

    def _arrival(self) -> LoopTime:
        self._arrived = LoopTime(max(self._arrived, self.now + next(self.arrivals)))
        return self._arrived
