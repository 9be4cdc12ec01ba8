"""The tape of a call in memory: two channels on one time line that begins when the tape is opened.

The caller's audio is placed by the platform's media time, so that a gap on the line is a gap on the tape. The model's
audio is placed at the time at which the caller hears it, and what a barge-in discarded is not on the tape. Audio is
handed to the platform a little before it is heard, so the last `HOLD` stays in memory, where a cut can still reach it.

A caller's line that stalls delivers everything later and at once. Its place on the tape is kept free for `LATE`, so
that the two channels still belong together after it. Until it is filled, what the tape is so far can be looked at
(`peek`) without being taken.

Where a platform tells no media time there is one certainty: nobody hears what has not been said yet. Audio that comes
after a silence of the line lies where it arrives, until more has come than time has passed: then the line had stalled,
and the silence before it gives way. It is no longer in doubt when the line has kept to real time for `SETTLE`.

While the tape is paused nothing is put on it. A pause is a stretch of the time line: what lies in it is silence when
the tape is taken, whenever it came; and what a caller says meanwhile is not even held, wherever it would lie.

A tape of another rate than the leg's is resampled when it is taken, as two streams without breaks. The filter's
constant delay is left out at the beginning and comes out at the end, so that every sample lies where it would have.
"""

import copy
import math
from collections.abc import Sequence
from typing import Final, Protocol

import attrs
import numpy as np

from opusagent.audio.pcm import HIGHEST, LOWEST, SAMPLE, pcm_of, samples_of
from opusagent.audio.resample import Resampler
from opusagent.audio.wav import interleave
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

MOST_PAUSES: Final = 1000
"""Of one call. What would be a further one begins no silence but joins the last: nobody loses a secret by it."""


class Witness(Protocol):
    """Hears what both sides of a call hear, when they hear it. Never waits, never raises."""

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """The caller's audio that has just arrived; `at` is the platform's media time of its first sample."""
        ...

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """The model's audio, heard from `at` on."""
        ...

    def cut(self, now: LoopTime) -> None:
        """Of the model's audio, nothing beyond `now` was heard."""
        ...


@attrs.frozen
class Pause:
    """Nothing was recorded from `began` to `ended`, in seconds since the tape was opened; None: to the call's end."""

    began: float
    ended: float | None = None


class Tape(Witness, Protocol):
    """What a call may put on a tape, and when it may not."""

    @property
    def pauses(self) -> Sequence[Pause]:
        """The stretches without recording so far."""
        ...

    def pause(self, now: LoopTime) -> bool:
        """From here on nothing is kept. Whether that is a change."""
        ...

    def resume(self, now: LoopTime) -> bool:
        """From here on all is kept. Whether that is a change."""
        ...


class BlankTape:
    """No recording was asked for."""

    pauses: Sequence[Pause] = ()

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Nothing is kept."""

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Nothing is kept."""

    def cut(self, now: LoopTime) -> None:
        """Nothing is kept."""

    def pause(self, now: LoopTime) -> bool:
        """Nothing is kept anyway."""
        del now
        return False

    def resume(self, now: LoopTime) -> bool:
        """Nothing is kept."""
        del now
        return False


@attrs.frozen
class TapeKind:
    """How a tape is written. `rate` None: at the leg's own. One channel: both sides together."""

    rate: Hz | None = None
    channels: int = 2


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


@attrs.define(eq=False)
class _Track:
    """One channel on its way to the tape's rate: no sample lies later for it."""

    _resampler: Resampler
    _early: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._early = self._resampler.delay

    def push(self, pcm: bytes) -> bytes:
        """What is due, without the delay that the filter begins with."""
        given = self._resampler.push(pcm)
        early = min(self._early, len(given) // 2)
        self._early -= early
        return given[2 * early :]

    def peek(self, pcm: bytes) -> bytes:
        """What would be due, of a track that goes on as if nothing had been pushed."""
        return copy.copy(self._resampler).push(pcm)[2 * self._early :]

    def flush(self) -> bytes:
        """The rest, so that the track is as long as what went in."""
        rest = self._resampler.flush()
        return rest[2 * min(self._early, len(rest) // 2) :]


class CallTape:
    """The tape in memory: the leg's `rate` in, `kind` out. `take` gives what is old enough to be written."""

    def __init__(self, rate: Hz, opened: LoopTime, kind: TapeKind = TapeKind()) -> None:
        self.rate: Final = kind.rate or rate
        self.channels: Final = kind.channels
        self._opened: Final = opened
        self._line: Final = TimeLine(rate, opened)
        self._tracks: Final = (_Track(Resampler(rate, self.rate)), _Track(Resampler(rate, self.rate)))
        self._pauses: list[Pause] = []

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """Place the caller's audio; while the tape is paused, as much silence."""
        self._line.hear(Pcm16(bytes(len(pcm))) if self.is_paused else pcm, at, now)

    def play(self, pcm: Pcm16, at: LoopTime) -> None:
        """Place the model's audio at the time at which it is heard."""
        self._line.play(pcm, at)

    def cut(self, now: LoopTime) -> None:
        """Take back what was sent and not heard."""
        self._line.cut(now)

    @property
    def is_paused(self) -> bool:
        """Whether nothing is kept at present."""
        return bool(self._pauses) and self._pauses[-1].ended is None

    @property
    def pauses(self) -> Sequence[Pause]:
        """The stretches without recording so far."""
        return tuple(self._pauses)

    def pause(self, now: LoopTime) -> bool:
        """From here on nothing is kept. Whether that is a change."""
        if self.is_paused:
            return False
        began = now - self._opened
        if len(self._pauses) == MOST_PAUSES:
            began = self._pauses.pop().began
        self._pauses.append(Pause(began))
        return True

    def resume(self, now: LoopTime) -> bool:
        """From here on all is kept. Whether that is a change."""
        if not self.is_paused:
            return False
        self._pauses[-1] = Pause(self._pauses[-1].began, now - self._opened)
        return True

    def take(self, now: LoopTime) -> bytes:
        """The tape of everything older than `HOLD`, or of as much as cannot be expected to come any more."""
        first = self._line.taken
        caller, model = (self._hushed(block, first) for block in self._line.take(now))
        return self._woven(self._tracks[0].push(caller), self._tracks[1].push(model))

    def peek(self, now: LoopTime) -> bytes:
        """What follows the tape that was taken and is as old, as far as it is known: a late caller may yet fill it."""
        first = self._line.taken
        caller, model = (self._hushed(block, first) for block in self._line.peek(now))
        return self._woven(self._tracks[0].peek(caller), self._tracks[1].peek(model)) if caller else b""

    def take_rest(self, now: LoopTime) -> bytes:
        """The tape of all that is left: the call ends at `now`."""
        first = self._line.taken
        caller, model = (self._hushed(block, first) for block in self._line.take_rest(now))
        left, right = self._tracks
        return self._woven(left.push(caller) + left.flush(), right.push(model) + right.flush())

    @property
    def lost_seconds(self) -> float:
        """How much of either channel the disk was too slow for."""
        return self._line.lost_seconds

    def _hushed(self, block: bytes, first: int) -> bytes:
        """The block that begins at sample `first`, silent where the tape was paused."""
        if not self._pauses:
            return block
        hushed, rate = bytearray(block), self._line.rate
        last = first + len(block) // 2
        for pause in self._pauses:
            # Differences of clock times are not exact: a thousandth of a sample more is none.
            start = max(first, math.floor(round(pause.began * rate, 3)))
            end = last if pause.ended is None else min(last, math.ceil(round(pause.ended * rate, 3)))
            if start < end:
                hushed[2 * (start - first) : 2 * (end - first)] = bytes(2 * (end - start))
        return bytes(hushed)

    def _woven(self, caller: bytes, model: bytes) -> bytes:
        return interleave(caller, model) if self.channels == 2 else mixed(caller, model)


def mixed(one: bytes, other: bytes) -> bytes:
    """Both together on one channel; what is too loud for it is clipped.

    >>> mixed(bytes.fromhex("01000200ff7f"), bytes.fromhex("0a00ff7fff7f")).hex(" ", 2)
    '0b00 ff7f ff7f'
    """
    sums = samples_of(one).astype(np.int32) + samples_of(other)
    return pcm_of(np.clip(sums, LOWEST, HIGHEST).astype(SAMPLE))
