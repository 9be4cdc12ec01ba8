"""The response gate: who may ask for a response, when a wish counts as granted, and that none waits for ever."""

import attrs

from opusagent.call.gate import ANSWER_PATIENCE, PATIENCE, ResponseGate
from opusagent.realtime.events import ResponseCreate, ResponseOptions
from opusagent.units import LoopTime, ResponseId

PLAIN = ResponseCreate()
GREETING = ResponseCreate(response=ResponseOptions(instructions="Say hello."))
FAREWELL = ResponseCreate(response=ResponseOptions(instructions="Say goodbye."))
NOW = LoopTime(50.0)
R1, R2 = ResponseId("r1"), ResponseId("r2")


def asked(wish: ResponseCreate, number: int) -> list[ResponseCreate]:
    """`wish` as it is sent for the `number`-th time."""
    return [attrs.evolve(wish, event_id=f"ask-{number}")]


def later(seconds: float) -> LoopTime:
    return LoopTime(NOW + seconds)


def test_a_wish_is_sent_at_once_while_nothing_is_active() -> None:
    gate = ResponseGate()
    assert gate.ask(PLAIN, NOW) == asked(PLAIN, 1)
    assert (gate.is_busy, gate.is_free) == (True, False)


def test_a_wish_waits_for_the_end_of_the_active_response() -> None:
    """`conversation_already_has_active_response` is never provoked."""
    gate = ResponseGate()
    gate.on_created(R1)
    assert gate.ask(FAREWELL, NOW) == []
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 1)


def test_what_was_asked_for_counts_as_active() -> None:
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    assert gate.ask(FAREWELL, NOW) == []
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 2)


def test_the_end_of_another_response_grants_nothing() -> None:
    """An end that comes late, or twice, is not that of the active one."""
    gate = ResponseGate()
    gate.on_created(R2)
    gate.ask(PLAIN, NOW)
    assert gate.on_done(R1, NOW) == []
    assert gate.active == R2


def test_words_of_our_own_are_not_replaced_by_a_plain_wish() -> None:
    gate = ResponseGate()
    gate.on_created(R1)
    gate.ask(FAREWELL, NOW)
    gate.ask(PLAIN, NOW)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 1)


def test_later_words_replace_earlier_ones() -> None:
    gate = ResponseGate()
    gate.on_created(R1)
    gate.ask(GREETING, NOW)
    gate.ask(FAREWELL, NOW)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 1)


def test_a_response_that_sees_everything_grants_a_plain_wish() -> None:
    """The service answered the caller by itself, after it had confirmed what we told it: no second answer."""
    gate = ResponseGate()
    gate.on_created(R1)
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    gate.confirm()
    gate.on_created(R2)
    assert gate.on_done(R2, NOW) == []
    assert gate.is_free


def test_a_response_that_began_before_the_service_knew_grants_nothing() -> None:
    """A key that is pressed while an answer is asked for is not in that answer."""
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    gate.on_created(R1)
    gate.confirm()
    assert gate.on_done(R1, NOW) == asked(PLAIN, 2)


def test_what_is_confirmed_unasked_is_not_counted() -> None:
    gate = ResponseGate()
    gate.confirm()
    gate.tell(1)
    gate.on_created(R1)
    gate.ask(PLAIN, NOW)
    gate.on_created(R2)
    assert gate.on_done(R2, NOW) == asked(PLAIN, 1)


def test_a_refused_wish_waits_for_the_response_that_was_in_its_way() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.on_refused("ask-1", NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(GREETING, 2)


def test_a_refusal_without_an_id_is_taken_for_the_last_request() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.on_refused(None, NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(GREETING, 2)


def test_a_refusal_that_comes_behind_the_response_in_its_way_is_recognised() -> None:
    """The service's own response began while the request was on its way: `created`, then the refusal."""
    gate = ResponseGate()
    gate.ask(FAREWELL, NOW)
    gate.on_created(R1)
    gate.on_refused("ask-1", NOW)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 2)


def test_a_refused_plain_wish_that_the_other_response_granted_is_not_repeated() -> None:
    """The service's own answer saw all that ours would have seen."""
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.on_created(R1)
    gate.on_refused("ask-1", NOW)
    assert gate.on_done(R1, NOW) == []


def test_a_refused_plain_wish_for_what_the_other_response_did_not_see_is_repeated() -> None:
    gate = ResponseGate()
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    gate.on_created(R1)
    gate.confirm()
    gate.on_refused("ask-1", NOW)
    assert gate.on_done(R1, NOW) == asked(PLAIN, 2)


def test_a_refusal_of_words_behind_two_responses_is_recognised() -> None:
    """The service made two of its own before it came to ours."""
    gate = ResponseGate()
    gate.ask(FAREWELL, NOW)
    gate.on_created(R1)
    gate.on_done(R1, NOW)
    gate.on_created(R2)
    gate.on_refused("ask-1", NOW)
    assert gate.on_done(R2, NOW) == asked(FAREWELL, 2)


def test_a_refused_plain_wish_does_not_replace_words() -> None:
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.ask(FAREWELL, NOW)
    gate.on_refused("ask-1", NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 2)


def test_refused_words_replace_a_plain_wish() -> None:
    gate = ResponseGate()
    gate.tell(1)
    gate.ask(FAREWELL, NOW)
    gate.ask(PLAIN, NOW)
    gate.on_refused("ask-1", NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 2)


def test_a_refusal_of_something_else_changes_nothing() -> None:
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.on_refused("cfg-1", NOW)
    assert gate.is_busy
    assert gate.on_rejected("cfg-1", NOW) == []
    assert gate.on_rejected(None, NOW) == []
    assert gate.is_busy


def test_a_request_that_is_rejected_is_not_repeated_and_bars_no_other() -> None:
    """The service refused it for what it is: the next in turn is asked for."""
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    assert gate.on_rejected("ask-1", NOW) == asked(PLAIN, 2)


# -- the caller speaks -----------------------------------------------------------------------------------------------


def test_nothing_is_asked_for_while_the_caller_speaks() -> None:
    gate = ResponseGate()
    gate.hold()
    assert gate.ask(PLAIN, NOW) == []
    assert gate.is_held


def test_the_services_own_answer_grants_what_waited_for_the_caller() -> None:
    gate = ResponseGate()
    gate.hold()
    gate.ask(PLAIN, NOW)
    gate.expect(NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == []
    assert gate.is_free
    assert not gate.is_held


def test_words_that_waited_for_the_caller_follow_the_services_answer() -> None:
    gate = ResponseGate()
    gate.hold()
    gate.ask(FAREWELL, NOW)
    gate.expect(NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(FAREWELL, 1)


def test_a_turn_that_the_service_leaves_unanswered_is_asked_for() -> None:
    """It should have answered; silence is the worse of two wrongs."""
    gate = ResponseGate()
    gate.hold()
    gate.expect(NOW)
    assert gate.deadline == later(ANSWER_PATIENCE)
    assert gate.on_time(later(ANSWER_PATIENCE)) == asked(PLAIN, 1)
    assert not gate.is_held


def test_where_turns_are_ours_an_unanswered_one_frees_who_waits_and_no_more() -> None:
    gate = ResponseGate(answers_turns=False)
    gate.hold()
    gate.expect(NOW)
    assert gate.on_time(later(ANSWER_PATIENCE)) == []
    assert (gate.is_held, gate.is_free, gate.deadline) == (False, True, None)


def test_our_own_answer_takes_along_what_waited() -> None:
    gate = ResponseGate(answers_turns=False)
    gate.hold()
    gate.ask(PLAIN, NOW)
    gate.expect(NOW)
    assert gate.answer(PLAIN, NOW) == asked(PLAIN, 1)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == []


def test_a_turn_that_is_none_frees_who_waits() -> None:
    gate = ResponseGate(answers_turns=False)
    gate.hold()
    gate.ask(PLAIN, NOW)
    assert gate.release(NOW) == asked(PLAIN, 1)


def test_the_end_of_speech_that_never_began_holds_nothing() -> None:
    gate = ResponseGate()
    gate.expect(NOW)
    assert gate.ask(PLAIN, NOW) == asked(PLAIN, 1)


def test_a_response_that_is_interrupted_before_it_begins_is_unwanted() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.hold()
    gate.revoke()
    assert not gate.on_created(R1)
    assert gate.on_done(R1, NOW) == []


def test_only_the_one_that_was_asked_for_is_unwanted() -> None:
    gate = ResponseGate()
    gate.revoke()
    assert gate.on_created(R1)


def test_after_the_caller_has_spoken_a_response_is_wanted_again() -> None:
    """It is the service's answer to them: what was revoked would have begun before."""
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.hold()
    gate.revoke()
    gate.expect(NOW)
    assert gate.on_created(R1)


def test_an_unwanted_response_grants_nothing() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.revoke()
    gate.ask(PLAIN, NOW)
    assert not gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(PLAIN, 2)


def test_a_revoked_request_that_is_refused_is_gone() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.revoke()
    gate.on_refused("ask-1", NOW)
    assert gate.is_free


# -- in passing ------------------------------------------------------------------------------------------------------


def test_what_is_said_in_passing_is_said_now_or_not_at_all() -> None:
    gate = ResponseGate()
    assert gate.ask_in_passing(GREETING, NOW) == asked(GREETING, 1)
    assert gate.ask_in_passing(GREETING, NOW) == []
    gate.on_refused("ask-1", NOW)
    assert gate.is_free
    gate.hold()
    assert gate.ask_in_passing(GREETING, NOW) == []


def test_an_answer_waits_for_what_is_said_in_passing() -> None:
    """A tool returns while the model says that it takes a moment."""
    gate = ResponseGate()
    gate.ask_in_passing(GREETING, NOW)
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    gate.on_created(R1)
    assert gate.on_done(R1, NOW) == asked(PLAIN, 2)


# -- patience --------------------------------------------------------------------------------------------------------


def test_a_request_that_is_never_answered_bars_the_next_for_a_while_only() -> None:
    gate = ResponseGate()
    gate.ask(GREETING, NOW)
    gate.tell(1)
    gate.ask(PLAIN, NOW)
    assert gate.deadline == later(PATIENCE)
    assert gate.on_time(later(PATIENCE)) == asked(PLAIN, 2)
    assert gate.deadline == later(2 * PATIENCE)


def test_a_response_that_never_ends_is_asked_past() -> None:
    """Its end may have been lost; if it was not, the service refuses, and the wish waits on."""
    gate = ResponseGate()
    gate.on_created(R1)
    gate.ask(PLAIN, NOW)
    assert gate.on_time(later(PATIENCE)) == asked(PLAIN, 1)
    gate.on_refused("ask-1", later(PATIENCE))
    assert gate.deadline == later(2 * PATIENCE)


def test_a_caller_who_never_stops_is_noise() -> None:
    gate = ResponseGate()
    gate.hold()
    gate.ask(PLAIN, NOW)
    assert gate.on_time(later(PATIENCE)) == asked(PLAIN, 1)


def test_before_patience_is_at_an_end_time_changes_nothing() -> None:
    gate = ResponseGate()
    assert gate.on_time(NOW) == []
    gate.ask(PLAIN, NOW)
    assert gate.on_time(later(PATIENCE - 0.001)) == []
    assert gate.is_busy


def test_a_new_session_begins_free() -> None:
    gate = ResponseGate()
    gate.ask(PLAIN, NOW)
    gate.on_created(R1)
    gate.ask(GREETING, NOW)
    gate.hold()
    assert gate.leave() == GREETING
    assert (gate.is_free, gate.is_held, gate.deadline) == (True, False, None)
    assert gate.ask(PLAIN, NOW) == []
    assert gate.deadline is None
    gate.arrive()
    assert gate.on_time(NOW) == asked(PLAIN, 2)
