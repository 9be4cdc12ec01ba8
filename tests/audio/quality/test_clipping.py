"""Flat tops are recognised, and nothing that is merely loud, steady or quantised."""

import numpy as np
import pytest

from opusagent.audio.g711 import alaw_decode, alaw_encode, mulaw_decode, mulaw_encode
from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.clipping import clipped
from opusagent.audio.quality.levels import Samples
from opusagent.bench import sounds
from opusagent.bench.quality import clipping_error

TONES = (50.0, 60.0, 97.0, 350.0, 400.0, 440.0, 500.0, 800.0, 1000.0, 1004.0, 2000.0)


def noise_clipped_at(level: float, gain: float = 1.0) -> tuple[Samples, int]:
    """A second of band-limited noise at -13 dB, clipped at `level`, then made quieter; and how many it hit."""
    sound = sounds.at_level(sounds.band_limited(sounds.white(1.0)), -13)
    count = int(np.count_nonzero(np.abs(sound) >= level))
    return samples_of(sounds.pcm(np.clip(sound, -level, level) * gain)), count


@pytest.mark.parametrize("gain", [1.0, 0.7, 0.3])
@pytest.mark.parametrize("level", [0.3, 0.4, 0.5])
def test_every_clipped_sample_is_counted_whatever_happened_to_the_level_since(level: float, gain: float) -> None:
    samples, count = noise_clipped_at(level, gain)
    assert count > 20
    assert clipped(samples) == pytest.approx(count, abs=2)


def test_sound_that_was_not_clipped_has_none() -> None:
    samples, count = noise_clipped_at(1.0)
    assert (clipped(samples), count) == (0, 0)


@pytest.mark.parametrize("hertz", TONES)
@pytest.mark.parametrize("peak", [0.05, 0.3, 0.999])
def test_a_tone_is_not_clipped_in_any_encoding(hertz: float, peak: float) -> None:
    """The crowd at a sine's peak is natural, and so is what a codec makes of it."""
    pcm = sounds.pcm(sounds.tone(1.0, hertz) * peak)
    encodings = pcm, mulaw_decode(mulaw_encode(pcm)), alaw_decode(alaw_encode(pcm))
    assert [clipped(samples_of(each)) for each in encodings] == [0, 0, 0]


def test_a_tone_that_was_clipped_is() -> None:
    sound = np.clip(sounds.tone(1.0, 440.0), -0.9, 0.9)
    assert clipped(samples_of(sounds.pcm(sound))) == np.count_nonzero(np.abs(sound) == 0.9)


def test_one_side_is_enough() -> None:
    sound = np.minimum(sounds.at_level(sounds.band_limited(sounds.white(1.0)), -13), 0.4)
    assert clipped(samples_of(sounds.pcm(sound))) == np.count_nonzero(sound == 0.4)


def test_clipping_at_full_scale_shows_through_mu_law() -> None:
    sound = sounds.at_level(sounds.band_limited(sounds.white(1.0)), -6)
    samples = samples_of(mulaw_decode(mulaw_encode(sounds.pcm(sound))))
    assert clipped(samples) == pytest.approx(np.count_nonzero(np.abs(sound) >= 1), rel=0.05)


@pytest.mark.parametrize("percent", [0.5, 1.0, 2.0, 5.0])
def test_clipping_below_full_scale_shows_through_mu_law(percent: float) -> None:
    """Over all places of a codec's step the estimate is true within 0.05 points."""
    step = [
        clipping_error(sounds.demo(), percent, level / 32_768, companded=True) for level in range(19_388, 20_348, 128)
    ]
    assert abs(np.mean(step)) <= 0.05


def test_where_within_a_step_of_mu_law_a_sound_was_cut_cannot_be_known() -> None:
    """Its codes are the same: half a dB further up a fifth of the samples is not clipped any more."""
    sound = sounds.at_level(sounds.band_limited(sounds.white(1.0)), -13)
    lower, upper = 19_330 / 32_768, 20_340 / 32_768
    cut = [mulaw_encode(sounds.pcm(np.clip(sound, -limit, limit))) for limit in (lower, upper)]
    assert cut[0] == cut[1]
    assert np.count_nonzero(np.abs(sound) >= upper) < 0.8 * np.count_nonzero(np.abs(sound) >= lower)


@pytest.mark.parametrize("value", [0, 5, 999, 20000, -32768])
def test_a_constant_is_not_clipped(value: int) -> None:
    assert clipped(np.full(8000, value, np.int16)) == 0


def test_a_faint_hiss_is_not_clipped() -> None:
    """Its tops are flat because it is made of three values."""
    assert clipped(np.random.default_rng(1).integers(-1, 1, 8000, np.int16, endpoint=True)) == 0


def test_a_square_wave_is_nothing_but_flat_tops() -> None:
    assert clipped(np.tile(np.repeat(np.array((9000, -9000), np.int16), 20), 200)) == 8000


def test_nothing_is_not_clipped() -> None:
    assert clipped(np.zeros(0, np.int16)) == 0


def test_what_lies_far_below_a_flat_top_does_not_count_against_it() -> None:
    """Between the square and the faint tone there is nothing, and the tone is no part of the square's crowd."""
    faint = (30 * np.sin(np.arange(160))).astype(np.int16)
    square = np.tile(np.repeat(np.array((1000, -1000), np.int16), 20), 96)
    sound = np.concatenate((np.zeros(4000, np.int16), faint, square))
    assert clipped(sound) == pytest.approx(len(square), abs=len(faint))
