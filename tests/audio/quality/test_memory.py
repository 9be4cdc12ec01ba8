"""What the analysis of one call holds between two looks: the part of a second that is not complete, and no more."""

import tracemalloc
from collections.abc import Callable

import numpy as np

from opusagent.audio.quality.echo import EchoMeter
from opusagent.audio.quality.monitor import AudioQualityMonitor
from opusagent.units import HZ_24K

NOISE = np.random.default_rng(1).integers(-9000, 9000, HZ_24K // 50).astype(np.int16)


def held(push: Callable[[], object], pieces: int) -> int:
    """Bytes that are held after so many pieces of 20 ms beyond what was held after two seconds of them."""
    for _ in range(100):
        push()
    tracemalloc.start()
    for _ in range(pieces):
        push()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found


def test_the_monitor_holds_no_second_that_it_has_listened_to() -> None:
    monitor = AudioQualityMonitor(HZ_24K)
    assert held(lambda: monitor.analyze_audio_chunk(NOISE.copy()), 51) < 2 * NOISE.nbytes + 12_000


def test_the_echo_meter_holds_no_second_that_it_has_looked_at() -> None:
    """What it looks at is at 2 kHz: 4096 and 2048 numbers, and a spectrum in place of the one before."""
    meter = EchoMeter(HZ_24K)
    assert held(lambda: meter.push(NOISE.copy(), NOISE.copy()), 51) < 4 * NOISE.nbytes + 8 * (4096 + 2048) + 12_000
