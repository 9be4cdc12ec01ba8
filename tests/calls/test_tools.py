"""Tools beside the conversation: what the model is told, when it goes on, and what a caller hears meanwhile."""

import attrs
import trio
from structlog.testing import capture_logs

from opusagent.call.policy import Policy, TransferTo
from opusagent.call.reasons import EndReason
from opusagent.call.tool_calls import ToolCall
from opusagent.realtime.events import ConversationItemCreate, Response, ResponseCreate, ResponseCreated, ResponseDone
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.tools.shapes import Record
from opusagent.tools.spec import ToolContext
from opusagent.tools.toolbox import Toolbox
from opusagent.units import CallId, Ms
from tests.calls.acts import (
    SECOND,
    ScriptedHands,
    call_more_tools,
    call_tools,
    confirm,
    function_call,
    profile,
    taking,
)

ONE, TWO = function_call("call-1", "look_up"), function_call("call-2", "book")


def outputs(model: ScriptedModel) -> list[tuple[str | None, str | None]]:
    return [(each.item.call_id, each.item.output) for each in model.said(ConversationItemCreate)]


def test_several_calls_of_one_response_give_all_outputs_and_then_one_request() -> None:
    """In the order in which the tools return; the request comes behind the last."""
    hands = ScriptedHands({"look_up": taking(2.0, "slow"), "book": taking(0.5, "quick")})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE, TWO)
        await model.expect(ResponseCreate)
        assert outputs(model) == [("call-2", "quick"), ("call-1", "slow")]
        await trio.sleep(5)
        assert len(model.said(ResponseCreate)) == 1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert [call.name for call in hands.ran] == ["look_up", "book"]


def test_a_quick_tool_waits_for_the_end_of_its_response() -> None:
    """Before `response.done` the service would refuse (`conversation_already_has_active_response`)."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send(ResponseCreated(response=Response(id="response-1")))
        await call_more_tools(model, "response-1", ONE)
        await model.expect(ConversationItemCreate)
        await trio.sleep(1)
        assert model.said(ResponseCreate) == []
        await model.response_done("response-1")
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(0, "quick")})))


def test_a_call_that_only_the_end_of_the_response_tells_is_run_and_none_is_run_twice() -> None:
    hands = ScriptedHands({"look_up": taking(0, "one"), "book": taking(0, "two")})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send(ResponseCreated(response=Response(id="response-1")))
        await call_more_tools(model, "response-1", ONE)
        await model.response_done("response-1", output=(ONE, TWO))
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert [call.call_id for call in hands.ran] == ["call-1", "call-2"]


def test_a_tool_that_hangs_does_not_hold_up_the_conversation() -> None:
    """The caller asks something else meanwhile and is answered; the hanging tool ends with the call."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await trio.sleep(1)
        await model.speech_started()
        await model.speech_stopped()
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.hear(Ms(1000))
        await trio.sleep(60)
        assert outputs(model) == []
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(1e9, "never")})))
    assert report.end is EndReason.CALLER_HUNG_UP
    assert report.seconds < 70


def test_a_model_that_lost_its_way_has_sixteen_tools_at_work_and_is_refused_more() -> None:
    """Each is answered, and none is run beyond the bound, however long the others hang; one that returns makes room."""
    begun: list[str] = []

    async def hang(call: ToolCall) -> str:
        begun.append(call.call_id)
        await trio.sleep(10 if call.call_id == "call-0" else 1e9)
        return "done"

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for response in range(4):
            calls = [function_call(f"call-{5 * response + n}", "hang") for n in range(5)]
            await call_tools(model, f"response-{response}", *calls)
            await trio.sleep(1)
        refused = '{"error": "too many tools are running already"}'
        assert outputs(model) == [(f"call-{n}", refused) for n in range(16, 20)]
        await trio.sleep(10)
        await call_tools(model, "response-4", function_call("call-20", "hang"), function_call("call-21", "hang"))
        await trio.sleep(1)
        assert outputs(model)[4:] == [("call-0", "done"), ("call-21", refused)]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"hang": hang})))
    assert begun == [*(f"call-{n}" for n in range(16)), "call-20"]


def test_a_caller_leaves_a_model_that_lost_its_way_by_a_key() -> None:
    """Sixteen tools that hang hold up no transfer; the log names a tool that is refused, and not what it was given."""
    hands = ScriptedHands({"hang": taking(1e9, "never")})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        calls = [function_call(f"call-{n}", "hang", '{"card": "4111"}') for n in range(17)]
        await call_tools(model, "response-1", *calls)
        await trio.sleep(1)
        await stage.caller.press("0")
        await trio.sleep(1)
        await stage.caller.hang_up()

    with capture_logs() as logs:
        play(script, profile=profile(Policy(keys={"0": TransferTo("desk")}), hands))
    assert hands.transfers == ["desk"]
    (refused,) = (each for each in logs if each["event"] == "too many tools at once")
    assert refused["tool"] == "hang"
    assert "4111" not in repr(logs)


def test_a_result_that_comes_after_the_call_ended_goes_nowhere() -> None:
    """The tool is cancelled with the call."""
    finished: list[str] = []

    async def slow(call: ToolCall) -> str:
        await trio.sleep(5)
        finished.append(call.call_id)
        return "late"

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await trio.sleep(1)
        await stage.caller.hang_up()
        await trio.sleep(30)
        assert outputs(model) == []

    assert play(script, profile=profile(Policy(), ScriptedHands({"look_up": slow}))).end is EndReason.CALLER_HUNG_UP
    assert finished == []


@attrs.frozen
class Broken:
    """A tool that raises."""

    name: str = "look_up"
    description: str = "Fails."
    parameters: Record = Record(())
    timeout_seconds: float = 5.0

    async def perform(self, arguments: object, context: ToolContext) -> str:
        """Fail, as tools do."""
        del arguments, context
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError


def test_a_tool_that_raises_is_a_result_that_says_so() -> None:
    toolbox = Toolbox([Broken()])

    async def run(call: ToolCall) -> str:
        return (await toolbox.call(call.name, call.arguments, ToolContext(CallId("staged")))).output

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await model.expect(ResponseCreate)
        assert outputs(model) == [("call-1", '{"error":"look_up failed: ZeroDivisionError"}')]
        await stage.caller.hang_up()

    assert play(script, profile=profile(Policy(), ScriptedHands({"look_up": run}))).end is EndReason.CALLER_HUNG_UP


def test_a_call_without_tools_says_so() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await model.expect(ResponseCreate)
        assert outputs(model) == [("call-1", '{"error": "there are no tools in this call"}')]
        await stage.caller.hang_up()

    play(script)


def test_the_request_waits_for_the_answer_to_what_the_caller_said_meanwhile() -> None:
    """The service answers the caller; the result came too late for that answer, so another is asked for behind it."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await model.begin("item-2", response_id="response-2")
        told = await model.expect(ConversationItemCreate)
        await confirm(model, told.item)
        await trio.sleep(1)
        assert model.said(ResponseCreate) == []
        await model.finish("item-2", response_id="response-2")
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(1, "result")})))


def test_an_answer_to_the_caller_that_has_seen_the_result_makes_a_request_needless() -> None:
    """The tool returns while the caller speaks. Nobody talks over them, and the service's answer uses the result."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await model.speech_started()
        told = await model.expect(ConversationItemCreate)
        await confirm(model, told.item)
        await trio.sleep(2)
        assert model.said(ResponseCreate) == []
        await model.speech_stopped()
        await model.say("item-2", SECOND, response_id="response-2")
        await trio.sleep(20)
        assert model.said(ResponseCreate) == []
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(1, "result")})))


def test_a_caller_whom_the_service_forgets_to_answer_is_answered() -> None:
    """Three seconds after their turn, the model is asked."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.speech_started()
        await model.speech_stopped()
        asked = trio.current_time()
        await model.expect(ResponseCreate)
        assert 2.9 < trio.current_time() - asked < 3.1
        await stage.caller.hang_up()

    play(script)


def test_a_refused_request_is_repeated_when_the_response_in_its_way_is_done() -> None:
    """`conversation_already_has_active_response` loses nothing."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        first = await model.expect(ResponseCreate)
        await model.error("conversation_already_has_active_response", event_id=first.event_id)
        await model.begin("item-2", response_id="response-2")
        await model.finish("item-2", response_id="response-2")
        again = await model.expect(ResponseCreate)
        assert again.event_id != first.event_id
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(0, "result")})))
    assert report.model_errors == {"conversation_already_has_active_response": 1}


def test_a_request_that_is_refused_for_what_it_is_does_not_silence_the_model() -> None:
    """A greeting that the service does not like: the next tool's result is answered all the same."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        greeting = await model.expect(ResponseCreate)
        await model.error("invalid_value", event_id=greeting.event_id)
        await call_tools(model, "response-1", ONE)
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(greeting="Hello."), ScriptedHands({"look_up": taking(0, "result")})))


FILLING = Policy(filler="Say that it takes a moment.", filler_seconds=2.0)


def test_a_tool_that_takes_long_is_talked_about_once() -> None:
    """Two seconds into the silence. The result is answered when the filler has been generated."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await call_tools(model, "response-1", ONE)
        filler = await model.expect(ResponseCreate)
        assert 2.0 <= trio.current_time() - began < 2.1
        assert filler.response is not None
        assert filler.response.instructions == "Be brief.\n\nSay that it takes a moment."
        await model.say("item-2", SECOND, response_id="response-2")
        answer = await model.expect(ResponseCreate, within=30)
        assert (answer.response, outputs(model)) == (None, [("call-1", "at last")])
        assert 20.0 <= trio.current_time() - began < 20.1
        assert len(model.said(ResponseCreate)) == 2
        await stage.caller.hang_up()

    play(script, profile=profile(FILLING, ScriptedHands({"look_up": taking(20, "at last")})))


def test_a_filler_waits_until_the_model_has_been_heard() -> None:
    """What it said before takes three seconds: the silence begins after it."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 3, response_id="response-1")
        await call_more_tools(model, "response-1", ONE)
        await model.finish("item-1", response_id="response-1")
        await model.expect(ResponseCreate, within=10)
        assert 5.0 <= trio.current_time() - began < 5.2
        await stage.caller.hang_up()

    play(script, profile=profile(FILLING, ScriptedHands({"look_up": taking(20, "at last")})))


def test_nobody_talks_about_a_tool_while_the_caller_speaks() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", ONE)
        await model.speech_started()
        await trio.sleep(5)
        assert model.said(ResponseCreate) == []
        await stage.caller.hang_up()

    play(script, profile=profile(FILLING, ScriptedHands({"look_up": taking(20, "at last")})))


def test_a_call_interrupted_in_the_middle_is_not_run() -> None:
    """Its arguments are half JSON."""
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send(ResponseCreated(response=Response(id="response-1")))
        half = attrs.evolve(ONE, status="incomplete", arguments='{"day": "mon')
        await call_more_tools(model, "response-1", half)
        await model.send(ResponseDone(response=Response(id="response-1", status="cancelled", output=(half,))))
        await trio.sleep(5)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert hands.ran == []
