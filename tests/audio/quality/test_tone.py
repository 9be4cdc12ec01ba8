"""Distortion is measured where there is a tone, and nowhere else."""

import numpy as np
import pytest

from opusagent.audio.quality.levels import SLIVERS_PER_FRAME, sliver_powers
from opusagent.audio.quality.tone import thd_percent
from opusagent.bench import quality, sounds
from opusagent.bench.sounds import Sound
from opusagent.units import HZ_8K


def distortion(sound: Sound) -> float | None:
    """Of a second of sound at 8 kHz."""
    second = sound[:HZ_8K].astype(np.float32)
    return thd_percent(second, sliver_powers(second, HZ_8K).reshape(-1, SLIVERS_PER_FRAME).mean(axis=1))


@pytest.mark.parametrize("percent", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("hertz", [60.0, 440.0, 1004.0, 1999.0])
def test_harmonics_are_measured_against_their_tone(hertz: float, percent: float) -> None:
    sound = sounds.tone(1.0, hertz) + percent / 100 * sounds.tone(1.0, 2 * hertz)
    assert distortion(sound * 0.3) == pytest.approx(percent if hertz < 1999 else 0.0, abs=0.05)


def test_noise_is_not_distortion() -> None:
    sound = sounds.at_level(sounds.tone(1.0), -20) + sounds.at_level(sounds.white(1.0), -50)
    assert distortion(sound) == pytest.approx(0, abs=quality.MOST_THD_ERROR)


@pytest.mark.parametrize(
    "sound",
    [
        sounds.white(1.0),
        sounds.keys(1.0),
        sounds.tone(1.0, 350) + sounds.tone(1.0, 440),
        sounds.tone(1.0) * np.linspace(0.5, 1.0, HZ_8K),
        np.concatenate((sounds.tone(0.5, 400), sounds.tone(0.5, 500))),
        sounds.tone(1.0) * 1e-3,
        np.sign(sounds.tone(1.0, 440.0)),
        np.zeros(HZ_8K),
        sounds.demo().sound[HZ_8K : 2 * HZ_8K],
    ],
    ids=["noise", "keys", "two tones", "a swelling one", "one that moves", "a faint one", "a square", "none", "speech"],
)
def test_without_one_stable_tone_there_is_no_distortion_to_measure(sound: Sound) -> None:
    assert distortion(sound * 0.3) is None
