"""For all probabilities: events alternate, and are those of a naive reading of the rule."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent, SpeechStarted, SpeechStopped
from opusagent.units import Ms

PROBABILITIES = st.lists(st.sampled_from((0.0, 0.3, 0.4, 0.5, 1.0)), max_size=60)
COUNTS = st.integers(1, 4)


def naively(probabilities: list[float], start: int, stop: int) -> list[SpeechEvent]:
    """Look for the next stretch of enough chunks that agree, again and again. 0.35 is 0.5 less the release."""
    events: list[SpeechEvent] = []
    after = 0
    while True:
        speaking = len(events) % 2 == 1
        votes = [(value >= (0.35 if speaking else 0.5)) != speaking for value in probabilities]
        needed = stop if speaking else start
        ends = [end for end in range(after + needed, len(votes) + 1) if all(votes[end - needed : end])]
        if not ends:
            return events
        after = ends[0]
        at = Ms(32 * (after - needed))
        events.append(SpeechStopped(at) if speaking else SpeechStarted(at))


@given(PROBABILITIES, COUNTS, COUNTS)
def test_events_are_those_of_the_rule(probabilities: list[float], start: int, stop: int) -> None:
    hysteresis = Hysteresis(start_frames=start, stop_frames=stop)
    events = [hysteresis.push(value, Ms(32 * index)) for index, value in enumerate(probabilities)]
    assert [event for event in events if event] == naively(probabilities, start, stop)


@given(PROBABILITIES, COUNTS, COUNTS)
def test_every_start_is_stopped_by_the_end_of_the_stream(probabilities: list[float], start: int, stop: int) -> None:
    hysteresis = Hysteresis(start_frames=start, stop_frames=stop)
    events = [hysteresis.push(value, Ms(32 * index)) for index, value in enumerate(probabilities)]
    events.append(hysteresis.close(Ms(32 * len(probabilities))))
    found = [event for event in events if event]
    assert [type(event) for event in found] == [SpeechStarted, SpeechStopped] * (len(found) // 2)
    assert [event.at for event in found] == sorted(event.at for event in found)
