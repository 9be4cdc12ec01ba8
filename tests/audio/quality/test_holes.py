"""Holes are digital silence in the middle of sound."""

import numpy as np
import pytest

from opusagent.audio.quality.holes import LONGEST, HoleFinder
from opusagent.audio.quality.levels import Powers, power_of
from opusagent.units import Ms

LOUD, HISS = power_of(-25.0), power_of(-70.0)


def slivers(*stretches: tuple[float, int]) -> Powers:
    """Powers, each for so many milliseconds."""
    return np.concatenate([np.full(ms // 5, power) for power, ms in stretches])


def found(*stretches: tuple[float, int]) -> list[Ms]:
    return HoleFinder().push(slivers(*stretches))


def test_silence_between_two_sounds_is_a_hole_of_its_length() -> None:
    assert found((LOUD, 200), (0, 20), (LOUD, 200), (0, 60), (LOUD, 200)) == [20, 60]


def test_a_pause_with_a_hiss_is_none() -> None:
    assert found((LOUD, 200), (HISS, 60), (LOUD, 200)) == []


@pytest.mark.parametrize("fade", [(HISS, 20), (power_of(-50.0), 10)])
def test_a_voice_that_fades_into_silence_leaves_none(fade: tuple[float, int]) -> None:
    assert found((LOUD, 200), fade, (0, 60), (LOUD, 200)) == []
    assert found((LOUD, 200), (0, 60), fade, (LOUD, 200)) == []


def test_silence_before_and_after_everything_is_none() -> None:
    assert found((0, 100), (LOUD, 200), (0, 100)) == []


def test_five_milliseconds_are_too_short_and_more_than_the_longest_is_a_pause() -> None:
    assert found((LOUD, 200), (0, 5), (LOUD, 100), (0, LONGEST + 5), (LOUD, 100)) == []
    assert found((LOUD, 200), (0, LONGEST), (LOUD, 100)) == [LONGEST]


@pytest.mark.parametrize("cut", range(0, 700, 35))
def test_a_hole_is_found_once_wherever_the_audio_is_cut(cut: int) -> None:
    finder = HoleFinder()
    whole = slivers((LOUD, 300), (0, 100), (LOUD, 300))
    assert [*finder.push(whole[: cut // 5]), *finder.push(whole[cut // 5 :])] == [100]
