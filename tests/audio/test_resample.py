"""The resampler against the textbook, and at its edges."""

import struct
from itertools import permutations
from math import gcd

import numpy as np
import numpy.typing as npt
import pytest

from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.audio.resample import Resampler
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz

DIRECTIONS = tuple(permutations((HZ_8K, HZ_16K, HZ_24K), 2))


def noise(count: int, peak: int = 10000) -> npt.NDArray[np.int16]:
    return np.random.default_rng(8).integers(-peak, peak, count, np.int16)


def by_the_textbook(samples: npt.NDArray[np.int16], source: Hz, target: Hz) -> npt.NDArray[np.float64]:
    """Zeros put between, one windowed sinc over everything, every M-th kept: no branches, no blocks, no fixed point."""
    common = gcd(source, target)
    up, down = target // common, source // common
    stuffed = np.zeros(len(samples) * up)
    stuffed[::up] = samples
    reach = 30 * max(up, down)
    places = np.arange(-reach, reach + 1) / max(up, down)
    taps = np.sinc(0.9075 * places) * np.kaiser(2 * reach + 1, 8.7)
    return np.convolve(stuffed, taps * (up / taps.sum()))[: len(stuffed) : down].astype(np.float64)


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_it_is_the_textbook_s_sum(source: Hz, target: Hz) -> None:
    """Every output is the full sum, rounded: within one unit, most of them within half."""
    samples = noise(1000)
    out = samples_of(Resampler(source, target).push(pcm_of(samples)))
    errors = np.abs(out - by_the_textbook(samples, source, target))
    assert errors.max() <= 1.0
    assert np.median(errors) <= 0.5


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_the_delay_is_exact(source: Hz, target: Hz) -> None:
    """A click comes out symmetric around its own moment plus `delay`: to the sample, at every frequency."""
    click = np.zeros(1200, np.int16)
    click[600] = 30000
    resampler = Resampler(source, target)
    out = samples_of(resampler.push(pcm_of(click)) + resampler.flush())
    middle = 600 * target // source + resampler.delay
    assert out[middle] == max(out.tolist())
    np.testing.assert_array_equal(out[middle - 150 : middle], out[middle + 150 : middle : -1])


@pytest.mark.parametrize(
    ("source", "target", "delay"),
    [
        (HZ_8K, HZ_16K, 60),
        (HZ_8K, HZ_24K, 90),
        (HZ_16K, HZ_8K, 30),
        (HZ_16K, HZ_24K, 45),
        (HZ_24K, HZ_8K, 30),
        (HZ_24K, HZ_16K, 30),
        (HZ_8K, HZ_8K, 0),
    ],
)
def test_delay_in_samples(source: Hz, target: Hz, delay: int) -> None:
    """3.75 ms where 8 kHz takes part, 1.875 ms between 16 and 24 kHz, nothing at equal rates."""
    assert Resampler(source, target).delay == delay


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_the_last_sample_is_in_the_tail(source: Hz, target: Hz) -> None:
    """A click at the very end comes out at its height: the flush is long enough."""
    click = np.zeros(400, np.int16)
    click[-1 - (399 % (source // 8000))] = 30000
    whole, ended = Resampler(source, target), Resampler(source, target)
    there = max(samples_of(whole.push(pcm_of(click) + bytes(2000))).tolist())
    assert max(samples_of(ended.push(pcm_of(click)) + ended.flush()).tolist()) == there
    assert there > 8000


def test_too_loud_is_clipped_not_wrapped() -> None:
    """A full-scale square wave overshoots around its flanks: what is clipped keeps its sign."""
    square = ([32767] * 40 + [-32768] * 40) * 10
    resampler = Resampler(HZ_8K, HZ_24K)
    out = samples_of(resampler.push(struct.pack("<800h", *square)))[resampler.delay :].tolist()
    assert (max(out), min(out)) == (32767, -32768)
    between_flanks = [(at, level) for at, level in enumerate(out) if 4 <= at % 120 < 116]
    assert all(level > 25000 if at // 120 % 2 == 0 else level < -25000 for at, level in between_flanks)


def test_half_a_sample_is_refused_and_takes_nothing() -> None:
    """By the identity too; the stream goes on as if nothing had been pushed."""
    resampler, untouched = Resampler(HZ_8K, HZ_24K), Resampler(HZ_8K, HZ_24K)
    for each in (resampler, Resampler(HZ_8K, HZ_8K)):
        with pytest.raises(LocalProtocolError, match="3 bytes are not whole"):
            each.push(b"abc")
    sound = pcm_of(noise(100))
    assert resampler.push(sound) == untouched.push(sound)


def test_nothing_in_nothing_out() -> None:
    """A flush without input is no tail of silence; an empty push gives nothing and begins nothing."""
    resampler = Resampler(HZ_8K, HZ_24K)
    assert resampler.push(b"") == b""
    assert resampler.flush() == b""
    assert len(resampler.push(b"\x00\x00") + resampler.flush()) == 2 * (3 + 90)
    assert resampler.flush() == b""


@pytest.mark.parametrize(("source", "target"), [(Hz(44100), HZ_8K), (HZ_8K, Hz(48000)), (Hz(0), HZ_8K)])
def test_other_rates_are_refused(source: Hz, target: Hz) -> None:
    """The design is proven for three rates; the message names them."""
    with pytest.raises(LocalProtocolError, match=f"{source} to {target} Hz: only 8000, 16000, 24000 Hz are resampled"):
        Resampler(source, target)


def test_streams_do_not_disturb_each_other() -> None:
    """Two streams of one direction share taps and nothing else."""
    sound = pcm_of(noise(160))
    alone, left, right = (Resampler(HZ_8K, HZ_24K) for _ in range(3))
    expected = alone.push(sound) + alone.push(sound)
    first = left.push(sound)
    right.push(pcm_of(noise(77, 99)))
    assert first + left.push(sound) == expected
