"""The network says what the reference implementation says."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.pcm import samples_of
from opusagent.audio.vad.detector import CHUNK_SAMPLES, Floats
from opusagent.audio.vad.silero import SpeechNet
from opusagent.audio.vad.weights import load_weights
from opusagent.demo.speech import load

CLOSE = 1e-4
SPOKEN = ("appointment", "opening_hours", "interruption", "goodbye")


def spoken(name: str) -> Floats:
    """The streams of REFERENCE, as chunks."""
    sound = np.repeat(samples_of(b"".join(mulaw_decode(load(words)) for words in SPOKEN)), 2)
    if name == "noisy":
        sound = sound + np.random.default_rng(16).integers(-1732, 1732, len(sound), np.int16, endpoint=True)
    whole = len(sound) // CHUNK_SAMPLES * CHUNK_SAMPLES
    return (sound[:whole].reshape(-1, CHUNK_SAMPLES) / np.float32(32768)).astype(np.float32)


def judged(streams: Floats) -> Floats:
    """(streams, chunks, 512) through one batch after the other, to (streams, chunks)."""
    net = SpeechNet()
    rows = np.zeros((len(streams), net.width), np.float32)
    return np.stack([net.step(streams[:, at], rows) for at in range(streams.shape[1])], axis=1)


def reference(name: str) -> list[float]:
    """What onnxruntime said; REFERENCE holds the command."""
    found: dict[str, list[float]] = json.loads((Path(__file__).parent / "reference.json").read_text())
    return found[name]


@pytest.mark.parametrize("name", ["speech", "noisy"])
def test_probabilities_equal_the_reference_implementations(name: str) -> None:
    assert judged(spoken(name)[None])[0].tolist() == pytest.approx(reference(name), abs=CLOSE)


def test_the_reference_tells_speech_from_its_absence() -> None:
    """A reference that is always sure would prove little."""
    assert min(reference("speech")) < 0.02
    assert max(reference("speech")) > 0.99


def test_streams_of_a_batch_are_judged_as_if_each_were_alone() -> None:
    both = np.stack((spoken("speech"), spoken("noisy")))
    assert judged(both).tolist() == [
        pytest.approx(reference("speech"), abs=CLOSE),
        pytest.approx(reference("noisy"), abs=CLOSE),
    ]


def test_chunks_passed_over_are_the_context_of_the_next_and_leave_the_memory_alone() -> None:
    net = SpeechNet()
    rows = np.ones((1, net.width), np.float32)
    chunk = np.linspace(-1, 1, CHUNK_SAMPLES, dtype=np.float32)[None]
    net.pass_over(chunk, rows)
    assert np.array_equal(rows[0, :256], np.ones(256))
    assert np.array_equal(rows[0, 256:], chunk[0, -64:])


def test_the_weights_are_loaded_once_and_shared() -> None:
    assert SpeechNet().weights is SpeechNet().weights is load_weights()


def test_the_weights_travel_with_their_licence() -> None:
    notice = (resources.files("opusagent.audio.vad") / "NOTICE").read_text()
    assert "Copyright (c) 2020-present Silero Team" in notice
    assert "Permission is hereby granted, free of charge" in notice
