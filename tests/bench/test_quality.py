"""The estimators are as near to the truth as promised; the command prints the same for more cases."""

import pytest

from opusagent.bench import quality, sounds
from opusagent.bench.quality import Error, error_of


@pytest.mark.parametrize("snr", quality.SNRS_DB)
@pytest.mark.parametrize("noise", [sounds.white, sounds.car])
def test_the_ratio_of_speech_to_noise_is_within_its_bars(snr: int, noise: quality.Noise) -> None:
    error = quality.snr_error(sounds.demo(), noise, snr)
    assert abs(error.bias) <= quality.MOST_SNR_BIAS_DB
    assert error.spread <= quality.MOST_SNR_SPREAD_DB
    assert error.count > 30


@pytest.mark.parametrize("percent", quality.CLIPPED_PERCENT)
def test_clipping_is_within_its_bars(percent: float) -> None:
    speech = sounds.demo()
    assert abs(quality.clipping_error(speech, percent)) <= quality.MOST_CLIPPING_ERROR
    assert abs(quality.clipping_error(speech, percent, 1.0, companded=True)) <= quality.MOST_COMPANDED_ERROR


@pytest.mark.parametrize("hertz", quality.TONES_HZ)
@pytest.mark.parametrize("percent", quality.THD_PERCENT)
def test_distortion_is_within_its_bar(hertz: float, percent: float) -> None:
    assert quality.thd_estimate(hertz, percent, 35.0) == pytest.approx(percent, abs=quality.MOST_THD_ERROR)


@pytest.mark.parametrize(("delay", "loss"), [(60, 20.0), (600, 30.0)])
def test_an_echo_is_always_known_and_within_its_bar(delay: int, loss: float) -> None:
    paths = quality.echo_estimates(sounds.demo(), delay, loss)
    delays = [path.delay for path in paths if path]
    assert len(delays) == len(paths)
    assert delays == pytest.approx([delay] * len(paths), abs=quality.MOST_DELAY_ERROR_MS)


def test_while_both_talk_an_echo_is_known_or_not_but_never_wrong() -> None:
    paths = quality.echo_estimates(sounds.demo(), 150, 20.0, talking=True)
    assert {path.delay for path in paths if path} <= {149, 150, 151}


def test_an_error_is_a_bias_and_a_spread() -> None:
    assert error_of([9.0, 10.0, 14.0], 10.0) == Error(bias=1.0, spread=5.0, count=3)


def test_cost_is_per_second() -> None:
    monitor, meter = quality.cost_ms(seconds=2)
    assert 0 < monitor < 100
    assert 0 < meter < 100
