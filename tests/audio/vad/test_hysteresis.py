"""Turns out of probabilities."""

import pytest

from opusagent.audio.vad.detector import CHUNK
from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent, SpeechStarted, SpeechStopped
from opusagent.errors import LocalProtocolError
from opusagent.units import Ms


def heard(hysteresis: Hysteresis, *probabilities: float) -> list[tuple[int, SpeechEvent]]:
    """Every event, with the number of the chunk that decided it."""
    events = [hysteresis.push(each, Ms(index * CHUNK)) for index, each in enumerate(probabilities)]
    return [(index, event) for index, event in enumerate(events) if event is not None]


def test_two_chunks_start_and_three_stop_and_both_count_from_their_first() -> None:
    found = heard(Hysteresis(), 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1)
    assert found == [(2, SpeechStarted(Ms(32))), (6, SpeechStopped(Ms(128)))]


def test_a_single_chunk_of_speech_starts_nothing() -> None:
    assert heard(Hysteresis(), 0.9, 0.1, 0.9, 0.1, 0.9, 0.1) == []


def test_a_short_pause_stops_nothing() -> None:
    assert heard(Hysteresis(), 0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.9) == [(1, SpeechStarted(Ms(0)))]


def test_while_speech_lasts_the_bar_is_lower() -> None:
    assert heard(Hysteresis(threshold=0.5), 0.4, 0.4, 0.5, 0.5, 0.4, 0.4, 0.4) == [(3, SpeechStarted(Ms(64)))]


def test_a_low_threshold_still_has_something_below_it() -> None:
    found = heard(Hysteresis(threshold=0.05), 0.06, 0.06, 0.0, 0.0, 0.0)
    assert found == [(1, SpeechStarted(Ms(0))), (4, SpeechStopped(Ms(64)))]


def test_the_counts_can_be_chosen() -> None:
    found = heard(Hysteresis(start_frames=1, stop_frames=1), 0.9, 0.1, 0.9)
    assert found == [(0, SpeechStarted(Ms(0))), (1, SpeechStopped(Ms(32))), (2, SpeechStarted(Ms(64)))]


def test_speech_at_the_end_of_the_stream_stops_there() -> None:
    hysteresis = Hysteresis()
    heard(hysteresis, 0.9, 0.9, 0.9)
    assert hysteresis.close(Ms(96)) == SpeechStopped(Ms(96))
    assert hysteresis.close(Ms(96)) is None


def test_speech_that_was_about_to_stop_stops_where_it_was_about_to() -> None:
    hysteresis = Hysteresis()
    heard(hysteresis, 0.9, 0.9, 0.1)
    assert hysteresis.close(Ms(96)) == SpeechStopped(Ms(64))


def test_half_a_start_does_not_outlive_the_stream() -> None:
    hysteresis = Hysteresis()
    assert heard(hysteresis, 0.9) == []
    assert hysteresis.close(Ms(32)) is None
    assert hysteresis.push(0.9, Ms(500)) is None


def test_the_present_state_can_be_read() -> None:
    hysteresis = Hysteresis()
    heard(hysteresis, 0.1, 0.9, 0.9)
    assert (hysteresis.speaking, hysteresis.since) == (True, Ms(32))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_threshold_that_decides_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(LocalProtocolError, match="between 0 and 1"):
        Hysteresis(threshold=threshold)


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (2, 0)])
def test_counts_below_one_are_refused(start: int, stop: int) -> None:
    with pytest.raises(LocalProtocolError, match="at least 1"):
        Hysteresis(start_frames=start, stop_frames=stop)
