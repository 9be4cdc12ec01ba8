"""Events of the service that are unknown, come twice, late or never: each has its answer, and none ends the call."""

import trio

from opusagent.call.policy import Policy
from opusagent.call.reasons import EndReason
from opusagent.platforms.twilio import Clear
from opusagent.realtime.events import (
    ConversationItemTruncate,
    InputAudioBufferSpeechStopped,
    Response,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    SessionUpdate,
    SessionUpdated,
)
from opusagent.realtime.events import Session as ServiceSession
from opusagent.testing.play import Stage, play
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, call_more_tools, call_tools, function_call, profile, taking


def test_events_of_responses_and_items_that_nobody_knows_change_nothing() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.response_done("response-9")
        await model.send(InputAudioBufferSpeechStopped(item_id="item-9", audio_end_ms=5))
        await model.send_text('{"type": "response.dance", "item_id": "item-9"}')
        await model.send_text('{"type": "conversation.item.deleted", "item_id": "item-9"}')
        await model.say("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, report.unknown_messages) == (EndReason.CALLER_HUNG_UP, {"model response.dance": 1})


def test_a_response_whose_beginning_was_not_told_is_heard_and_can_be_interrupted() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.delta("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        assert (told.item_id, abs(told.audio_end_ms - 500) <= 20) == ("item-1", True)
        await model.delta("item-1", SECOND * 3, response_id="response-1")
        await trio.sleep(5)
        assert stage.caller.heard_bytes <= 8 * 540
        await stage.caller.hang_up()

    play(script)


def test_sound_behind_the_end_of_its_response_is_not_heard() -> None:
    """A response that is done says no more: whoever waits for silence would wait for ever."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND, response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 8000
        await stage.caller.hang_up()

    assert play(script).audio.model_held == 0


def test_the_end_of_an_old_response_does_not_cut_into_a_new_one() -> None:
    """It comes late, and then again, in the middle of a frame of the second: no padding, not a sample lost."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        await model.begin("item-2", response_id="response-2")
        await model.delta("item-2", SECOND[:2016], response_id="response-2")
        await model.response_done("response-1")
        await model.response_done("response-1")
        await model.delta("item-2", SECOND[2016:], response_id="response-2")
        await model.finish("item-2", response_id="response-2")
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 2 * 8000
        await stage.caller.hang_up()

    play(script)


def test_everything_twice_is_as_good_as_once() -> None:
    """Created, done, a tool call, configured: nothing is run, asked for or counted twice."""
    hands = ScriptedHands({"look_up": taking(0, "result")})
    call = function_call("call-1", "look_up")

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send(SessionUpdated(session=ServiceSession()))
        for _ in range(2):
            await model.send(ResponseCreated(response=Response(id="response-1")))
        for _ in range(2):
            await call_more_tools(model, "response-1", call)
        for _ in range(2):
            await model.send(ResponseDone(response=Response(id="response-1", output=(call,))))
        await trio.sleep(1)
        assert len(model.said(SessionUpdate)) == 1
        assert len(model.said(ResponseCreate)) == 1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert len(hands.ran) == 1


def test_a_tool_call_behind_the_end_of_its_response_is_run_and_answered() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1")
        await call_more_tools(model, "response-1", function_call("call-1", "look_up"))
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(0.5, "result")})))


def test_a_beginning_behind_the_end_does_not_make_a_response_that_never_ends() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.response_done("response-1")
        await model.send(ResponseCreated(response=Response(id="response-1")))
        await stage.caller.press("1")
        await model.expect(ResponseCreate, within=1)
        await stage.caller.hang_up()

    play(script)


def test_an_end_that_never_comes_silences_the_model_for_twelve_seconds_only() -> None:
    """`response.done` was unreadable. Nothing more comes, so another session is asked."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", function_call("call-1", "look_up"))
        await model.expect(ResponseCreate)
        await model.begin("item-2", response_id="response-2")
        await model.send_text('{"type": "response.done", "response": 5}')
        await stage.caller.press("1")
        another = await stage.another()
        await another.opening()
        await another.expect(ResponseCreate)
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(), ScriptedHands({"look_up": taking(0, "result")})))
    assert (report.end, report.unreadable_messages) == (EndReason.CALLER_HUNG_UP, 1)


def test_speech_that_begins_twice_interrupts_once() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await model.speech_started()
        await trio.sleep(1)
        assert len(model.said(ConversationItemTruncate)) == 1
        assert sum(isinstance(each.message, Clear) for each in stage.caller.received) == 1
        await stage.caller.hang_up()

    assert play(script).barge_ins == 1
