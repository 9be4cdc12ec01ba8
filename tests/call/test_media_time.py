"""When something was said, from the media time that a stream counts."""

from opusagent.call.media_time import MediaTime
from opusagent.units import LoopTime, Ms


def told(gap: float) -> MediaTime:
    """One second of 20 ms frames, then nothing for `gap`, then another second; it began at 100 s."""
    time = MediaTime()
    for frame in range(50):
        time.mark(Ms(20 * frame), LoopTime(100 + 0.02 * frame))
    for frame in range(50, 100):
        time.mark(Ms(20 * frame), LoopTime(100 + 0.02 * frame + gap))
    return time


def test_a_steady_stream_has_one_offset() -> None:
    assert told(0.0).call_time(Ms(1500)) == LoopTime(101.5)


def test_what_is_said_behind_a_gap_is_later_by_the_gap() -> None:
    """A platform that sends nothing for ten seconds stops media time and no clock."""
    time = told(10.0)
    assert (time.call_time(Ms(500)), time.call_time(Ms(1500))) == (LoopTime(100.5), LoopTime(111.5))


def test_uneven_arrival_is_no_gap() -> None:
    time = told(0.06)
    assert time.call_time(Ms(1500)) == LoopTime(101.5)


def test_before_there_was_sound_there_is_no_time() -> None:
    assert MediaTime().call_time(Ms(0)) is None
