"""Thresholds make sense, and the score orders legs as people would."""

import math

import pytest

from opusagent.audio.quality.metrics import QualityThresholds, quality_score
from opusagent.errors import LocalProtocolError


def test_the_defaults() -> None:
    limits = QualityThresholds()
    assert (limits.min_snr_db, limits.max_thd_percent) == (20.0, 1.0)
    assert (limits.max_clipping_percent, limits.min_quality_score, limits.max_silent_ms) == (0.1, 60.0, 10_000)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_limits_that_are_no_limits_are_refused(value: float) -> None:
    with pytest.raises(LocalProtocolError, match="not negative"):
        QualityThresholds(min_snr_db=value)


def test_a_leg_of_which_nothing_bad_is_known_has_a_hundred() -> None:
    good = quality_score(snr_db=40, clipping_percent=0, thd_percent=0.5, lost_percent=0, speech_dbfs=-23)
    assert quality_score() == good == 100.0


def test_every_impairment_alone_takes_away_and_more_of_it_takes_more() -> None:
    assert quality_score(snr_db=5) < quality_score(snr_db=15) < quality_score(snr_db=25) < 100
    assert quality_score(clipping_percent=3) < quality_score(clipping_percent=0.5) < 100
    assert quality_score(thd_percent=10) < quality_score(thd_percent=3) < 100
    assert quality_score(lost_percent=10) < quality_score(lost_percent=2) < 100
    assert quality_score(speech_dbfs=-50) < quality_score(speech_dbfs=-40) < 100
    assert quality_score(speech_dbfs=-6) < 100


def test_impairments_multiply() -> None:
    noisy, lossy = quality_score(snr_db=10), quality_score(lost_percent=5)
    assert quality_score(snr_db=10, lost_percent=5) == pytest.approx(noisy * lossy / 100)


def test_the_worst_leg_is_still_a_score() -> None:
    worst = quality_score(snr_db=-9, clipping_percent=99, thd_percent=99, lost_percent=100, speech_dbfs=-99)
    assert 0 <= worst < 1
