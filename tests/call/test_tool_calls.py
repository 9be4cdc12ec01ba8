"""The model's tool calls: run once, answered once, and the model goes on when all of a response are."""

import attrs
import pytest

from opusagent.call.tool_calls import ToolCall, ToolCalls
from opusagent.realtime.events import ConversationItemCreate, Item
from opusagent.units import LoopTime, ResponseId

NOW = LoopTime(50.0)
R1, R2 = ResponseId("r1"), ResponseId("r2")


def call(call_id: str, name: str = "look_up", arguments: str = "{}") -> Item:
    return Item(type="function_call", status="completed", call_id=call_id, name=name, arguments=arguments)


def output(call_id: str, text: str) -> ConversationItemCreate:
    return ConversationItemCreate(item=Item(type="function_call_output", call_id=call_id, output=text))


def test_a_whole_call_is_run() -> None:
    tools = ToolCalls()
    assert tools.on_item(call("c1", "book", '{"day": "monday"}'), R1, NOW) == ToolCall(
        "c1", "book", '{"day": "monday"}'
    )
    assert (tools.made, tools.is_busy) == (1, True)


def test_a_call_is_run_once_however_often_it_is_told() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1"), R1, NOW)
    assert tools.on_item(call("c1"), R1, NOW) is None
    assert tools.on_item(call("c1"), R2, NOW) is None
    assert tools.made == 1


@pytest.mark.parametrize(
    "item",
    [
        Item(type="message", id="i1", status="completed"),
        attrs.evolve(call("c1"), status="incomplete"),
        attrs.evolve(call("c1"), status="in_progress"),
        attrs.evolve(call("c1"), call_id=None),
        attrs.evolve(call("c1"), name=None),
    ],
)
def test_what_is_no_whole_call_is_not_run(item: Item) -> None:
    """An interrupted call may be half JSON."""
    assert ToolCalls().on_item(item, R1, NOW) is None


def test_a_service_that_gives_no_status_means_a_whole_call() -> None:
    assert ToolCalls().on_item(attrs.evolve(call("c1"), status=None), R1, NOW) == ToolCall("c1", "look_up", "{}")


def test_the_model_goes_on_when_all_outputs_are_there_and_the_response_is_done() -> None:
    """Two calls in one response: two outputs, one question whether to go on that is answered with yes."""
    tools = ToolCalls()
    tools.on_item(call("c1"), R1, NOW)
    tools.on_item(call("c2"), R1, NOW)
    assert tools.on_result("c2", "two") == [output("c2", "two")]
    tools.on_response_done(R1)
    assert not tools.take_finished()
    assert tools.on_result("c1", "one") == [output("c1", "one")]
    assert tools.take_finished()
    assert not tools.take_finished()
    assert not tools.is_busy


def test_the_end_of_the_response_may_come_after_the_results() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1"), R1, NOW)
    tools.on_result("c1", "one")
    assert not tools.take_finished()
    tools.on_response_done(R1)
    assert tools.take_finished()


def test_the_end_of_the_response_may_come_before_the_call() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1"), R1, NOW, is_over=True)
    tools.on_result("c1", "one")
    assert tools.take_finished()


def test_a_second_result_and_one_that_nobody_asked_for_change_nothing() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1"), R1, NOW)
    tools.on_item(call("c2"), R1, NOW)
    tools.on_result("c1", "one")
    assert tools.on_result("c1", "again") == []
    assert tools.on_result("c9", "?") == []
    tools.on_response_done(R1)
    tools.on_response_done(R2)
    assert not tools.take_finished()


def test_a_round_that_wants_no_answer_makes_the_model_say_nothing() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1", "end_call"), R1, NOW)
    tools.on_result("c1", "ok", wants_answer=False)
    tools.on_response_done(R1)
    assert not tools.take_finished()
    assert not tools.is_busy


def test_it_may_turn_out_at_the_end_that_something_has_to_be_said() -> None:
    tools = ToolCalls()
    tools.on_item(call("c1", "end_call"), R1, NOW)
    tools.on_result("c1", "ok", wants_answer=False)
    tools.on_response_done(R1, wants_answer=True)
    assert tools.take_finished()


def test_a_filler_is_due_when_silence_and_waiting_have_lasted() -> None:
    """Two seconds from the call or from the last sound, whichever is later; once for each round."""
    tools = ToolCalls()
    assert tools.filler_due(2.0, NOW) is None
    tools.on_item(call("c1"), R1, NOW)
    assert tools.filler_due(2.0, LoopTime(40.0)) == 52.0
    assert tools.filler_due(2.0, LoopTime(55.0)) == 57.0
    tools.fill()
    assert tools.filler_due(2.0, NOW) is None
    tools.on_item(call("c2"), R2, LoopTime(60.0))
    assert tools.filler_due(2.0, NOW) == 62.0
    tools.on_result("c2", "two")
    assert tools.filler_due(2.0, NOW) is None
