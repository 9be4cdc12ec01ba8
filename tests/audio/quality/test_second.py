"""A second and its figures."""

import numpy as np
import pytest

from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.second import Second, SecondListener
from opusagent.bench import sounds
from opusagent.units import HZ_8K, Ms


def listened(sound: sounds.Sound, gap: int = 0) -> Second:
    return SecondListener(HZ_8K).listen(samples_of(sounds.pcm(sound)), Ms(gap))


def test_silence_is_silent_and_a_click_does_not_change_that() -> None:
    quiet = np.zeros(HZ_8K)
    quiet[4000] = 1.0
    assert listened(quiet).silent
    assert not listened(sounds.white(1.0) * 0.01).silent


def test_a_constant_is_neither_sound_nor_distortion() -> None:
    second = listened(np.full(HZ_8K, 0.25))
    assert second == Second(silent=True, dc_offset=0.25)


def test_a_tone_on_a_constant_is_measured_without_it() -> None:
    second = listened(sounds.tone(1.0) * 0.3 + 0.2)
    assert second.thd_percent == pytest.approx(0, abs=0.05)
    assert second.dc_offset == pytest.approx(0.2, abs=1e-3)


def test_what_is_missing_before_a_second_counts_against_it() -> None:
    assert listened(sounds.white(1.0) * 0.1, gap=250).score < listened(sounds.white(1.0) * 0.1).score == 100.0
