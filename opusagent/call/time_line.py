"""The time line of a call in memory: two channels, sample by sample, and where late audio belongs.

The caller's audio is placed by the platform's media time, so that a gap on the line is a gap here. The model's audio is
placed at the time at which the caller hears it, and what a barge-in discarded is not here. Audio is handed to the
platform a little before it is heard, so the last `HOLD` stays in memory, where a cut can still reach it.

A caller's line that stalls delivers everything later and at once. Its place is kept free for `LATE`, so
that the two channels still belong together after it. Until it is filled, what there is so far can be looked at
(`peek`) without being taken.

Where a platform tells no media time there is one certainty: nobody hears what has not been said yet. Audio that comes
after a silence of the line lies where it arrives, until more has come than time has passed: then the line had stalled,
and the silence before it gives way. After `SETTLE` it is decided: a line that still comes faster than real time has
stalled, and all of the silence gives way, for what it has yet to deliver is known to be that late (`_behind`); a line
that keeps to real time was silent. Little is held for it, however long a line takes to come to itself.

For whoever must not keep what was said before some moment, a line also tells when its audio was said at the earliest:
as if every silence without a media time were a stall.
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
"""Seconds after which it is decided what a silence was, and after which a line that is still as late is so for good."""

DRAINED: Final = 0.01
"""Seconds of audio more than time in the second half of `SETTLE`, with which a line delivers what it held back: 2 %
faster than real time. What is left of an uneven arrival by then shrinks by less."""

MOST_HELD: Final = 60.0
"""Seconds of a channel that wait in memory for a disk. A disk that falls behind by more loses what comes then: it
becomes silence of the same length and is told as a fault of the recording."""


@attrs.define
class _Doubt:
    """`count` samples of silence from `begin` on, in doubt since `since`: audio may belong there that has yet to come.

    `halfway`: when half of `SETTLE` had passed, and how many samples it was then.
    """

    begin: int
    count: int
    since: float
    halfway: tuple[float, int] | None = None

    def is_over(self, at: float) -> bool:
        """Whether it can be decided at `at` what it was."""
        if self.halfway is None and at - self.since >= SETTLE / 2:
            self.halfway = (at, self.count)
        return self.halfway is not None and at - self.halfway[0] >= SETTLE / 2

    def was_stall(self, rate: Hz) -> bool:
        """Whether the line still delivers what it had held back, or only came unevenly."""
        drained = 0 if self.halfway is None else self.halfway[1] - self.count
        return drained >= DRAINED * rate or self.count <= SLACK * rate


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

    def place(self, pcm: Pcm16, at: float, since: float | None = None) -> None:
        """Put `pcm` at `at` seconds, behind all that is there. A silence before it is in doubt `since` then.

        It is lost if that makes more than `MOST_HELD`, be it silence or sound.
        """
        gap = round(at * self._rate) - self.end
        silence = gap if gap > SLACK * self._rate else 0
        if len(self._samples) // 2 + silence > MOST_HELD * self._rate:
            self.lost += len(pcm) // 2
            return
        if silence and since is not None:
            self._doubts.append(_Doubt(self.end, silence, since))
        self._samples += bytes(2 * silence)
        self._samples += pcm
        self._placed = self.end

    def close_up(self, at: float) -> float:
        """Nothing can end later than `at` seconds: silence in doubt gives way, the last first. Returns what is left."""
        over = self.end - round(at * self._rate)
        while over > 0 and self._doubts:
            count = min(over, self._doubts[-1].count)
            over -= count
            self._give_way(len(self._doubts) - 1, count)
        return max(0, over) / self._rate

    def decide(self, at: float) -> float:
        """What has been in doubt for long enough gives way, or is silence. Seconds that gave way."""
        gone = 0
        while self._doubts and self._doubts[0].is_over(at):
            first = self._doubts[0]
            if first.was_stall(self._rate):
                gone += first.count
                self._give_way(0, first.count)
            else:
                del self._doubts[0]
        return gone / self._rate

    def _give_way(self, number: int, count: int) -> None:
        """Take `count` samples out of one silence in doubt; what follows comes earlier."""
        doubt = self._doubts[number]
        place = 2 * (doubt.begin - self.written)
        del self._samples[place : place + 2 * count]
        doubt.count -= count
        for later in self._doubts[number + 1 :]:
            later.begin -= count
        if not doubt.count:
            del self._doubts[number]
        self._placed = self.end

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
            self._doubts.clear()
        return block


class TimeLine:
    """Both sides of a call, sample by sample beside each other. `take` gives what is old enough to stay as it is.

    `late`: for how many seconds the place of a caller's audio is kept free.
    """

    def __init__(self, rate: Hz, opened: LoopTime, late: float = LATE) -> None:
        self.rate: Final = rate
        self._opened: Final = opened
        self._late: Final = late
        self._caller: Final = Channel(rate)
        self._model: Final = Channel(rate)
        self._media_zero: float | None = None
        self._count_zero: float | None = None
        self._count = 0
        self._behind = 0.0
        self._gained = opened
        self._drafted = 0

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Place the caller's audio by media time, whose zero lies where its first block began to arrive."""
        ended = now - self._opened
        started = ended - len(pcm) / 2 / self.rate
        self._decide(now)
        if at is None:
            self._caller.place(pcm, started - self._behind, ended)
        else:
            self._caller.place(pcm, self._said(at, started), None if self._caller.end else ended)
        gained = self._caller.close_up(ended - self._behind)
        if gained and self._behind:
            self._behind, self._gained = max(0.0, self._behind - gained), now

    def _decide(self, now: LoopTime) -> None:
        """A silence is a stall or none, after a while; and a line that stays late is late for good."""
        stalled = self._caller.decide(now - self._opened)
        if stalled:
            self._behind, self._gained = self._behind + stalled, now
        elif self._behind > SLACK and now - self._gained > SETTLE:
            self._behind = 0.0

    def earliest(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> float:
        """Seconds at which the caller's next audio, that has just arrived, can have been said at the earliest.

        By its media time if that can be believed, or else as if they had never been silent, only late. To be asked of
        each piece, in order, before it is heard. What a line held back from its very beginning, and has not
        delivered faster than real time yet, nobody can know of.
        """
        started = now - self._opened - len(pcm) / 2 / self.rate
        said = self._count / self.rate
        self._count += len(pcm) // 2
        if self._count_zero is None:
            self._count_zero = started - said
        self._count_zero = min(self._count_zero, started - said)
        if at is None or self._is_far_ahead(at, started):
            return self._count_zero + said
        return min(started, started if self._media_zero is None else self._media_zero + at / 1000)

    def restart(self, now: LoopTime) -> None:
        """The caller's sound begins anew: what comes next was said after this."""
        self._count_zero = now - self._opened - self._count / self.rate

    def _said(self, at: Ms, started: float) -> float:
        """Where media time `at` lies, whose block began to arrive at `started`, and cannot lie later than that."""
        if self._media_zero is None:
            self._media_zero = max(0.0, started) - at / 1000
        if self._is_far_ahead(at, started):
            return started
        self._media_zero = min(self._media_zero, started - at / 1000)
        return self._media_zero + at / 1000

    def _is_far_ahead(self, at: Ms, started: float) -> bool:
        return self._media_zero is not None and self._media_zero + at / 1000 - started > LATE

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
        self._decide(now)
        old, certain = self._old(now), self._caller.certain
        return self._take_until(certain if 0 < old - certain <= self._late * self.rate else old)

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
