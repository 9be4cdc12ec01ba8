"""The demo's words are speech as a telephone carries it."""

from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.pcm import samples_of
from opusagent.demo.speech import CALLERS, UTTERANCES, WORDS, load
from opusagent.units import HZ_8K, ms_of_samples


def levels(name: str) -> list[float]:
    """The level of each 20 ms frame, in dB below full scale."""
    samples = samples_of(mulaw_decode(load(name))).astype(np.float64).reshape(-1, 160)
    found: list[float] = (10 * np.log10(np.square(samples / 32768).mean(axis=1) + 1e-10)).tolist()
    return found


def test_every_recording_beside_the_notice_has_a_name_and_is_named_in_the_notice() -> None:
    folder = resources.files("opusagent.demo") / "speech"
    notice = (folder / "NOTICE").read_text().splitlines()
    recordings = {file.name for file in folder.iterdir() if file.name.endswith(".wav")}
    assert recordings == {f"{name}.wav" for name in UTTERANCES}
    assert {
        line.partition(".wav")[0]: line.partition(".wav")[2].strip() for line in notice if ".wav  " in line[:30]
    } == WORDS


def test_an_unknown_name_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        load("lunch")


@pytest.mark.parametrize("name", UTTERANCES)
def test_an_utterance_lasts_some_seconds_in_whole_frames(name: str) -> None:
    words = load(name)
    assert len(words) % 160 == 0
    assert 1000 <= ms_of_samples(len(words), HZ_8K) <= 8000


@pytest.mark.parametrize("name", UTTERANCES)
def test_speech_is_at_the_level_of_a_telephone_and_not_clipped(name: str) -> None:
    active = [level for level in levels(name) if level > -45]
    power = np.mean([10 ** (level / 10) for level in active])
    assert -25 <= 10 * np.log10(power) <= -21
    assert int(np.abs(samples_of(mulaw_decode(load(name)))).max()) < 32124  # the loudest code of G.711 mu-law


@pytest.mark.parametrize("name", CALLERS)
def test_no_pause_inside_an_utterance_is_long_enough_to_end_a_turn(name: str) -> None:
    """Turn detection waits half a second by default; a caller who pauses longer would be answered mid-sentence."""
    loud = [index for index, level in enumerate(levels(name)) if level > -46]
    pauses = [later - earlier - 1 for earlier, later in pairwise(loud)]
    assert max(pauses) * 20 <= 300


@pytest.mark.parametrize("name", UTTERANCES)
def test_the_words_begin_and_end_almost_at_once(name: str) -> None:
    """So that a latency measured from the end of the utterance is measured from the end of the speech."""
    loud = [index for index, level in enumerate(levels(name)) if level > -46]
    assert loud[0] <= 10
    assert len(levels(name)) - 1 - loud[-1] <= 10
