"""Voice activity detection reaches its bars; the command prints the same for more speech."""

import numpy as np
import pytest

from opusagent.bench import sounds, vad
from opusagent.bench.vad import Hearing, Mistakes
from opusagent.units import HZ_8K


@pytest.mark.parametrize("line", ["clean", "white 10 dB", "car -5 dB", "music 5 dB"])
def test_silero_meets_its_bars_on_the_demos_speech(line: str) -> None:
    speech = sounds.demo()
    [found] = vad.probabilities(vad.detectors()["silero"], [sounds.telephoned(vad.conditions(speech)[line])])
    assert vad.hearing_missed(line, vad.hearing(speech, found)) == []


def test_silero_takes_nothing_else_for_speech() -> None:
    streams = [sounds.telephoned(sounds.at_level(sound, -30)) for sound in vad.non_speech(5.0).values()]
    found = vad.probabilities(vad.detectors()["silero"], streams)
    assert max(vad.mistakes(each).share for each in found) <= vad.MOST_FALSE


def test_energy_alone_suffices_on_a_clean_line() -> None:
    speech = sounds.demo()
    [found] = vad.probabilities(vad.detectors()["energy"], [sounds.telephoned(vad.conditions(speech)["clean"])])
    figures = vad.hearing(speech, found)
    assert figures.auc > 0.98
    assert figures.f1 > 0.9


def test_a_perfect_detector_has_perfect_figures() -> None:
    """And is known two chunks later: never below one chunk, because the second one must end."""
    speech = sounds.demo()
    chunks = len(speech.sound) // (HZ_8K * 32 // 1000)
    truth = vad.chunk_truth(speech, chunks)
    figures = vad.hearing(speech, truth.astype(np.float64))
    assert (figures.auc, figures.f1, figures.missed) == (1.0, 1.0, 0)
    assert 32 <= figures.onset_median <= figures.onset_p90 <= 96


def test_a_detector_that_says_speech_all_the_time_misses_every_onset_but_looks_fine_by_f1() -> None:
    speech = sounds.demo()
    figures = vad.hearing(speech, np.ones(1000))
    assert figures == Hearing(auc=0.5, f1=figures.f1, onset_median=np.inf, onset_p90=np.inf, missed=12)
    assert figures.f1 > 0.7


def test_mistakes_are_counted_by_chunk_and_by_start() -> None:
    """A minute is 1875 chunks."""
    found = np.zeros(1875)
    found[100:115] = 0.9
    found[200] = 0.9
    assert vad.mistakes(found) == Mistakes(share=16 / 1875, starts=1.0)


@pytest.mark.parametrize("line", ["clean", "white 10 dB", "car -5 dB"])
def test_a_missed_bar_is_named(line: str) -> None:
    bad = Hearing(auc=0.9, f1=1.0, onset_median=500, onset_p90=500, missed=0)
    assert vad.hearing_missed(line, bad)[0].startswith("AUC 0.900")


def test_cost_is_per_second_and_stream() -> None:
    assert 0 < vad.cost_ms(vad.detectors()["energy"], 2, seconds=0.5, rounds=2) < 100
