"""One leg under observation."""

from collections.abc import Iterator

import attrs
import numpy as np
import pytest

from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.alerts import Concern, QualityAlert
from opusagent.audio.quality.levels import Samples
from opusagent.audio.quality.metrics import QualityMetrics, QualityThresholds
from opusagent.audio.quality.monitor import AudioQualityMonitor
from opusagent.bench import sounds
from opusagent.bench.sounds import Sound
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, HZ_24K, Hz, Ms

FRAME = 160


def chunks(sound: Sound, length: int = FRAME) -> Iterator[Samples]:
    samples = samples_of(sounds.pcm(sound))
    return (samples[at : at + length] for at in range(0, len(samples), length))


def speech(noise_db: float) -> Sound:
    """Forty-four seconds of it, with noise at that level."""
    words = sounds.demo().sound
    return words + sounds.at_level(sounds.white(len(words) / HZ_8K), noise_db)


def heard(sound: Sound, length: int = FRAME) -> AudioQualityMonitor:
    monitor = AudioQualityMonitor(HZ_8K)
    for chunk in chunks(sound, length):
        monitor.analyze_audio_chunk(chunk)
    return monitor


def test_a_chunk_has_its_own_level_and_constant() -> None:
    samples = np.tile(np.array((3276, -1638), np.int16), 80)
    metrics = AudioQualityMonitor(HZ_8K).analyze_audio_chunk(samples)
    assert metrics.level_dbfs == pytest.approx(-22.5, abs=0.01)  # the alternating part: 2457 of 32768
    assert metrics.dc_offset == pytest.approx(0.025, abs=1e-4)


def test_before_the_first_second_nothing_bad_is_known() -> None:
    metrics = AudioQualityMonitor(HZ_8K).analyze_audio_chunk(np.zeros(FRAME, np.int16))
    assert metrics == QualityMetrics(
        snr_db=None, thd_percent=None, clipping_percent=0.0, level_dbfs=-100.0, dc_offset=0.0, quality_score=100.0
    )


def test_an_empty_chunk_is_silence() -> None:
    assert AudioQualityMonitor(HZ_8K).analyze_audio_chunk(np.zeros(0, np.int16)).level_dbfs == -100.0


def test_speech_on_a_good_line_is_good() -> None:
    summary = heard(speech(-65)).get_quality_summary()
    assert summary.snr_db == pytest.approx(42, abs=2)
    assert summary.level_dbfs == pytest.approx(-23, abs=1.5)
    assert (summary.clipping_percent, summary.holes, summary.gaps, summary.alerts) == (0.0, 0, 0, 0)
    assert summary.quality_score == 100.0


def test_speech_on_a_noisy_line_is_told_once() -> None:
    alerts: list[QualityAlert] = []
    monitor = AudioQualityMonitor(HZ_8K, on_alert=alerts.append)
    for chunk in chunks(speech(-33)):
        monitor.analyze_audio_chunk(chunk)
    assert [(alert.concern, alert.raised) for alert in alerts] == [(Concern.SNR, True), (Concern.SCORE, True)]
    assert monitor.get_quality_summary().alerts == 2


def test_the_summary_does_not_depend_on_the_chunks() -> None:
    sound = speech(-45)[: 12 * HZ_8K]
    assert heard(sound).get_quality_summary() == heard(sound, 999).get_quality_summary()
    assert heard(sound).get_quality_summary() == heard(sound, 30 * HZ_8K).get_quality_summary()


def test_clipping_is_a_share_of_all_samples() -> None:
    tone = sounds.tone(2.0, 440.0)
    limited = np.clip(tone, -0.9, 0.9) * 0.8
    found = heard(np.concatenate((limited, tone * 0.1))).get_quality_summary()
    assert found.clipping_percent == pytest.approx(50 * float(np.mean(np.abs(tone) > 0.9)), abs=0.01)


def test_distortion_is_the_worst_that_was_found() -> None:
    tone, second = sounds.tone(2.0, 440.0), sounds.tone(2.0, 880.0)
    found = heard(np.concatenate((tone + 0.05 * second, tone + 0.01 * second, sounds.white(2.0) / 5)) * 0.4)
    assert found.get_quality_summary().thd_percent == pytest.approx(5, abs=0.05)


def test_media_time_that_never_arrived_is_a_gap() -> None:
    monitor = AudioQualityMonitor(HZ_8K)
    frame = np.zeros(FRAME, np.int16)
    for at in (0, 20, 40, 100, 121, 140, 0, 20, *range(40, 1200, 20)):
        monitor.analyze_audio_chunk(frame, Ms(at))
    summary = monitor.get_quality_summary()
    assert (summary.gaps, summary.gaps_ms) == (1, 40)


def test_digital_silence_inside_a_word_is_a_hole() -> None:
    sound = sounds.tone(3.0, 300.0) * 0.2
    sound[HZ_8K : HZ_8K + 320] = 0
    summary = heard(sound).get_quality_summary()
    assert (summary.holes, summary.holes_ms) == (1, 40)
    assert summary.quality_score_worst < 100


def test_audio_without_any_energy_is_one_way_until_something_is_heard() -> None:
    alerts: list[QualityAlert] = []
    monitor = AudioQualityMonitor(HZ_8K, QualityThresholds(max_silent_ms=Ms(3000)), alerts.append)
    for chunk in chunks(np.concatenate((np.zeros(5 * HZ_8K), sounds.white(1.0) / 20))):
        monitor.analyze_audio_chunk(chunk)
    assert alerts == [
        QualityAlert(Concern.ONE_WAY, raised=True, value=4000, limit=3000, at=Ms(4000)),
        QualityAlert(Concern.ONE_WAY, raised=False, value=0, limit=3000, at=Ms(6000)),
    ]
    assert monitor.get_quality_summary().silent_longest == 5000


def test_without_a_whole_second_the_summary_knows_nothing() -> None:
    summary = AudioQualityMonitor(HZ_24K).get_quality_summary()
    known = {name: value for name, value in attrs.asdict(summary).items() if value}
    assert known == {"quality_score": 100.0, "quality_score_worst": 100.0}


@pytest.mark.parametrize("rate", [Hz(0), Hz(44100)])
def test_other_rates_are_refused(rate: Hz) -> None:
    with pytest.raises(LocalProtocolError):
        AudioQualityMonitor(rate)
