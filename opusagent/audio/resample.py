"""Live resampling between 8, 16 and 24 kHz: a short polyphase FIR with a constant delay and no buffering.

**The filter.** Going from rate S to rate T with T/S = L/M in lowest terms, the textbook way is to put L-1 zeros after
every sample, low-pass at the lower of the two Nyquist frequencies, and keep every M-th sample. Only one tap in L meets
a sample that is not zero, so output m is a sum over the K taps of branch (m*M mod L) and the K newest input samples up
to number m*M div L (Crochiere and Rabiner, Multirate Digital Signal Processing, 1983, chapter 3). The low-pass is a
sinc under a Kaiser window (Kaiser, 1974), symmetric, so its delay is the same at every frequency: `REACH` samples of
the slower rate.

**Nothing is held back.** Output m is due at the time of input m*M div L and is given with it, so after n input samples
exactly ceil(n*L/M) samples have come out, however n came about.

**The same bits for every way of cutting the input.** A matrix product may add up in another order, or fuse its
multiplications, when its shape changes, and one last bit can tip a rounding. Here every order is exact. The taps are
whole multiples of 2**-24 and a branch's taps add up to less than 8 in magnitude, so all products and all partial sums
of samples below 2**15 are whole multiples of 2**-24 below 2**18: 42 bits, and float64 holds 53. Additions that do not
round can be done in any order, zeros that fill up a block add nothing, and what reaches the one rounding at the end
depends on the samples alone.

**The work is one matrix product.** Rows are overlapping stretches of input, a column is the taps of one output placed
where its samples are: a banded matrix that holds each branch several times over. That wastes a third of the
multiplications and saves nearly all of the calls.
"""

import functools
import math
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.pcm import BYTES_PER_SAMPLE, HIGHEST, LOWEST, check_whole, pcm_of, samples_of
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Pcm16

RATES: Final = (HZ_8K, HZ_16K, HZ_24K)

# The design, for all directions: with these three the response falls by 0.25 dB at 0.85 of the lower Nyquist frequency
# (3.4 kHz, the telephone band's edge, for 8 kHz) and by more than 87 dB from that Nyquist frequency on, so that nothing
# can fold or be mirrored audibly. A shorter filter gives up the band between 0.85 and 1.05 of it.
REACH: Final = 30  # zero crossings of the sinc on either side = delay in samples of the slower rate: 3.75 ms at 8 kHz
_CUTOFF: Final = 0.9075  # -6 dB, in units of the lower Nyquist frequency
_KAISER_BETA: Final = 8.7

_TAP_BITS: Final = 24  # taps are whole multiples of 2**-24; rounding them moves the response by less than -130 dB
_BLOCK: Final = 24  # input samples per row: a multiple of every M, and a matrix that stays in a core's first cache


@attrs.frozen(eq=False)
class _Plan:
    """What all resamplers of one direction share: T/S = `up`/`down` in lowest terms, and the banded matrix."""

    up: int
    down: int
    reach: int  # delay in input samples
    bands: npt.NDArray[np.float64]

    @property
    def memory(self) -> int:
        """How many input samples before a block its first output needs."""
        return len(self.bands) - _BLOCK

    def due(self, samples: int) -> int:
        """How many outputs have come out once `samples` went in: the length law."""
        return -(-samples * self.up // self.down)


@attrs.define(eq=False)
class Resampler:
    """One stream of mono PCM16 from `source` to `target` Hz, in pieces of any length.

    One per leg and direction; it holds a filter's length of past input and nothing that is due. At equal rates pieces
    pass through untouched. Raises `LocalProtocolError` for rates other than 8, 16 and 24 kHz.
    """

    source: Hz
    target: Hz
    _plan: _Plan = attrs.field(init=False, repr=False)
    _past: npt.NDArray[np.float64] = attrs.field(init=False, repr=False)
    _taken: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._plan = _plan(self.source, self.target)
        self.clear()

    @property
    def delay(self) -> int:
        """The delay in samples of `target`, exact and the same at every frequency; 0 at equal rates.

        >>> Resampler(HZ_8K, HZ_24K).delay, Resampler(HZ_24K, HZ_8K).delay  # 3.75 ms
        (90, 30)
        >>> Resampler(HZ_16K, HZ_24K).delay  # 1.875 ms
        45
        """
        return self._plan.due(self._plan.reach)

    def push(self, pcm: bytes) -> Pcm16:
        """Take any number of whole samples and give all that is due: ceil(n * target / source) after n in all.

        Raises `LocalProtocolError` on half a sample, and takes nothing then.
        """
        plan = self._plan
        if plan.up == plan.down:
            check_whole(pcm)
            return Pcm16(pcm)
        fresh = samples_of(pcm)
        if not len(fresh):
            return Pcm16(b"")
        stream = self._past_and(fresh)
        held = self._taken % plan.down
        outputs = slice(plan.due(held), plan.due(held + len(fresh)))
        self._taken += len(fresh)
        end = len(self._past) + len(fresh)
        # A copy, because a slice would keep all of the piece in memory.
        self._past = stream[end - plan.memory - self._taken % plan.down : end].copy()
        return pcm_of(_rounded(_sums(plan, stream)[outputs]))

    def flush(self) -> Pcm16:
        """The tail: `delay` more samples, so that all of the input has come out. Fresh again afterwards.

        Nothing if nothing went in since the last time. An end is taken as an end: the input is followed by silence.
        """
        if not self._taken:
            return Pcm16(b"")
        tail = self.push(bytes(self._plan.reach * BYTES_PER_SAMPLE))
        self.clear()
        return tail

    def clear(self) -> None:
        """Forget the stream: fresh again, as after `flush`, without its tail."""
        self._taken = 0
        self._past = np.zeros(self._plan.memory)

    # -- beside others that are alike: `push_each` -----------------------------------------------------------------

    @property
    def kind(self) -> tuple[Hz, Hz, int]:
        """Those that have it in common do the same with pieces of one length: rates, and inputs beyond a period."""
        return self.source, self.target, self._taken % self._plan.down

    def lend(self, row: npt.NDArray[np.float64]) -> None:
        """Write the past that the next outputs need into `row`."""
        row[:] = self._past

    def advance(self, count: int, past: npt.NDArray[np.float64]) -> None:
        """Somebody has given what `count` more samples were due for, and this is what the next ones need."""
        self._taken += count
        self._past = past.copy()

    def _past_and(self, fresh: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
        """The input that the outputs due need, in order, filled up with zeros to whole blocks.

        It begins `memory` samples before the last moment that both rates share. There the branches begin anew, so the
        matrix always fits, and outputs of that period that were given before are computed again and skipped.
        """
        known = len(self._past)
        blocks = -(-(known - self._plan.memory + len(fresh)) // _BLOCK)
        stream = np.zeros(self._plan.memory + blocks * _BLOCK)
        stream[:known] = self._past
        stream[known : known + len(fresh)] = fresh
        return stream


def push_each(streams: Sequence[Resampler], pieces: Sequence[bytes]) -> list[Pcm16]:
    """What `push` of each piece into its own stream gives, in few products: those alike share one.

    Raises `LocalProtocolError` on half a sample.
    """
    alike: dict[tuple[Hz, Hz, int, int], list[int]] = {}
    for place, (stream, piece) in enumerate(zip(streams, pieces, strict=True)):
        check_whole(piece)
        alike.setdefault((*stream.kind, len(piece)), []).append(place)
    given = [Pcm16(b"")] * len(pieces)
    for (source, target, held, size), places in alike.items():
        if len(places) == 1 or source == target or not size:
            pushed = [streams[place].push(pieces[place]) for place in places]
        else:
            fresh = samples_of(b"".join([pieces[place] for place in places])).reshape(len(places), -1)
            pushed = _shared(_plan(source, target), held, [streams[place] for place in places], fresh)
        for place, pcm in zip(places, pushed, strict=True):
            given[place] = pcm
    return given


def _shared(plan: _Plan, held: int, streams: Sequence[Resampler], fresh: npt.NDArray[np.int16]) -> list[Pcm16]:
    """The outputs of streams alike, each of which has a row of `fresh`. `held`: their inputs beyond a period."""
    known, count = plan.memory + held, fresh.shape[1]
    rows = np.zeros((len(streams), plan.memory + -(-(held + count) // _BLOCK) * _BLOCK))
    for row, stream in zip(rows, streams, strict=True):
        stream.lend(row[:known])
    end = known + count
    rows[:, known:end] = fresh
    for row, stream in zip(rows, streams, strict=True):
        stream.advance(count, row[end - plan.memory - (held + count) % plan.down : end])
    due = slice(plan.due(held), plan.due(held + count))
    given = pcm_of(_rounded(_sums(plan, rows).reshape(len(rows), -1)[:, due]))
    size = (due.stop - due.start) * BYTES_PER_SAMPLE
    return [Pcm16(given[at : at + size]) for at in range(0, len(given), size)] if size else [given] * len(streams)


def _sums(plan: _Plan, streams: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Every output of the blocks of `streams`, one or a row of them each, exact."""
    step, length = streams.itemsize, streams.shape[-1]
    shape = (streams.size // length, (length - plan.memory) // _BLOCK, len(plan.bands))
    overlapping = np.ndarray(shape, np.float64, streams, strides=(length * step, _BLOCK * step, step))
    # Copied out, because numpy multiplies overlapping rows one number at a time.
    return (overlapping.reshape(-1, shape[2]) @ plan.bands).ravel()


def _rounded(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """To the nearest sample, ties to even; what the filter overshoots is clipped."""
    np.rint(sums, out=sums)
    np.minimum(sums, HIGHEST, out=sums)
    np.maximum(sums, LOWEST, out=sums)
    return sums.astype(np.int16)


@functools.lru_cache(maxsize=len(RATES) ** 2)
def _plan(source: Hz, target: Hz) -> _Plan:
    if source not in RATES or target not in RATES:
        raise LocalProtocolError(f"{source} to {target} Hz: only {', '.join(map(str, RATES))} Hz are resampled")
    common = math.gcd(source, target)
    up, down = target // common, source // common
    if up == down:
        return _Plan(1, 1, 0, np.ones((_BLOCK, 1)))
    return _Plan(up, down, REACH * max(up, down) // up, _bands(_branches(up, down), down))


def _branches(up: int, down: int) -> npt.NDArray[np.float64]:
    """The taps, a branch per column, the newest sample's first.

    Every branch adds up to 1 within K * 2**-25, a fifth of the lowest bit at full scale for the longest (K = 181). So a
    constant comes out as the same constant, at every place of the period.
    """
    reach = REACH * max(up, down)
    places = np.arange(-reach, reach + 1)
    cutoff = _CUTOFF / max(up, down)
    taps = np.zeros(len(places) + -len(places) % up)
    taps[: len(places)] = np.sinc(cutoff * places) * np.kaiser(len(places), _KAISER_BETA)
    branches = taps.reshape(-1, up)
    rounded: npt.NDArray[np.float64] = np.rint(branches * (2**_TAP_BITS / branches.sum(axis=0)))
    return rounded / 2**_TAP_BITS


def _bands(branches: npt.NDArray[np.float64], down: int) -> npt.NDArray[np.float64]:
    """The matrix from `_BLOCK` inputs and the memory before them to their outputs."""
    length, up = branches.shape
    bands = np.zeros((length - 1 + _BLOCK, _BLOCK * up // down))
    for output in range(bands.shape[1]):
        newest, branch = divmod(output * down, up)
        bands[newest : newest + length, output] = branches[::-1, branch]
    return bands
