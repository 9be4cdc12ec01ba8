"""A script answers what happened, from the conversation alone; a session plays its answers as the service does."""

from typing import Final

import pytest

from opusagent.audio.media import PCM16_24K
from opusagent.local.conversation import CALL_ID_LIMIT
from opusagent.local.script import Asked, Returned, Script, Spoke, Step, Told
from opusagent.local.voices import Cue, Invocation, Reply, Utterance, chime
from opusagent.realtime.events import (
    ContentPart,
    ConversationItemCreate,
    Item,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOptions,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ServerEvent,
)
from opusagent.units import Pcm16
from property_tests.strategies_local import quiet, words
from tests.local.line import ANSWER_BEGINS, ANSWER_ENDS, Line, done, kinds, sound

NOTHING: Final = Cue(Pcm16(b""), "Be brief.")


def said(text: str, ms: int = 200) -> Reply:
    return Reply(Utterance(Pcm16(words(ms)), text))


FIND: Final = Invocation("find_slot", '{"day":"tuesday","after":"10:00"}')
BOOK: Final = Invocation("book_slot", '{"day":"tuesday","time":"10:30"}')
END: Final = Reply(Utterance(Pcm16(words(100)), "Goodbye."), (Invocation("end_call"),))

SCRIPT: Final = Script(
    (
        Step(Asked("Greet them now"), said("Hello.")),
        Step(Spoke(1), Reply(calls=(FIND, BOOK))),
        Step(Returned("find_slot", "10:30"), said("Half past ten is free.")),
        Step(Returned("find_slot"), said("There is nothing free.")),
        Step(Told("keys: 1]"), said("You have pressed one.")),
        Step(Spoke(2), END),
    ),
    said("Pardon?"),
)

TURN: Final = Item(type="message", role="user", content=(ContentPart(type="input_audio"),))
ANSWER: Final = Item(type="message", role="assistant", content=(ContentPart(type="output_audio"),))
KEYS: Final = Item(
    type="message",
    role="user",
    content=(ContentPart(type="input_text", text="[The caller pressed these telephone keys: 1]"),),
)
CALL: Final = Item(type="function_call", call_id="c1", name="find_slot", arguments="{}")


def output(text: str, call_id: str = "c1") -> Item:
    return Item(type="function_call_output", call_id=call_id, output=text)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((TURN,), Reply(calls=(FIND, BOOK))),
        ((TURN, ANSWER, TURN), END),
        ((TURN, CALL, output('["10:30"]')), said("Half past ten is free.")),
        ((TURN, CALL, output("[]")), said("There is nothing free.")),
        ((TURN, ANSWER, KEYS), said("You have pressed one.")),
        ((TURN, ANSWER, TURN, KEYS), said("You have pressed one.")),
        ((TURN, ANSWER, KEYS, TURN), END),
        ((TURN, CALL, output("[]", "another")), said("Pardon?")),
        ((TURN, ANSWER), said("Pardon?")),
        ((TURN, ANSWER, TURN, ANSWER, TURN), said("Pardon?")),
        ((), said("Pardon?")),
    ],
)
def test_what_came_last_is_answered_and_anything_else_as_the_script_says(
    items: tuple[Item, ...], expected: Reply
) -> None:
    assert SCRIPT.answer(Cue(Pcm16(b""), "Be brief.", items)) == expected


def test_what_is_asked_for_is_said_whatever_happened_before() -> None:
    cue = Cue(Pcm16(b""), "Be brief.\n\nGreet them now, with these words: hello", (TURN,))
    assert SCRIPT.answer(cue) == said("Hello.")


def test_a_script_keeps_no_place() -> None:
    """The same cue, the same answer, as often as it comes."""
    assert [SCRIPT.answer(NOTHING), SCRIPT.answer(NOTHING)] == [said("Pardon?")] * 2


def test_a_reply_without_words_and_calls_is_none() -> None:
    with pytest.raises(ValueError, match="is none"):
        Reply()


# -- as a session plays it ----------------------------------------------------------------------------------------

CALL_EVENTS: Final = [
    "response.output_item.added",
    "conversation.item.added",
    "deltas",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]


def spoken_to(line: Line) -> list[ServerEvent]:
    """The caller speaks once, and whatever comes of it."""
    return line.speak(words(400) + quiet(500)) + line.wait(5)


def calls_of(events: list[ServerEvent]) -> list[Item]:
    return [
        event.item
        for event in events
        if isinstance(event, ResponseOutputItemDone) and event.item.type == "function_call"
    ]


def test_calls_come_as_items_of_one_response_each_with_its_arguments() -> None:
    said = spoken_to(Line(voice=SCRIPT))
    begins = kinds(said).index("response.output_item.added")
    assert kinds(said)[begins:] == [*CALL_EVENTS, *CALL_EVENTS, "response.done"]
    assert [(call.name, call.arguments, call.status) for call in calls_of(said)] == [
        (FIND.name, FIND.arguments, "completed"),
        (BOOK.name, BOOK.arguments, "completed"),
    ]
    deltas = [event for event in said if isinstance(event, ResponseFunctionCallArgumentsDelta)]
    whole = [event for event in said if isinstance(event, ResponseFunctionCallArgumentsDone)]
    for index, (call, complete) in enumerate(zip(calls_of(said), whole, strict=True)):
        mine = [delta for delta in deltas if delta.call_id == call.call_id]
        assert "".join(delta.delta for delta in mine) == call.arguments == complete.arguments
        assert {(delta.item_id, delta.output_index) for delta in mine} == {(call.id, index)}
        assert complete.name == call.name
    assert done(said) == [("completed", None)]
    final = next(event.response for event in said if isinstance(event, ResponseDone))
    assert final.output == tuple(calls_of(said))


def test_call_ids_are_unique_and_as_short_as_the_service_takes_them() -> None:
    ids = [call.call_id or "" for call in calls_of(spoken_to(Line(voice=SCRIPT)))]
    assert len(set(ids)) == 2
    assert all(0 < len(name) <= CALL_ID_LIMIT for name in ids)


def test_a_call_has_no_arguments_when_it_begins() -> None:
    said = spoken_to(Line(voice=SCRIPT))
    added = [event.item for event in said if isinstance(event, ResponseOutputItemAdded)]
    assert [(item.name, item.arguments, item.status) for item in added] == [
        ("find_slot", "", "in_progress"),
        ("book_slot", "", "in_progress"),
    ]


def test_an_output_is_answered_when_a_response_is_asked_for() -> None:
    line = Line(voice=SCRIPT)
    find, _ = calls_of(spoken_to(line))
    line.tell(ConversationItemCreate(item=output('["10:30"]', find.call_id or "")))
    assert line.wait(2) == []
    line.tell(ResponseCreate())
    answered = line.wait(5)
    assert kinds(answered) == [*ANSWER_BEGINS, "deltas", *ANSWER_ENDS]
    assert sound(answered) == words(200)


def test_words_and_a_call_come_in_one_response_the_words_first() -> None:
    line = Line(voice=SCRIPT)
    spoken_to(line)
    line.tell(ResponseCreate(response=ResponseOptions(instructions="Greet them now")))
    line.wait(5)
    said = spoken_to(line)
    begins = kinds(said).index("response.output_item.added")
    assert kinds(said)[begins:] == [*ANSWER_BEGINS, "deltas", *ANSWER_ENDS[:-1], *CALL_EVENTS, "response.done"]
    final = next(event.response for event in said if isinstance(event, ResponseDone))
    assert [(item.type, item.status) for item in final.output] == [
        ("message", "completed"),
        ("function_call", "completed"),
    ]


def test_a_call_that_is_cancelled_half_way_stays_incomplete_with_half_its_arguments() -> None:
    line = Line(voice=SCRIPT)
    line.speak(words(400) + quiet(500))
    line.wait(0.24)
    cancelled = line.tell(ResponseCancel())
    assert kinds(cancelled) == [*CALL_EVENTS[3:], "response.done"]
    (call,) = calls_of(cancelled)
    assert (call.status, call.arguments) == ("incomplete", FIND.arguments[:12])
    assert line.wait(5) == []


def test_a_limit_on_tokens_cuts_the_words_and_nothing_is_called() -> None:
    line = Line(voice=Script((), Reply(Utterance(chime(), "Goodbye."), (Invocation("end_call"),))))
    line.tell(ResponseCreate(response=ResponseOptions(max_output_tokens=4)))
    said = line.wait(5)
    assert [status for status, _ in done(said)] == ["incomplete"]
    assert calls_of(said) == []
    assert PCM16_24K.ms_of(len(sound(said))) == 200
