"""One alert per change of state."""

import pytest

from opusagent.audio.quality.alerts import Concern, QualityAlert, Watch
from opusagent.units import Ms


def told(watch: Watch, *values: float | None) -> list[QualityAlert]:
    alerts = [watch.push(value, Ms(1000 * second)) for second, value in enumerate(values)]
    return [alert for alert in alerts if alert]


def test_two_bad_seconds_raise_and_three_good_ones_clear() -> None:
    watch = Watch(Concern.SNR, 20.0, at_least=True)
    assert told(watch, 25, 10, 11, 12, 25, 26, 27, 28) == [
        QualityAlert(Concern.SNR, raised=True, value=11, limit=20.0, at=Ms(2000)),
        QualityAlert(Concern.SNR, raised=False, value=27, limit=20.0, at=Ms(6000)),
    ]


def test_one_bad_second_is_nothing() -> None:
    assert told(Watch(Concern.CLIPPING, 0.1, at_least=False), 5, 0, 5, 0, 5, 0) == []


def test_a_figure_that_trembles_about_its_limit_is_told_once() -> None:
    watch = Watch(Concern.SNR, 20.0, at_least=True)
    assert len(told(watch, *[19.9, 19.8, 20.1, 20.2, 20.3, 20.4, 19.9, 19.8] * 5)) == 1


def test_what_is_not_available_changes_nothing() -> None:
    watch = Watch(Concern.THD, 1.0, at_least=False)
    assert len(told(watch, 5, None, None, 5, None, None, None, None)) == 1
    assert watch.raised


@pytest.mark.parametrize(("at_least", "bad", "good"), [(True, 19.9, 22.0), (False, 20.1, 18.0)])
def test_the_limit_itself_is_not_bad_and_good_is_a_tenth_better(*, at_least: bool, bad: float, good: float) -> None:
    watch = Watch(Concern.SCORE, 20.0, at_least=at_least)
    assert told(watch, 20.0, 20.0, 20.0) == []
    assert [alert.raised for alert in told(watch, bad, bad, 20.0, 20.0, 20.0, good, good, good)] == [True, False]


def test_how_many_seconds_must_agree_can_be_chosen() -> None:
    watch = Watch(Concern.ONE_WAY, 10.0, at_least=False, raise_after=1, clear_after=1)
    assert [alert.raised for alert in told(watch, 11, 12, 0, 0)] == [True, False]
