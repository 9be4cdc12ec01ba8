"""The time line of a call in memory: two channels, sample by sample, and where late audio belongs.

The caller's audio is placed by the platform's media time, so that a gap on the line is a gap here. The model's audio is
placed at the time at which the caller hears it, and what a barge-in discarded is not here. Audio is handed to the
platform a little before it is heard, so the last `HOLD` stays in memory, where a cut can still reach it.

A caller's line that stalls delivers everything later and at once. Its place is kept free for `LATE`, so
that the two channels still belong together after it. Until it is filled, what there is so far can be looked at
(`peek`) without being taken.

Where a platform tells no media time there is one certainty: nobody hears what has not been said yet. Audio that comes
after a silence of the line lies where it arrives, until more has come than time has passed: then the line had stalled,
and the silence before it gives way. It is no longer in doubt when the line has kept to real time for `SETTLE`.
"""

from typing import Final

import attrs

from opusagent.units import Hz, LoopTime, Ms, Pcm16

HOLD: Final = 0.5
"""Seconds that stay in memory. More than the playout's lead, so that a cut only ever reaches what is here."""

SLACK: Final = 0.02
"""Audio that comes this near to the end of what is there continues it: arrival is uneven, speech is not."""

LATE: Final = 10.0
"""Seconds that a caller's audio may be late: as long as a silent line may be before it is given up. Media time that is
further ahead than this is none."""

SETTLE: Final = 1.0
"""Seconds without more audio than time, after which a line without media time has delivered all that it held back."""

MOST_HELD: Final = 60.0
"""Seconds of a channel that wait in memory for a disk. A disk that falls behind by more loses what comes then: it
becomes silence of the same length and is told as a fault of the recording."""


@attrs.define
class _Doubt:
    """`count` samples of silence from `begin` on, where audio may belong that has yet to come."""

    begin: int
    count: int


class Channel:
    """One mono channel of a time line: samples from `written` on, continued or placed with silence between."""

    def __init__(self, rate: Hz) -> None:
        self._rate: Final = rate
        self._samples = bytearray()
        self._doubts: list[_Doubt] = []
        self._placed = 0
        self.written = 0
        self.lost = 0

    @property
    def end(self) -> int:
        """The sample index behind the last sample."""
        return self.written + len(self._samples) // 2

    @property
    def certain(self) -> int:
        """The sample index up to which all that was ever placed stays where it is."""
        return self._doubts[0].begin if self._doubts else self._placed

    def place(self, pcm: Pcm16, at: float, *, doubtful: bool = False) -> bool:
        """Put `pcm` at `at` seconds, behind everything that is there already. Whether that leaves a silence.

        It is lost if that makes more than `MOST_HELD`, be it silence or sound.
        """
        gap = round(at * self._rate) - self.end
        silence = gap if gap > SLACK * self._rate else 0
        if len(self._samples) // 2 + silence > MOST_HELD * self._rate:
            self.lost += len(pcm) // 2
            return False
        if silence and doubtful:
            self._doubts.append(_Doubt(self.end, silence))
        self._samples += bytes(2 * silence)
        self._samples += pcm
        self._placed = self.end
        return silence > 0

    def close_up(self, at: float) -> bool:
        """Nothing can end later than `at` seconds: silence in doubt gives way, the last first. Whether any did."""
        over = surplus = self.end - round(at * self._rate)
        while over > 0 and self._doubts:
            last = self._doubts[-1]
            count = min(over, last.count)
            place = 2 * (last.begin - self.written)
            del self._samples[place : place + 2 * count]
            over, last.count = over - count, last.count - count
            if not last.count:
                self._doubts.pop()
        self._placed = self.end
        return over < surplus

    def settle(self) -> None:
        """All silence is what it seems to be."""
        self._doubts.clear()

    def cut(self, at: float) -> None:
        """Drop what lies beyond `at` seconds and is still in memory."""
        keep = max(0, round(at * self._rate) - self.written)
        del self._samples[2 * keep :]

    def peek_until(self, index: int) -> bytes:
        """The samples up to `index`, with silence where there are none, as they are now."""
        count = max(0, index - self.written)
        return bytes(self._samples[: 2 * count]).ljust(2 * count, b"\x00")

    def take_until(self, index: int) -> bytes:
        """The samples up to `index`, with silence where there are none, for good."""
        block = self.peek_until(index)
        del self._samples[: len(block)]
        self.written += len(block) // 2
        if self.certain < self.written:
            self.settle()
        return block


class TimeLine:
    """Both sides of a call, sample by sample beside each other. `take` gives what is old enough to stay as it is."""

    def __init__(self, rate: Hz, opened: LoopTime) -> None:
        self.rate: Final = rate
        self._opened: Final = opened
        self._caller: Final = Channel(rate)
        self._model: Final = Channel(rate)
        self._media_zero: float | None = None
        self._moved = opened
        self._drafted = 0

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Place the caller's audio by media time, whose zero lies where its first block began to arrive."""
        started = now - self._opened - len(pcm) / 2 / self.rate
        said = started if at is None else self._said(at, started)
        is_doubtful = at is None or not self._caller.end
        if self._caller.place(pcm, said, doubtful=is_doubtful) | self._caller.close_up(now - self._opened):
            self._moved = now

    def _said(self, at: Ms, started: float) -> float:
        """Where media time `at` lies, whose block began to arrive at `started`, and cannot lie later than that."""
        if self._media_zero is None:
            self._media_zero = max(0.0, started) - at / 1000
        ahead = self._media_zero + at / 1000 - started
        if ahead > LATE:
            return started
        self._media_zero -= max(0.0, ahead)
        return self._media_zero + at / 1000

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Place the model's audio at the time at which it is heard."""
        self._model.place(pcm, at - self._opened)

    def cut(self, now: LoopTime) -> None:
        """Take back what was sent and not heard."""
        self._model.cut(now - self._opened)

    @property
    def taken(self) -> int:
        """How many samples of either channel have been taken."""
        return self._caller.written

    def take(self, now: LoopTime) -> tuple[bytes, bytes]:
        """Both sides of everything older than `HOLD`, but for what a caller's line may still deliver."""
        if now - self._moved > SETTLE:
            self._caller.settle()
        old, certain = self._old(now), self._caller.certain
        return self._take_until(certain if 0 < old - certain <= LATE * self.rate else old)

    def peek(self, now: LoopTime) -> tuple[bytes, bytes]:
        """Both sides of what is as old and may still be filled, as they are now."""
        self._drafted = self._old(now)
        return self._caller.peek_until(self._drafted), self._model.peek_until(self._drafted)

    def take_rest(self, now: LoopTime) -> tuple[bytes, bytes]:
        """Both sides of all that is left: the call ends at `now`."""
        self.cut(now)
        return self._take_until(max(self._caller.end, self._model.end, self._drafted))

    @property
    def lost_seconds(self) -> float:
        """How much of either channel found no room in memory."""
        return (self._caller.lost + self._model.lost) / self.rate

    def _old(self, now: LoopTime) -> int:
        return int((now - self._opened - HOLD) * self.rate)

    def _take_until(self, index: int) -> tuple[bytes, bytes]:
        return self._caller.take_until(index), self._model.take_until(index)
