"""Whoever is put through has heard that they will be."""

from opusagent.call.policy import Policy
from opusagent.call.tool_calls import ToolCall
from opusagent.testing.play import Stage, play
from tests.calls.acts import SECOND, ScriptedHands, call_more_tools, function_call, profile


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
