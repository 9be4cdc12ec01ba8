"""Places: never more than there are, given back once, and every refusal counted by its reason."""

from opusagent.daemon.admission import COMPLAINT_SECONDS, MOST_SOURCES, Admission, Complaints, Refusal, Rules, Slot
from opusagent.units import LoopTime

NOW = LoopTime(100.0)
HERE, THERE = "192.0.2.1", "192.0.2.2"


def counted(admission: Admission) -> dict[Refusal, int]:
    return {reason: count for reason, count in admission.refusals().items() if count}


def asked(admission: Admission, rules: Rules, source: str = HERE, now: float = NOW) -> Refusal | None:
    """What a call is told."""
    answer = admission.reserve(source, rules, LoopTime(now))
    return None if isinstance(answer, Slot) else answer


def test_there_are_exactly_as_many_places_as_the_rules_say() -> None:
    admission = Admission()
    told = [asked(admission, Rules(3)) for _ in range(5)]
    assert told == [None, None, None, Refusal.FULL, Refusal.FULL]
    assert (admission.taken, counted(admission)) == (3, {Refusal.FULL: 2})


def test_a_place_that_is_given_back_twice_is_one_place() -> None:
    admission, rules = Admission(), Rules(2)
    slot = admission.reserve(HERE, rules, NOW)
    assert isinstance(slot, Slot)
    assert asked(admission, rules) is None
    admission.release(slot)
    admission.release(slot)
    assert [asked(admission, rules) for _ in range(2)] == [None, Refusal.FULL]


def test_one_address_leaves_places_for_others() -> None:
    admission, rules = Admission(), Rules(10, calls_per_source=1)
    slot = admission.reserve(HERE, rules, NOW)
    assert isinstance(slot, Slot)
    assert [asked(admission, rules, source) for source in (HERE, THERE)] == [Refusal.SOURCE_FULL, None]
    admission.release(slot)
    assert asked(admission, rules) is None


def test_calls_begin_no_faster_than_the_rate_after_a_second_of_it_at_once() -> None:
    admission, rules = Admission(), Rules(100, calls_per_second=2)
    told = [asked(admission, rules, now=NOW + later) for later in (0, 0, 0, 0.4, 0.5, 0.6)]
    assert told == [None, None, Refusal.TOO_FAST, Refusal.TOO_FAST, None, Refusal.TOO_FAST]


def test_a_rate_below_one_is_one_call_in_so_many_seconds() -> None:
    admission, rules = Admission(), Rules(100, calls_per_second=0.1)
    told = [asked(admission, rules, now=NOW + later) for later in (0, 9, 10)]
    assert told == [None, Refusal.TOO_FAST, None]


def test_one_address_that_is_too_fast_slows_nobody_else() -> None:
    admission, rules = Admission(), Rules(100, calls_per_second_per_source=1)
    told = [asked(admission, rules, source) for source in (HERE, HERE, THERE)]
    assert told == [None, Refusal.SOURCE_TOO_FAST, None]


def test_addresses_are_remembered_up_to_a_bound_and_forgotten_when_they_were_slow() -> None:
    admission, rules = Admission(), Rules(MOST_SOURCES + 9, calls_per_second_per_source=1)
    assert {asked(admission, rules, f"2001:db8::{each:x}") for each in range(MOST_SOURCES)} == {None}
    assert asked(admission, rules, "2001:db8:1::1") is Refusal.SOURCE_TOO_FAST
    assert asked(admission, rules, "2001:db8:1::1", now=NOW + 1) is None


def test_a_refusal_costs_nobody_a_place_or_a_turn() -> None:
    admission, rules = Admission(), Rules(1, calls_per_second=1)
    slot = admission.reserve(HERE, rules, NOW)
    assert isinstance(slot, Slot)
    assert asked(admission, rules, now=NOW + 1) is Refusal.FULL
    admission.release(slot)
    assert asked(admission, rules, now=NOW + 1) is None


def test_a_flood_of_refusals_is_a_line_of_the_log_in_ten_seconds_for_each_reason() -> None:
    complaints = Complaints()
    assert [complaints.due(Refusal.FORGED, NOW) for _ in range(3)] == [1, 0, 0]
    assert complaints.due(Refusal.UNSIGNED, NOW) == 1
    assert complaints.due(Refusal.FORGED, LoopTime(NOW + COMPLAINT_SECONDS)) == 3
