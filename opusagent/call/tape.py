"""The tape of a call in memory: two channels on one time line that begins when the tape is opened.

Where the samples of either side lie is the time line's to know (`time_line`). What is old enough to stay as it is can
be taken, and written.

While the tape is paused nothing is put on it. A pause is a stretch of the time line: what lies in it is silence when
the tape is taken, whenever it came. What a caller says meanwhile is not even held, wherever it would lie; and of what
arrives after a pause only that is kept which cannot have been said before its end, however late the line is.

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
from opusagent.call.time_line import TimeLine
from opusagent.units import Hz, LoopTime, Ms, Pcm16

MOST_PAUSES: Final = 1000
"""Of one call. What would be a further one begins no silence but joins the last: nobody loses a secret by it."""


class Witness(Protocol):
    """Hears what both sides of a call hear, when they hear it. Never waits, never raises."""

    def hear(self, pcm: Pcm16, at: Ms | None, now: LoopTime) -> None:
        """The caller's audio that has just arrived; `at` is the platform's media time of its first sample."""
        ...

    def restart(self, now: LoopTime) -> None:
        """The caller's sound begins anew: what comes next was said after this."""
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

    def restart(self, now: LoopTime) -> None:
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
        """Place the caller's audio; as much silence for what may have been said before the end of a pause."""
        said = self._line.earliest(pcm, at, now)
        self._line.hear(self._said_openly(pcm, said), at, now)

    def restart(self, now: LoopTime) -> None:
        """The caller's sound begins anew."""
        self._line.restart(now)

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

    def _said_openly(self, pcm: Pcm16, said: float) -> Pcm16:
        """`pcm`, which was said at `said` seconds at the earliest, without what that leaves in doubt."""
        if not self._pauses:
            return pcm
        ended = self._pauses[-1].ended
        hidden = len(pcm) if ended is None else 2 * max(0, math.ceil(round((ended - said) * self._line.rate, 3)))
        return Pcm16(bytes(min(hidden, len(pcm))) + pcm[hidden:])

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
