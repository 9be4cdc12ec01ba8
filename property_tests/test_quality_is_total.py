"""For all audio, however it comes: quality is measured, every figure is in its range, and cuts change nothing."""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.quality.levels import Samples
from opusagent.audio.quality.metrics import QualityMetrics, QualitySummary
from opusagent.audio.quality.monitor import AudioQualityMonitor
from opusagent.units import HZ_8K

KINDS = ("silence", "constant", "tone", "square", "noise", "speckle")


def stretch(kind: str, peak: int, length: int, seed: int) -> Samples:
    """One kind of sound at `peak`."""
    generator = np.random.default_rng(seed)
    places = np.arange(length)
    match kind:
        case "silence":
            sound = np.zeros(length)
        case "constant":
            sound = np.full(length, float(peak))
        case "tone":
            sound = peak * np.sin(places * generator.uniform(0.01, 3))
        case "square":
            sound = np.where(places % 40 < 20, peak, -peak).astype(np.float64)
        case "noise":
            sound = generator.uniform(-peak, peak, length)
        case _:
            sound = np.where(generator.random(length) < 0.01, float(peak), 0.0)
    return sound.astype(np.int16)


STRETCHES = st.builds(
    stretch,
    st.sampled_from(KINDS),
    st.sampled_from((1, 30, 1000, 9000, 32767)),
    st.sampled_from((0, 1, 160, 4000, 8000, 24000)),
    st.integers(0, 99),
)


def in_range(metrics: QualityMetrics) -> bool:
    return (
        (metrics.snr_db is None or math.isfinite(metrics.snr_db))
        and (metrics.thd_percent is None or 0 <= metrics.thd_percent < 40)
        and 0 <= metrics.clipping_percent <= 100
        and -100 <= metrics.level_dbfs <= 0
        and -1 <= metrics.dc_offset <= 1
        and 0 <= metrics.quality_score <= 100
    )


def summed_up(pieces: Sequence[Samples]) -> QualitySummary:
    monitor = AudioQualityMonitor(HZ_8K)
    for piece in pieces:
        monitor.analyze_audio_chunk(piece)
    return monitor.get_quality_summary()


@given(st.lists(STRETCHES, max_size=8))
def test_every_figure_of_every_sound_is_in_its_range(sounds: list[Samples]) -> None:
    monitor = AudioQualityMonitor(HZ_8K)
    assert all(in_range(monitor.analyze_audio_chunk(sound)) for sound in sounds)


@given(st.lists(STRETCHES, max_size=8), st.integers(1, 9000))
def test_the_summary_depends_on_the_samples_alone(sounds: list[Samples], size: int) -> None:
    whole: Samples = np.concatenate([np.zeros(0, np.int16), *sounds])
    step = max(size, len(whole) // 200 + 1)
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert summed_up(pieces) == summed_up([whole]) == summed_up(sounds)
