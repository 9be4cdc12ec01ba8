"""What one call sent and received, each way: every millisecond of it, and how long the marked tones took.

All times are of one clock, in seconds; what is told is milliseconds. Up: a message is late by the time from the sending
of the frame that its last sample is in to its arrival. Down: the platform plays a frame when the one
before it ends, so a frame counts as late by the gap before it; the first of an answer by all the time that it took.
"""

import math
from collections import deque
from typing import Final

import attrs

from opusagent.bench.load.voices import FRAME_MS

_SLIP: Final = 10.0
"""Milliseconds that a mark may move in a stream (filters have a delay) before sound counts as lost or doubled."""
_PADDING: Final = 2 * FRAME_MS
"""Milliseconds that an answer may come out longer: its last frame is filled up, and a filter rings out."""
_REST: Final = 0.5
"""Seconds in which the end of an answer is still on its way."""
_ONE_MARK: Final = 100.0
"""Milliseconds of sound in which loud samples belong to one and the same mark."""


@attrs.define(eq=False)
class Tally:
    """Milliseconds of one direction."""

    sent: float = 0.0
    received: float = 0.0
    lost: float = 0.0
    doubled: float = 0.0
    latencies: list[float] = attrs.field(factory=list[float])
    lateness: list[float] = attrs.field(factory=list[float])
    lost_marks: int = 0


@attrs.define(eq=False)
class Upward:
    """From the caller to the model."""

    tally: Tally = attrs.field(factory=Tally)
    _sent_at: list[float] = attrs.field(factory=list[float])
    _marks: deque[int] = attrs.field(factory=deque[int])
    _slip: float | None = None
    _last_mark: float = -math.inf

    def send(self, now: float, *, marked: bool) -> None:
        """A frame is on its way."""
        if marked:
            self._marks.append(len(self._sent_at))
        self._sent_at.append(now)
        self.tally.sent += FRAME_MS

    def receive(self, now: float, ms: float, mark: float | None) -> None:
        """A message came with so many milliseconds; `mark` of them before the first loud sample."""
        if mark is not None and self.tally.received + mark > self._last_mark + _ONE_MARK:
            self._last_mark = self.tally.received + mark
            self._find(now, self._last_mark)
        self.tally.received += ms
        last = min(math.ceil((self.tally.received - 0.01) / FRAME_MS), len(self._sent_at)) - 1
        if last >= 0:
            self.tally.lateness.append((now - self._sent_at[last]) * 1000)

    def settle(self) -> None:
        """The call is over: what has not come by now is lost."""
        rest = self.tally.sent - self.tally.received - self.tally.lost + self.tally.doubled
        self.tally.lost += max(0.0, rest)
        self.tally.doubled += max(0.0, -rest)
        self.tally.lost_marks += len(self._marks)

    def _find(self, now: float, position: float) -> None:
        """A mark was found at `position` milliseconds of what came: the one that is missing nearest to it."""
        if not self._marks:
            return
        slip = self._slip or 0.0
        nearest = min(self._marks, key=lambda frame: abs(frame * FRAME_MS + slip - position))
        while self._marks.popleft() != nearest:
            self.tally.lost_marks += 1
        moved = position - nearest * FRAME_MS - slip
        if self._slip is None or abs(moved) > _SLIP:
            if abs(moved) > _SLIP:
                self.tally.lost += max(0.0, -moved)
                self.tally.doubled += max(0.0, moved)
            self._slip = slip + moved
        self.tally.latencies.append((now - self._sent_at[nearest]) * 1000)


@attrs.define(eq=False)
class Answer:
    """One answer of the model: when it began, how much of it was sent and has come, and whether it was cut short."""

    began: float
    sent: float = 0.0
    received: float = 0.0
    interrupted: float | None = None

    @property
    def ends(self) -> float:
        """When a platform has played it that is given it in time, and a little later."""
        return self.began + self.sent / 1000 + _REST


@attrs.define(eq=False)
class Downward:
    """From the model to the caller."""

    tally: Tally = attrs.field(factory=Tally)
    clears: list[float] = attrs.field(factory=list[float])
    missing_clears: int = 0
    stale: float = 0.0
    """Milliseconds that came after the interruption was told to the platform."""
    _sent: deque[Answer] = attrs.field(factory=deque[Answer])
    _playing: Answer | None = None
    _cleared: bool = False
    _plays_until: float = 0.0
    _since_mark: float = math.inf

    def begin(self, now: float) -> Answer:
        """The model begins to answer."""
        answer = Answer(now)
        self._sent.append(answer)
        return answer

    def receive(self, now: float, ms: float, mark: float | None) -> None:
        """The platform was given so many milliseconds to play."""
        is_first = mark is not None and self._since_mark + mark > _ONE_MARK and bool(self._sent)
        self._since_mark = ms - mark if is_first and mark is not None else self._since_mark + ms
        self.tally.received += ms
        if is_first:
            self._next(now)
        elif not self._cleared:
            self.tally.lateness.append(max(0.0, now - self._plays_until) * 1000)
        if self._cleared:
            self.stale += ms
        elif self._playing is not None:
            self._playing.received += ms
        self._plays_until = max(now, self._plays_until) + ms / 1000

    def plays_until(self) -> float:
        """When all is played that has come."""
        return self._plays_until

    def interrupt(self, now: float) -> None:
        """The model is told to have heard the caller, in the middle of an answer."""
        if self._playing is not None:
            self._playing.interrupted = now

    def clear(self, now: float) -> None:
        """The platform is told to stop playing."""
        self._plays_until = now
        playing = self._playing
        if playing is None or playing.interrupted is None or self._cleared:
            return
        self._cleared = True
        self.clears.append((now - playing.interrupted) * 1000)

    def settle(self, now: float) -> None:
        """The call is over. An answer that was still to be played then is in no account."""
        if self._playing is not None and self._playing.interrupted is None and self._playing.ends > now:
            self._playing = None
        self._close()

    def _next(self, now: float) -> None:
        """An answer has come through. Those that were sent before it have not."""
        self._close()
        while len(self._sent) > 1 and self._sent[1].began < now - 0.5:
            self.tally.lost += self._sent.popleft().sent
            self.tally.lost_marks += 1
        self._playing, self._cleared = self._sent.popleft(), False
        self.tally.latencies.append((now - self._playing.began) * 1000)
        self.tally.lateness.append(self.tally.latencies[-1])
        self._plays_until = max(now, self._plays_until)

    def _close(self) -> None:
        answer, self._playing = self._playing, None
        if answer is None:
            return
        self.tally.sent += answer.sent
        if answer.interrupted is not None:
            self.missing_clears += not self._cleared
            return
        self.tally.lost += max(0.0, answer.sent - answer.received)
        excess = answer.received - answer.sent
        self.tally.doubled += excess if excess > _PADDING else 0.0


@attrs.define(eq=False)
class Account:
    """One call."""

    dialled: float = 0.0
    set_up: float | None = None
    up: Upward = attrs.field(factory=Upward)
    down: Downward = attrs.field(factory=Downward)
    failure: str | None = None
