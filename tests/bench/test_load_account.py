"""What counts as late, lost and doubled."""

import pytest

from opusagent.bench.load.account import Account, Downward, Upward

FRAME = 0.02


def sent(frames: int, marked: int) -> Upward:
    up = Upward()
    for frame in range(frames):
        up.send(frame * FRAME, marked=frame == marked)
    return up


def test_a_pair_is_as_late_as_its_second_frame() -> None:
    up = sent(2, marked=0)
    up.receive(0.021, 40.0, mark=3.75)
    up.settle()

    assert up.tally.latencies == pytest.approx([21.0])
    assert up.tally.lateness == pytest.approx([1.0])
    assert (up.tally.lost, up.tally.doubled, up.tally.lost_marks) == (0.0, 0.0, 0)


def test_what_never_comes_is_lost() -> None:
    up = sent(4, marked=3)
    up.receive(0.1, 40.0, mark=None)
    up.settle()

    assert (up.tally.lost, up.tally.doubled, up.tally.lost_marks) == (40.0, 0.0, 1)


def test_a_mark_that_comes_too_early_in_the_stream_tells_that_sound_before_it_is_lost() -> None:
    up = Upward()
    for frame in range(100):
        up.send(frame * FRAME, marked=frame in {10, 60})
    up.receive(2.0, 220.0, mark=200.0)
    up.receive(2.0, 980.0, mark=940.0)  # 40 ms early
    up.receive(2.0, 800.0, mark=None)  # and so much more at the end
    up.settle()

    assert (up.tally.lost, up.tally.doubled) == (40.0, 40.0)


def test_an_answer_that_comes_whole_and_in_time_is_neither_lost_nor_late() -> None:
    down = Downward()
    down.begin(1.0).sent = 200.0
    for number in range(10):
        down.receive(1.003, 20.0, mark=0.0 if not number else None)
    down.settle(5.0)

    assert down.tally.latencies == pytest.approx([3.0])
    assert down.tally.lateness == pytest.approx([3.0, *[0.0] * 9])
    assert (down.tally.lost, down.tally.doubled, down.stale) == (0.0, 0.0, 0.0)


def test_a_frame_that_comes_after_the_one_before_it_was_played_leaves_a_gap_of_that_length() -> None:
    down = Downward()
    down.begin(1.0).sent = 40.0
    down.receive(1.0, 20.0, mark=0.0)
    down.receive(1.05, 20.0, mark=None)

    assert down.tally.lateness == pytest.approx([0.0, 30.0])


def test_the_end_of_an_answer_that_never_comes_is_lost_but_not_if_it_was_still_to_be_played() -> None:
    late, early = Downward(), Downward()
    for down in (late, early):
        down.begin(1.0).sent = 1000.0
        down.receive(1.0, 300.0, mark=0.0)
    late.settle(10.0)
    early.settle(1.5)

    assert (late.tally.lost, early.tally.lost) == (700.0, 0.0)


def test_an_interruption_is_timed_to_the_platforms_being_told_and_what_comes_afterwards_is_stale() -> None:
    down = Downward()
    down.begin(1.0).sent = 1000.0
    down.receive(1.0, 300.0, mark=0.0)
    down.interrupt(1.2)
    down.clear(1.204)
    down.receive(1.21, 60.0, mark=None)
    down.settle(10.0)

    assert down.clears == pytest.approx([4.0])
    assert (down.stale, down.tally.lost, down.missing_clears) == (60.0, 0.0, 0)


def test_an_interruption_that_the_platform_is_never_told_of_is_counted() -> None:
    down = Account().down
    down.begin(1.0)
    down.receive(1.0, 300.0, mark=0.0)
    down.interrupt(1.2)
    down.settle(10.0)

    assert down.missing_clears == 1
