"""The bars of the resampler, and that the measurements would notice a bad one."""

import itertools
import math

import attrs
import numpy as np
import pytest

from opusagent.audio.pcm import samples_of
from opusagent.bench.figures import (
    BAND,
    CUTS,
    DIRECTIONS,
    PEAK,
    Figures,
    delay_ms,
    hear,
    held_ms,
    measure,
    noise,
    tone_at,
)
from opusagent.bench.rivals import ratecv
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz

GOOD = Figures(
    HZ_8K, HZ_24K, delay_ms=4.0, spread_ms=0.0, thdn_db=-90.0, rejection_db=85.0, ripple_db=0.3, same_bits=True
)


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_every_direction_meets_every_bar(source: Hz, target: Hz) -> None:
    """Delay, constancy, distortion, rejection, passband and the same bits for every cut."""
    assert measure(source, target).missed() == []


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_the_delay_is_the_same_at_every_frequency(source: Hz, target: Hz) -> None:
    """In the middle and at the edge of the band as at 200 Hz: no phase distortion. A tone tells it up to its period."""
    low = delay_ms(source, target, CUTS[0])
    for hertz in (1000, round(BAND * min(source, target) / 2)):
        period = 1000 / hertz
        off = (delay_ms(source, target, CUTS[0], hertz) - low) % period
        assert min(off, period - off) < 0.001


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (GOOD, []),
        (attrs.evolve(GOOD, delay_ms=4.001), ["8000 to 24000 Hz: delay 4.001 ms, at most 4.0"]),
        (attrs.evolve(GOOD, spread_ms=0.02), ["8000 to 24000 Hz: delay moves by 0.020 ms, at most 0.01"]),
        (attrs.evolve(GOOD, thdn_db=-89.9), ["8000 to 24000 Hz: THD+N -89.9 dB, at most -90.0"]),
        (attrs.evolve(GOOD, rejection_db=84.9), ["8000 to 24000 Hz: rejection 84.9 dB, at least 85.0"]),
        (attrs.evolve(GOOD, ripple_db=0.31), ["8000 to 24000 Hz: ripple 0.31 dB, at most 0.3"]),
        (attrs.evolve(GOOD, same_bits=False), ["8000 to 24000 Hz: other bits when the input is cut in another way"]),
    ],
)
def test_each_bar_is_said_when_it_is_missed(figures: Figures, said: list[str]) -> None:
    """On the bar is met, past it is missed, in words with the figure and the bar."""
    assert figures.missed() == said


def test_the_tone_is_exact() -> None:
    """The peak that it says, and a whole number of periods."""
    tone = samples_of(tone_at(HZ_8K, 1000)).tolist()
    assert tone[:8] == [0, 22627, 32000, 22627, 0, -22627, -32000, -22627]
    assert len(tone) == 2000


def test_noise_is_loud_and_always_the_same() -> None:
    """Down to the limit that it is given, up to it, and repeatable."""
    loud = samples_of(noise(HZ_8K, 5)).tolist()
    assert (min(loud), max(loud)) == (-5, 5)
    assert noise(HZ_8K) == noise(HZ_8K)


def test_a_tone_that_passes_is_heard_at_its_level_with_rounding_noise_only() -> None:
    """The rest is that of two roundings, -98 dB each against a full-scale tone."""
    heard = hear(HZ_8K, HZ_24K, 440)
    assert abs(heard.gain_db) < 0.001
    assert -100 < heard.rest_db < -94


def test_identity_leaves_the_input_s_own_rounding() -> None:
    """The measurement's floor: 98.1 dB below full scale is what 16 bits have; the peak is 0.2 dB lower."""
    heard = hear(HZ_16K, HZ_16K, 1115)
    assert heard.rest_db == pytest.approx(20 * math.log10(math.sqrt(2 / 12) / PEAK), abs=0.3)


def test_nothing_is_held_back_and_a_hoarder_is_found_out() -> None:
    """What a stream converter keeps inside is measured in milliseconds of its input."""
    ahead = bytearray()

    def two_blocks_late(pcm: bytes) -> bytes:
        ahead.extend(pcm)
        due = bytes(ahead[: max(0, len(ahead) - 640)])
        del ahead[: len(due)]
        return due

    assert held_ms(two_blocks_late, HZ_8K, HZ_8K) == pytest.approx(40)
    assert held_ms(ratecv(HZ_8K, HZ_24K), HZ_8K, HZ_24K) < 0.2


def test_cuts_end() -> None:
    """Every way of cutting gives pieces with samples in them before long."""
    for cut in CUTS:
        assert sum(itertools.islice(cut(HZ_24K), 50)) >= 50


def test_lines_instead_of_a_filter_would_be_noticed() -> None:
    """`audioop.ratecv` lets a 10 kHz tone through to 8 kHz at full strength: what the rejection bar keeps out."""
    folded = samples_of(ratecv(HZ_24K, HZ_8K)(tone_at(HZ_24K, 10_000))).astype(np.float64)
    assert math.sqrt(float(folded @ folded) / len(folded)) > 0.9 * PEAK / math.sqrt(2)
