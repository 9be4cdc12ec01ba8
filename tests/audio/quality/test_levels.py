"""Levels are relative to a square wave at full scale."""

import numpy as np
import pytest

from opusagent.audio.quality.levels import dbfs, power_of, sliver_powers
from opusagent.bench import sounds
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz


def test_a_full_scale_sine_is_three_db_below() -> None:
    assert dbfs(float(np.mean(np.square(sounds.tone(1.0))))) == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("db", [-90.0, -23.0, 0.0])
def test_levels_and_powers_are_each_others_inverse(db: float) -> None:
    assert dbfs(power_of(db)) == pytest.approx(db)


def test_nothing_is_below_the_floor() -> None:
    assert [dbfs(power) for power in (0.0, 1e-30, -1e-9)] == [-100.0, -100.0, -100.0]


@pytest.mark.parametrize("rate", [HZ_8K, HZ_16K, HZ_24K])
def test_a_second_has_two_hundred_slivers_at_every_rate(rate: Hz) -> None:
    second = np.repeat((np.arange(200) / 200).astype(np.float32), rate // 200)
    assert sliver_powers(second, rate).tolist() == pytest.approx(np.square(np.arange(200) / 200).tolist())
