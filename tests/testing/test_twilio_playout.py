"""Twilio's play queue, on paper: when each byte is heard, what a clear takes back, when marks come back."""

import math

from opusagent.testing.play_queue import Cleared, Heard
from opusagent.testing.twilio_playout import ReachedMark, TwilioPlayout
from opusagent.units import LoopTime, Ms, Mulaw


def t(seconds: float) -> LoopTime:
    return LoopTime(seconds)


def sound(letter: str, ms: int) -> Mulaw:
    return Mulaw(letter.encode() * (8 * ms))


def test_pieces_are_played_one_behind_the_other() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 20), t(1.0))
    playout.play(sound("b", 20), t(1.0))
    assert playout.heard(t(1.0)) == ()
    assert playout.heard(t(1.03)) == (Heard(t(1.0), sound("a", 20)), Heard(t(1.02), sound("b", 10)))
    assert (playout.queued(t(1.03)), playout.queued(t(9.0))) == (Ms(10), Ms(0))


def test_a_piece_that_comes_late_leaves_a_gap() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 20), t(1.0))
    playout.play(sound("b", 20), t(1.5))
    assert playout.heard(t(2.0)) == (Heard(t(1.0), sound("a", 20)), Heard(t(1.5), sound("b", 20)))


def test_a_mark_is_reached_when_all_before_it_is_played_and_at_once_if_there_is_nothing() -> None:
    playout = TwilioPlayout()
    playout.mark("idle", t(1.0))
    playout.play(sound("a", 20), t(1.0))
    playout.mark("after", t(1.0))
    assert playout.next_echo() == 1.0
    assert list(playout.take_echoes(t(1.0))) == [ReachedMark("idle", t(1.0), t(1.0))]
    assert playout.next_echo() == 1.02
    assert list(playout.take_echoes(t(1.019))) == []
    assert list(playout.take_echoes(t(1.02))) == [ReachedMark("after", t(1.02), t(1.02))]
    assert playout.next_echo() == math.inf


def test_a_clear_cuts_in_the_middle_and_reaches_every_mark() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 20), t(1.0))
    playout.mark("a", t(1.0))
    playout.play(sound("b", 20), t(1.0))
    playout.mark("b", t(1.0))
    playout.play(sound("c", 20), t(1.0))
    playout.clear(t(1.025))
    assert playout.heard(t(9.0)) == (Heard(t(1.0), sound("a", 20)), Heard(t(1.02), sound("b", 5)))
    assert playout.cleared == [Cleared(t(1.025), Mulaw(sound("b", 15) + sound("c", 20)))]
    assert list(playout.take_echoes(t(1.025))) == [
        ReachedMark("a", t(1.02), t(1.02)),
        ReachedMark("b", t(1.025), t(1.025), by_clear=True),
    ]
    assert playout.queued(t(1.025)) == 0


def test_what_comes_after_a_clear_is_played_at_once() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 500), t(1.0))
    playout.clear(t(1.1))
    playout.play(sound("b", 20), t(1.1))
    assert playout.heard(t(2.0)) == (Heard(t(1.0), sound("a", 100)), Heard(t(1.1), sound("b", 20)))


def test_a_clear_of_nothing_takes_nothing_back() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 20), t(1.0))
    playout.clear(t(2.0))
    assert playout.cleared == []
    assert playout.heard_bytes(t(3.0)) == 160


def test_a_delayed_echo_holds_back_those_behind_it() -> None:
    playout = TwilioPlayout()
    playout.mark("slow", t(1.0), echo_delay=0.5)
    playout.mark("quick", t(1.1))
    assert list(playout.take_echoes(t(1.4))) == []
    assert list(playout.take_echoes(t(1.5))) == [
        ReachedMark("slow", t(1.0), t(1.5)),
        ReachedMark("quick", t(1.1), t(1.5)),
    ]


def test_the_moment_at_which_so_much_is_heard_is_known_in_advance() -> None:
    playout = TwilioPlayout()
    playout.play(sound("a", 20), t(1.0))
    playout.play(sound("b", 20), t(2.0))
    assert [playout.when_heard(count) for count in (0, 80, 160, 240, 320, 321)] == [0, 1.01, 1.02, 2.01, 2.02, math.inf]
