"""A line measured beside its call: nothing is missing, nothing is told twice, and the words for it."""

import numpy as np

from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.audio.quality.alerts import Concern, QualityAlert
from opusagent.audio.quality.echo import EchoPath
from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.call.quality import LineMonitor, LineQuality, Witnesses, alert_in_words, quality_in_words, runs
from opusagent.units import HZ_8K, LoopTime, Ms, Pcm16

OPENED = LoopTime(100.0)
FRAME = Pcm16(bytes(320))


def voice(seconds: int, seed: int) -> Pcm16:
    """Something with syllables: noise that swells and fades."""
    count = np.arange(8000 * seconds)
    swell = np.maximum(0.0, np.sin(2 * np.pi * 2.3 * count / 8000 + seed))
    noise = np.random.default_rng(seed).normal(size=len(count))
    return pcm_of((4000 * swell * noise).clip(-30_000, 30_000).astype(np.int16))


def new_monitor(alerts: list[QualityAlert], echoes: list[EchoPath]) -> LineMonitor:
    return LineMonitor(HZ_8K, OPENED, QualityThresholds(max_silent_ms=Ms(2000)), alerts.append, echoes.append)


def test_an_echo_is_told_once_with_its_true_delay_and_loss() -> None:
    """The model's voice comes back 180 ms after the caller heard it, 20 dB weaker; frames come and go as in a call."""
    alerts: list[QualityAlert] = []
    echoes: list[EchoPath] = []
    monitor, model = new_monitor(alerts, echoes), voice(10, 1)
    returned = pcm_of((samples_of(Pcm16(bytes(2880) + model)) // 10).astype(np.int16))
    for number in range(500):
        now = LoopTime(OPENED + 0.02 * (number + 1))
        if number % 5 == 0:
            monitor.play(Pcm16(model[320 * number : 320 * (number + 5)]), LoopTime(OPENED + 0.02 * number))
        monitor.hear(Pcm16(returned[320 * number : 320 * (number + 1)]), Ms(20 * number), now)
        if number % 50 == 49:
            monitor.measure(now)
    assert len(echoes) == 1
    echo = monitor.summary().echo
    assert echo is not None
    assert abs(echo.delay - 180) <= 2
    assert abs(echo.return_loss_db - 20) <= 2


def test_what_the_caller_did_not_hear_is_not_looked_for() -> None:
    """A barge-in takes back what was sent: it cannot come back as an echo."""
    echoes: list[EchoPath] = []
    monitor, model = new_monitor([], echoes), voice(10, 1)
    for second in range(10):
        begun = LoopTime(OPENED + second)
        monitor.play(Pcm16(model[16_000 * second : 16_000 * (second + 1)]), begun)
        monitor.cut(begun)
        monitor.hear(Pcm16(model[16_000 * second : 16_000 * (second + 1)]), Ms(1000 * second), LoopTime(begun + 1))
        monitor.measure(LoopTime(begun + 1))
    assert echoes == []


def test_a_silent_caller_is_told_when_it_begins_and_when_it_ends() -> None:
    """One-way audio: once raised, once over, and counted."""
    alerts: list[QualityAlert] = []
    monitor = new_monitor(alerts, [])
    for second in range(9):
        sound = voice(1, second) if second > 5 else Pcm16(bytes(16_000))
        monitor.hear(sound, Ms(1000 * second), LoopTime(OPENED + second + 1))
        monitor.measure(LoopTime(OPENED + second + 1))
    told = [(alert.concern, alert.raised) for alert in alerts if alert.concern is Concern.ONE_WAY]
    assert told == [(Concern.ONE_WAY, True), (Concern.ONE_WAY, False)]
    summary = monitor.summary()
    assert summary.raised["one_way"] == 1
    assert summary.caller.silent_longest == 6000


def test_a_gap_in_media_time_is_a_gap_and_not_a_silence() -> None:
    monitor = new_monitor([], [])
    for number in range(150):
        if not 60 <= number < 70:
            monitor.hear(FRAME, Ms(20 * number), LoopTime(OPENED + 0.02 * number))
    monitor.measure(LoopTime(OPENED + 3))
    summary = monitor.summary().caller
    assert (summary.audio, summary.gaps, summary.gaps_ms) == (2800, 1, 200)


def test_runs_join_what_goes_on_and_nothing_else() -> None:
    """Rounded media time goes on; a jump, either way, and audio without a time beside audio with one do not."""
    times = [0, 21, 39, 200, 220, 100, None, None, 120]
    pieces = [(FRAME, None if each is None else Ms(each), OPENED) for each in times]
    joined = [(len(pcm) // 320, at) for pcm, at, _ in runs(pieces, HZ_8K)]
    assert joined == [(3, 0), (2, 200), (1, 100), (2, None), (1, 120)]
    assert list(runs([], HZ_8K)) == []


def test_without_media_time_the_clock_tells_what_goes_on() -> None:
    """Uneven arrival goes on, a pause does not; a run is dated as if it had come as evenly as it was said."""
    arrivals = [0.02, 0.045, 0.06, 0.061, 0.3, 0.32]
    pieces = [(FRAME, None, LoopTime(OPENED + each)) for each in arrivals]
    joined = [(len(pcm) // 320, round(then - OPENED, 3)) for pcm, _, then in runs(pieces, HZ_8K)]
    assert joined == [(4, 0.08), (2, 0.32)]


def test_everyone_hears_the_same() -> None:
    each = new_monitor([], []), new_monitor([], [])
    both = Witnesses(each)
    both.hear(voice(1, 3), None, LoopTime(OPENED + 1))
    both.play(voice(1, 4), OPENED)
    both.cut(LoopTime(OPENED + 0.5))
    for monitor in each:
        monitor.measure(LoopTime(OPENED + 1))
    assert each[0].summary() == each[1].summary()
    assert each[0].summary().caller.audio == 1000


def test_alerts_have_words_for_both_directions() -> None:
    """Every concern has both, with the figures in it."""
    for concern in Concern:
        bad = alert_in_words(QualityAlert(concern, raised=True, value=12.0, limit=20.0, at=Ms(0)))
        good = alert_in_words(QualityAlert(concern, raised=False, value=25.0, limit=20.0, at=Ms(0)))
        assert "12" in bad
        assert good not in bad


def test_a_page_says_what_is_not_available() -> None:
    monitor = new_monitor([], [])
    monitor.hear(Pcm16(bytes(16_000)), Ms(0), LoopTime(OPENED + 1))
    monitor.measure(LoopTime(OPENED + 1))
    sound, missing = quality_in_words(monitor.summary())
    assert sound == (
        "100 of 100 (worst 100), SNR not available (worst not available), THD not available, clipping 0.00 %, "
        "speech at not available, DC 0.0 %"
    )
    assert missing == "0 holes (0 ms), 0 gaps (0 ms), longest silence 1000 ms, no echo, alerts: none"
    assert quality_in_words(None) == ("not measured",)


def test_a_page_says_one_way_audio_and_echo() -> None:
    monitor = new_monitor([], [])
    quality = LineQuality(monitor.summary().caller, EchoPath(Ms(140), 18.2), {"one_way": 2, "snr": 1})
    assert quality_in_words(quality)[1] == (
        "0 holes (0 ms), 0 gaps (0 ms), longest silence 0 ms (one-way audio), echo 18 dB weaker after 140 ms, "
        "alerts: one_way 2, snr 1"
    )
