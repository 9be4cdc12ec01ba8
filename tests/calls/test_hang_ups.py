"""Nothing of a call lives on when somebody hangs up, and a line that we end is ended once, at the platform."""

import pytest
import trio

from opusagent.call.policy import Budget, KeyAction, Policy, TransferTo
from opusagent.call.reasons import EndReason
from opusagent.call.tool_calls import ToolCall
from opusagent.realtime.events import ConversationItemCreate, Response, ResponseCreate, ResponseDone, Usage
from opusagent.realtime.responses import OutputTokens
from opusagent.testing.play import Stage, play
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, call_more_tools, call_tools, function_call, profile

SPENT = Usage(output_token_details=OutputTokens(audio_tokens=1000))


@pytest.mark.parametrize("doing", ["speaking", "a tool", "a transfer", "nothing"])
def test_whatever_is_being_done_ends_with_the_caller_who_hangs_up(doing: str) -> None:
    """At once, not when it is through; the model's session, which costs money, is closed with it."""
    ended: list[str] = []

    async def hang(call: ToolCall) -> str:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(call.name)

    hands = ScriptedHands({"look_up": hang, "transfer_call": hang})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        if doing == "speaking":
            await model.begin("item-1", response_id="response-1")
            await model.delta("item-1", SECOND * 60, response_id="response-1")
            await stage.caller.hear(Ms(500))
        elif doing != "nothing":
            await call_tools(model, "response-1", function_call("call-1", hands_name(doing)))
            await trio.sleep(0.5)
        await stage.caller.hang_up()
        await trio.sleep(2.5)
        assert model.left is not None

    report = play(script, profile=profile(Policy(), hands))
    assert report.end is EndReason.CALLER_HUNG_UP
    assert report.seconds < 2.5
    assert ended == ([] if doing in {"speaking", "nothing"} else [hands_name(doing)])


def hands_name(doing: str) -> str:
    return "transfer_call" if doing == "a transfer" else "look_up"


def test_a_line_that_a_key_the_model_and_the_budget_want_to_end_is_ended_once() -> None:
    """All three in one breath: one goodbye, one request to the platform, one reason."""
    asked: list[float] = []

    async def end_at_platform() -> None:
        await trio.lowlevel.checkpoint()
        asked.append(trio.current_time())

    hands = ScriptedHands(end_at_platform=end_at_platform)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.press("9")
        await call_more_tools(model, "response-1", function_call("call-1", "end_call"))
        await model.send(ResponseDone(response=Response(id="response-1", status="completed", usage=SPENT)))
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 2 * 8000
        assert len(model.said(ConversationItemCreate)) == 1
        assert model.said(ResponseCreate) == []

    policy = Policy(keys={"9": KeyAction.HANG_UP, "0": TransferTo("desk")}, budget=Budget(tokens=1000))
    report = play(script, profile=profile(policy, hands))
    assert (report.end, report.end_detail, len(asked)) == (EndReason.AGENT_DONE, "", 1)
