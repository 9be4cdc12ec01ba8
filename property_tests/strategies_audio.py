"""Sound and the ways it arrives: PCM16 of every character, cut into pieces as no peer would dare."""

import itertools
import math
import struct
from collections.abc import Iterable
from typing import Final

import numpy as np
from hypothesis import strategies as st

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Pcm16

RATES: Final = (HZ_8K, HZ_16K, HZ_24K)
DIRECTIONS: Final = tuple(itertools.permutations(RATES, 2))
MOST_SAMPLES: Final = 700
LOUDEST: Final = 32000


def packed(samples: Iterable[int]) -> Pcm16:
    """PCM16 from numbers, by another way than the one under test."""
    values = list(samples)
    return Pcm16(struct.pack(f"<{len(values)}h", *values))


def rates() -> st.SearchStrategy[Hz]:
    """One of the rates that this program speaks."""
    return st.sampled_from(RATES)


def directions() -> st.SearchStrategy[tuple[Hz, Hz]]:
    """Two different rates."""
    return st.sampled_from(DIRECTIONS)


def media_formats() -> st.SearchStrategy[MediaFormat]:
    """Every encoding at every rate, also those that no leg uses."""
    return st.builds(MediaFormat, st.sampled_from(Encoding), rates())


def samples() -> st.SearchStrategy[int]:
    """One sample; the extremes and silence often."""
    return st.sampled_from((-32768, -32767, -1, 0, 1, 32767)) | st.integers(-32768, 32767)


def pcm() -> st.SearchStrategy[Pcm16]:
    """A few chosen samples, or up to `MOST_SAMPLES` of something loud: noise, a square wave, a constant."""
    chosen = st.lists(samples(), max_size=40).map(packed)
    lengths = st.integers(0, MOST_SAMPLES)
    noise = st.builds(_noise, lengths, st.integers(0, 2**32))
    square = st.builds(_square, lengths, st.integers(1, 50), samples())
    return st.one_of(chosen, noise, square, st.builds(_constant, lengths, samples()))


def codes() -> st.SearchStrategy[bytes]:
    """G.711 codes of either law: any bytes."""
    return st.binary(max_size=400)


@st.composite
def pieces(draw: st.DrawFn, whole: bytes, unit: int = 1) -> list[bytes]:
    """A way of cutting `whole` between units of `unit` bytes: any number of pieces, empty ones among them."""
    units = len(whole) // unit
    style = draw(st.sampled_from(("anywhere", "even", "one by one")))
    match style:
        case "anywhere":
            ends = sorted(draw(st.lists(st.integers(0, units), max_size=12)))
        case "even":
            ends = list(range(0, units, draw(st.integers(1, max(units, 1)))))
        case _:
            ends = list(range(units))
    edges = [0, *(end * unit for end in ends), len(whole)]
    return [whole[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def band_limited(draw: st.DrawFn, rate: Hz, below_hertz: int) -> Pcm16:
    """One to four tones below `below_hertz`, at most `LOUDEST` together, for 50 to 80 ms."""
    tone = st.tuples(st.floats(10, below_hertz), st.floats(0, 2 * math.pi), st.floats(0.05, 1.0))
    tones = draw(st.lists(tone, min_size=1, max_size=4))
    scale = LOUDEST / max(1.0, sum(share for _, _, share in tones))
    length = draw(st.integers(rate * 50 // 1000, rate * 80 // 1000))
    return packed(
        round(scale * sum(share * math.sin(2 * math.pi * hertz * at / rate + phase) for hertz, phase, share in tones))
        for at in range(length)
    )


def _noise(length: int, seed: int) -> Pcm16:
    return Pcm16(np.random.default_rng(seed).bytes(2 * length))


def _constant(length: int, sample: int) -> Pcm16:
    return packed([sample] * length)


def _square(length: int, half_period: int, peak: int) -> Pcm16:
    low = max(-32768, min(32767, -peak))
    return packed(peak if at // half_period % 2 else low for at in range(length))
