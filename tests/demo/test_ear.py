"""Whether somebody heard what was said, whole, cut or not at all."""

import numpy as np
import pytest

from opusagent.audio.g711 import mulaw_encode
from opusagent.audio.pcm import pcm_of
from opusagent.demo.ear import heard_to_its_end, likeness, presence


def noise(ms: int, seed: int) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 2000, ms * 8)
    return mulaw_encode(pcm_of(samples.astype(np.int16)))


SAID = noise(3000, seed=1)
OTHER = noise(2000, seed=2)


def test_what_was_said_is_found_among_other_things() -> None:
    assert presence(SAID, OTHER + SAID + OTHER) == pytest.approx(1.0)
    assert heard_to_its_end(SAID, OTHER + SAID + OTHER) == pytest.approx(1.0)
    assert likeness(SAID, OTHER + SAID + OTHER) < 0.8


def test_what_was_not_said_is_not_found() -> None:
    assert presence(SAID, OTHER) < 0.2
    assert presence(SAID, b"") == 0.0
    assert presence(SAID, b"\xff" * 40_000) == 0.0


@pytest.mark.parametrize("missing", [100, 500, 2900])
def test_an_end_that_is_missing_is_noticed(missing: int) -> None:
    """A tenth of a second is enough, although the rest is as it should be."""
    assert heard_to_its_end(SAID, SAID[: -missing * 8]) < 0.9


def test_a_beginning_that_is_missing_is_noticed() -> None:
    assert heard_to_its_end(SAID, SAID[1000 * 8 :]) < 0.9
