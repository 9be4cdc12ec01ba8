"""The ratio of speech to noise is that of speech to noise, and unknown where either was not heard."""

import math

import numpy as np
import pytest

from opusagent.audio.quality.levels import Powers, power_of
from opusagent.audio.quality.snr import MOST_SNR_DB, SpeechLevels, SpeechTracker


def talk(speech_db: float, noise_db: float, seconds: int = 10) -> Powers:
    """Frames of 20 ms: 0.4 s of speech at a constant level, 0.6 s of pause, noise that varies a little throughout."""
    speech = np.tile(np.repeat((power_of(speech_db), 0.0), (20, 30)), seconds)
    return speech + power_of(noise_db) * np.random.default_rng(2).normal(1, 0.1, len(speech))


@pytest.mark.parametrize("snr", [5, 10, 20, 40])
def test_levels_of_speech_and_noise_are_found(snr: int) -> None:
    levels = SpeechTracker().push(talk(-23, -23 - snr))
    assert levels is not None
    assert (levels.speech, levels.noise) == pytest.approx((-23, -23 - snr), abs=1)


def test_digital_silence_in_the_pauses_is_the_most_that_is_told_apart() -> None:
    speech = np.tile(np.repeat((power_of(-23.0), 0.0), (20, 30)), 5)
    levels = SpeechTracker().push(speech)
    assert levels is not None
    assert levels.snr_db == MOST_SNR_DB


def test_nothing_is_known_in_the_first_two_seconds() -> None:
    tracker = SpeechTracker()
    assert tracker.push(talk(-23, -50, seconds=1)) is None
    assert tracker.push(talk(-23, -50, seconds=1)) is not None


@pytest.mark.parametrize("level", [-90.0, -60.0, -20.0])
def test_steady_sound_is_no_speech(level: float) -> None:
    assert SpeechTracker().push(power_of(level) * np.random.default_rng(3).normal(1, 0.1, 500)) is None


def test_silence_is_no_speech() -> None:
    assert SpeechTracker().push(np.zeros(500)) is None


def test_what_was_heard_more_than_ten_seconds_ago_is_forgotten() -> None:
    tracker = SpeechTracker()
    tracker.push(talk(-23, -60))
    levels = tracker.push(talk(-23, -33))
    assert levels is not None
    assert levels.snr_db == pytest.approx(10, abs=1)


def test_bursts_between_silences_leave_a_finite_noise() -> None:
    """The mean of the frames near the smoothed minimum may lie far below it; there are still frames near it then."""
    powers = np.tile(np.repeat((1e-8, 0.3, 0.0, 1e-9), (1, 1, 7, 3)), 40)
    levels = SpeechTracker().push(powers)
    assert levels is None or (math.isfinite(levels.speech) and math.isfinite(levels.noise))


def test_a_dip_in_the_noise_is_not_the_noise() -> None:
    powers = talk(-23, -43)
    powers[-15:-5] /= 10
    levels = SpeechTracker().push(powers)
    assert levels is not None
    assert levels.snr_db == pytest.approx(20, abs=1)


def test_a_ratio_is_a_difference_of_levels() -> None:
    assert SpeechLevels(speech=-20.0, noise=-45.5).snr_db == 25.5
