"""How long no sound may come from the caller's platform, and what is done about it then."""

from opusagent.call.one_way import Doubt, OneWay
from opusagent.units import LoopTime

T0 = LoopTime(100.0)


def at(seconds: float) -> LoopTime:
    return LoopTime(T0 + seconds)


def begun() -> OneWay:
    line = OneWay(10.0)
    line.begin(T0)
    return line


def test_nothing_is_due_before_the_call_begins() -> None:
    assert OneWay().deadline is None
    assert OneWay().observe(T0, at(100)) is None


def test_a_line_that_stays_silent_is_doubted_twice() -> None:
    line = begun()
    line.on_sound(at(1))
    assert (line.deadline, line.observe(T0, at(10.9))) == (at(11), None)
    assert (line.observe(T0, at(11)), line.deadline) == (Doubt.ASK, at(21))
    assert line.observe(T0, at(21)) is Doubt.GIVE_UP


def test_sound_takes_all_doubts_away() -> None:
    line = begun()
    assert line.observe(T0, at(10)) is Doubt.ASK
    line.on_sound(at(12))
    assert (line.observe(T0, at(20)), line.deadline) == (None, at(22))
    assert line.observe(T0, at(22)) is Doubt.ASK


def test_before_the_first_sound_a_caller_may_be_listening() -> None:
    """Later on, too, they may; but a stream that is open carries sound then."""
    line = begun()
    assert (line.observe(at(15), at(10)), line.deadline) == (None, at(20))
    assert (line.observe(at(15), at(20)), line.deadline) == (None, at(25))
    line.on_sound(at(21))
    assert line.observe(at(60), at(31)) is Doubt.ASK


def test_a_stream_that_is_closed_owes_nothing() -> None:
    line = begun()
    line.on_stream(is_open=False, now=at(1))
    assert (line.deadline, line.observe(T0, at(100))) == (None, None)
    line.on_stream(is_open=True, now=at(100))
    assert line.deadline == at(110)


def test_a_line_that_comes_back_begins_anew() -> None:
    line = begun()
    line.on_stream(is_open=False, now=at(1))
    line.begin(at(5))
    assert line.deadline == at(15)
