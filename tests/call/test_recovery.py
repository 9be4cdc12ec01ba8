"""When another session is tried, and when no more."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from random import Random

import pytest

from opusagent.call.breaker import ASK_AGAIN, OPEN_SECONDS, PROBE_SECONDS, TRIPS, Breaker
from opusagent.call.reasons import End, EndReason
from opusagent.call.recovery import FIRST_WAIT, LONGEST_WAIT, RECOVERY_SECONDS, SOLID_SECONDS, Recovery
from opusagent.units import CallId, LoopTime

T0 = LoopTime(100.0)
LOST = End(EndReason.MODEL_LOST, "gone", 1011)
BUSY = End(EndReason.MODEL_UNREACHABLE, "503", 1011)


def waits(recovery: Recovery, dice: float) -> list[float]:
    """How long it waits before each try, if every try fails at once; until it gives up."""
    now, told = T0, list[float]()
    while not isinstance(due := recovery.on_lost(BUSY if told else LOST, dice, now), End):
        told.append(round(due - now, 3))
        now = due
    assert due.reason is EndReason.MODEL_LOST
    assert "model could not be reached: 503" in due.detail
    return told


def test_the_first_try_comes_at_once_and_the_others_at_growing_distances() -> None:
    assert waits(Recovery(), 0.5) == [FIRST_WAIT / 2, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 2.2]
    assert waits(Recovery(), 0.0)[:4] == [0.0, 0.125, 0.25, 0.5]
    assert max(waits(Recovery(60.0), 0.999)) < LONGEST_WAIT * 1.5
    assert round(sum(waits(Recovery(), 0.7)), 2) == RECOVERY_SECONDS


def test_what_no_other_session_would_mend_is_given_up_at_once() -> None:
    end = End(EndReason.MODEL_REFUSED, "invalid_api_key", 1011)
    assert Recovery().on_lost(end, 0.0, T0) == end


def test_a_service_that_says_when_it_may_be_tried_again_is_not_tried_before() -> None:
    """The usual wait comes on top, with its jitter; a time that is too late is no time."""
    recovery = Recovery()
    recovery.on_lost(LOST, 0.0, T0)
    busy = End(EndReason.MODEL_UNREACHABLE, "429", 1011, retry_after=5.0)
    assert recovery.on_lost(busy, 0.5, T0) == T0 + 5.25
    assert recovery.on_lost(busy, 0.5, LoopTime(T0 + 6.9)) == T0 + RECOVERY_SECONDS
    assert isinstance(recovery.on_lost(busy, 0.5, LoopTime(T0 + 7.1)), End)


def test_a_session_that_is_lost_again_soon_was_no_replacement() -> None:
    """One that lasted was, and the next loss has its own time."""
    recovery, now = Recovery(), T0
    for _ in range(2):
        assert not isinstance(recovery.on_lost(LOST, 0.0, now), End)
        recovery.on_seated(now)
        now = LoopTime(now + SOLID_SECONDS - 0.1)
    recovery.on_seated(now)
    assert recovery.tries == 2
    later = LoopTime(now + 1000)
    assert recovery.on_lost(LOST, 0.0, later) == later
    assert recovery.tries == 1


def test_a_session_that_relieved_one_which_had_worked_is_replaced_like_any_other() -> None:
    """A loss of an hour ago is another recovery's, however soon after the change the new session is lost."""
    recovery, changed = Recovery(), LoopTime(T0 + 3000)
    recovery.on_lost(LOST, 0.0, T0)
    recovery.on_seated(T0)
    recovery.on_seated(changed)
    soon = LoopTime(changed + SOLID_SECONDS / 2)
    assert recovery.on_lost(LOST, 0.0, soon) == soon
    assert recovery.tries == 1


def opened() -> Breaker:
    """One that the failures of T0 have opened."""
    breaker = Breaker()
    for _ in range(TRIPS):
        breaker.on_failure(T0)
    return breaker


OPENS = LoopTime(T0 + OPEN_SECONDS)
"""When it lets one call try."""

ONE, OTHER = CallId("one"), CallId("other")


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    breaker = Breaker()
    for _ in range(TRIPS - 1):
        breaker.on_failure(T0)
    assert breaker.admits_at(ONE, T0) == T0
    breaker.on_failure(T0)
    assert (breaker.is_closed, breaker.admits_at(ONE, T0)) == (False, OPENS)
    assert breaker.admits_at(ONE, OPENS) == OPENS
    assert breaker.admits_at(OTHER, OPENS) == OPENS + ASK_AGAIN
    breaker.on_answer()
    assert (breaker.is_closed, breaker.admits_at(OTHER, OPENS)) == (True, OPENS)


def test_a_call_that_tries_for_all_and_takes_too_long_is_relieved() -> None:
    breaker, later = opened(), LoopTime(OPENS + PROBE_SECONDS)
    breaker.admits_at(ONE, OPENS)
    assert breaker.admits_at(OTHER, LoopTime(later - 0.1)) > later
    assert breaker.admits_at(OTHER, later) == later


def test_whoever_hangs_up_while_their_call_tries_for_all_holds_up_nobody() -> None:
    """Only that call's end is news."""
    breaker, later = opened(), LoopTime(OPENS + 0.1)
    breaker.admits_at(ONE, OPENS)
    breaker.on_over(OTHER)
    assert breaker.admits_at(OTHER, later) == later + ASK_AGAIN
    breaker.on_over(ONE)
    assert breaker.admits_at(OTHER, later) == later


def test_every_try_that_fails_opens_it_again() -> None:
    breaker, now, waits = Breaker(), T0, list[float]()
    for _ in range(TRIPS + 2):
        breaker.on_failure(now)
        waits.append(breaker.admits_at(ONE, now) - now)
        now = breaker.admits_at(ONE, now)
    assert waits == [0.0] * (TRIPS - 1) + [OPEN_SECONDS] * 3


def test_tries_that_fail_while_it_is_open_keep_it_open_for_no_longer() -> None:
    """Many calls lose their model in one moment, and new ones come: that is one outage."""
    breaker = Breaker()
    for number in range(100):
        breaker.on_failure(LoopTime(T0 + number / 1000))
    opens = breaker.admits_at(ONE, LoopTime(T0 + 1))
    assert opens <= T0 + OPEN_SECONDS + 0.1
    assert breaker.admits_at(ONE, opens) == opens


def play_out(breaker: Breaker, lives: Sequence[Recovery], dues: Sequence[LoopTime], over: float) -> tuple[int, int]:
    """Each call tries when it is due, in an outage that is over then: how many are served, and by how many dials."""
    dice = Random(5)  # noqa: S311 (the same each time)
    agenda = [(due, number) for number, due in enumerate(dues)]
    heapify(agenda)
    served = dials = 0
    while agenda:
        due, number = heappop(agenda)
        admitted = breaker.admits_at(CallId(str(number)), due)
        if admitted > due:
            again = lives[number].deferred(LoopTime(admitted + dice.random() * 0.2), BUSY)
        elif due >= over:
            breaker.on_answer()
            served += 1
            continue
        else:
            dials += 1
            breaker.on_failure(due)
            again = lives[number].on_lost(BUSY, dice.random(), due)
        if not isinstance(again, End):
            heappush(agenda, (again, number))
    return served, dials


def outage(calls: int, seconds: float) -> tuple[int, int]:
    """So many calls lose their model together, and nobody is there for so long: how many survive, by how many dials."""
    lives = [Recovery() for _ in range(calls)]
    dues = [life.on_lost(LOST, number / calls, T0) for number, life in enumerate(lives)]
    return play_out(Breaker(), lives, [due for due in dues if not isinstance(due, End)], T0 + seconds)


@pytest.mark.parametrize("seconds", [0.05, 1, 3, 5, 8, 10])
@pytest.mark.parametrize("calls", [1, 10, 200])
def test_every_call_survives_an_outage_that_ends_in_time_and_does_not_storm(calls: int, seconds: float) -> None:
    survivors, dials = outage(calls, seconds)
    assert survivors == calls
    assert dials <= calls + TRIPS + 10


def crowd(a_second: int, seconds: int) -> tuple[int, int]:
    """So many new calls come every second of an outage and of two more: how many are served, and by how many dials."""
    came = [LoopTime(T0 + number / a_second) for number in range(a_second * (seconds + 2))]
    lives = [Recovery() for _ in came]
    for life, at in zip(lives, came, strict=True):
        life.on_barred(BUSY, at)
    return play_out(opened(), lives, came, T0 + seconds)


def test_thousands_of_calls_that_come_in_an_outage_do_not_storm_and_are_served_if_it_ends_in_time() -> None:
    assert crowd(300, 8) == (3000, 3)
    served, dials = crowd(300, 30)
    assert dials == 14
    assert served >= 300 * (RECOVERY_SECONDS - OPEN_SECONDS - 0.2), "those who have waited for less than their patience"
