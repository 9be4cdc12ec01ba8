"""Without weights: what rises above the recent minimum."""

import numpy as np

from opusagent.audio.vad.detector import CHUNK_SAMPLES, Floats
from opusagent.audio.vad.energy import EnergyDetector, levels_dbfs


def at_levels(*levels: float) -> Floats:
    """Chunks of one stream, each at its level in dBFS."""
    signs = np.tile(np.array((1, -1), np.float32), CHUNK_SAMPLES // 2)
    return np.stack([signs * np.float32(10 ** (level / 20)) for level in levels])[:, None]


def decided(*levels: float) -> list[bool]:
    detector = EnergyDetector()
    row = np.zeros((1, detector.width), np.float32)
    return [bool(detector.step(chunk, row)[0] >= 0.5) for chunk in at_levels(*levels)]


def test_levels_are_measured_in_db_below_full_scale() -> None:
    assert [round(float(levels_dbfs(chunk)[0]), 3) for chunk in at_levels(0, -6, -60)] == [0.0, -6.0, -60.0]


def test_speech_is_what_rises_six_db_above_the_floor() -> None:
    assert decided(-40, -35, -33, -40) == [False, False, True, False]


def test_nothing_below_minus_fifty_is_speech() -> None:
    assert decided(-90, -51, -49) == [False, False, True]


def test_what_stays_for_two_seconds_becomes_the_floor() -> None:
    """Six whole windows of eight chunks and the one that is filling: 1.5 s to 1.8 s."""
    found = decided(*[-60] * 10, *[-30] * 60)
    assert found[:10] == [False] * 10
    assert found[10:55] == [True] * 45
    assert not any(found[66:])


def test_the_floor_falls_at_once() -> None:
    assert decided(-20, -50, -40) == [False, False, True]


def test_quiet_that_was_passed_over_counts_for_the_floor() -> None:
    detector = EnergyDetector()
    row = np.zeros((1, detector.width), np.float32)
    loud, quiet = at_levels(-30, -70)
    detector.step(loud, row)
    detector.pass_over(quiet, row)
    assert float(detector.step(loud, row)[0]) > 0.99
