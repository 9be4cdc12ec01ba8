"""Errors of the service that mean nothing end nothing: the call goes on, and the report counts them."""

import pytest
import trio

from opusagent.call.reasons import EndReason
from opusagent.testing.play import Stage, play
from opusagent.units import Ms
from tests.calls.acts import SECOND

HARMLESS = [
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "conversation_already_has_active_response",
    "unknown_parameter",
    "server_error",
    "never_heard_of",
]


@pytest.mark.parametrize("code", HARMLESS)
def test_a_harmless_error_does_not_end_the_call(code: str) -> None:
    """The answer that follows is heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error(code)
        await trio.sleep(1)
        await model.say("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, report.model_errors) == (EndReason.CALLER_HUNG_UP, {code: 1})


def test_a_thousand_errors_do_not_end_the_call() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for _ in range(1000):
            await model.error("response_cancel_not_active")
        await trio.sleep(1)
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, report.model_errors) == (EndReason.CALLER_HUNG_UP, {"response_cancel_not_active": 1000})
