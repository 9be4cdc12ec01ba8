"""Whoever is put through has heard that they will be."""

import trio

from opusagent.call.policy import Policy
from opusagent.call.tool_calls import ToolCall
from opusagent.realtime.events import ConversationItemCreate
from opusagent.testing.play import Stage, play
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, call_more_tools, call_tools, function_call, profile, taking

TRANSFER = function_call("call-1", "transfer_call", '{"target": "desk"}')
NOT_NOW = '{"error": "the caller has begun to speak, and the call goes on"}'


def test_the_words_before_a_transfer_are_heard_to_their_end() -> None:
    """In one breath: `I will put you through`, and the transfer, which ends the line."""
    stages: list[Stage] = []
    heard: list[int] = []

    async def transfer(call: ToolCall) -> str:
        del call
        heard.append(stages[0].caller.heard_bytes)
        await stages[0].caller.hang_up()
        return '{"ok": true}'

    async def script(stage: Stage) -> None:
        stages.append(stage)
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 2, response_id="response-1")
        await call_more_tools(model, "response-1", function_call("call-1", "transfer_call", '{"target": "desk"}'))
        await model.finish("item-1", response_id="response-1")
        await stage.caller.until_ended()

    play(script, profile=profile(Policy(), ScriptedHands({"transfer_call": transfer})))
    assert heard == [2 * 8000]


def test_a_transfer_without_words_does_not_wait() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await call_tools(model, "response-1", TRANSFER)
        await model.expect(ConversationItemCreate)
        assert trio.current_time() - began < 0.1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"transfer_call": taking(0, "{}")})))


def test_words_that_take_too_long_are_not_waited_for() -> None:
    """A minute of them: the caller is put through when a goodbye would have been given up."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 60, response_id="response-1")
        await call_more_tools(model, "response-1", TRANSFER)
        await model.finish("item-1", response_id="response-1")
        await model.expect(ConversationItemCreate)
        assert 3.0 <= trio.current_time() - began < 3.1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(goodbye_seconds=3.0), ScriptedHands({"transfer_call": taking(0, "{}")})))


def test_a_caller_who_speaks_before_the_transfer_is_heard_first() -> None:
    """While the model still decides on it, and while the words before it are being heard."""
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for number, is_late in enumerate((False, True)):
            response, item = f"response-{number}", f"item-{number}"
            call = function_call(f"call-{number}", "transfer_call")
            await model.begin(item, response_id=response)
            await model.delta(item, SECOND * 3, response_id=response)
            if is_late:
                await call_more_tools(model, response, call)
            await stage.caller.hear(Ms(500))
            await model.speech_started()
            if not is_late:
                await call_more_tools(model, response, call)
            assert (await model.expect(ConversationItemCreate)).item.output == NOT_NOW
            await model.response_done(response, status="cancelled")
            await model.speech_stopped()
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert hands.ran == []
