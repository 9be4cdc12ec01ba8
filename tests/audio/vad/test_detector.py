"""What holds for every detector."""

import numpy as np
import pytest

from opusagent.audio.vad.detector import CHUNK, CHUNK_SAMPLES, Detector, Floats, sigmoid
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.audio.vad.silero import SpeechNet
from opusagent.units import Ms

DETECTORS: list[Detector] = [SpeechNet(), EnergyDetector()]
STREAMS = 5


def sounds() -> Floats:
    """(chunks, streams, 512): silence, a faint noise, a loud one, one that comes and goes, full scale."""
    generator = np.random.default_rng(32)
    noise = generator.uniform(-1, 1, (40, STREAMS, CHUNK_SAMPLES)).astype(np.float32)
    noise *= np.array((0, 0.001, 0.1, 0.3, 1), np.float32)[:, None]
    noise[10:20, 3] = 0
    return noise


def judged(detector: Detector, chunks: Floats) -> Floats:
    rows = np.zeros((chunks.shape[1], detector.width), np.float32)
    return np.stack([detector.step(each, rows) for each in chunks])


def test_a_chunk_lasts_32_ms() -> None:
    assert Ms(32) == CHUNK


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: type(each).__name__)
def test_probabilities_are_between_zero_and_one(detector: Detector) -> None:
    found = judged(detector, sounds())
    assert found.shape == (40, STREAMS)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: type(each).__name__)
def test_a_stream_is_judged_the_same_in_any_company(detector: Detector) -> None:
    together = judged(detector, sounds())
    for stream in range(STREAMS):
        alone = judged(detector, sounds()[:, stream : stream + 1])[:, 0]
        assert together[:, stream].tolist() == pytest.approx(alone.tolist(), abs=1e-5)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: type(each).__name__)
def test_passing_over_keeps_a_row_usable(detector: Detector) -> None:
    rows = np.zeros((1, detector.width), np.float32)
    for chunk in np.zeros((20, 1, CHUNK_SAMPLES), np.float32):
        detector.pass_over(chunk, rows)
    assert detector.step(np.zeros((1, CHUNK_SAMPLES), np.float32), rows).tolist() == pytest.approx([0.0], abs=0.1)


def test_a_sigmoid_of_anything_is_a_probability() -> None:
    found = sigmoid(np.array((-np.inf, -1000, -1, 0, 1, 1000, np.inf), np.float32))
    assert found.tolist() == pytest.approx([0, 0, 0.2689414, 0.5, 0.7310586, 1, 1])
