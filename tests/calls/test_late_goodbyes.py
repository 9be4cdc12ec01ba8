"""Goodbyes that come behind other speech, or into a gap of the line: they are heard to their end all the same."""

import pytest
import trio

from opusagent.call.policy import Budget, Policy
from opusagent.call.reasons import EndReason
from opusagent.call.voice import CUT_OFF, HELD_SECONDS
from opusagent.realtime.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    Response,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    TranscriptionUsage,
    Usage,
)
from opusagent.realtime.responses import OutputTokens
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Ms
from tests.calls.acts import SECOND, call_more_tools, function_call, profile

BYE = function_call("call-1", "end_call")
THRIFTY = profile(Policy(budget=Budget(tokens=1000)))


async def spend_it_all(model: ScriptedModel, seconds: int) -> None:
    """An answer so long, made at once, that costs all there is."""
    await model.begin("item-1", response_id="response-1")
    await model.delta("item-1", SECOND * seconds, response_id="response-1")
    usage = Usage(output_token_details=OutputTokens(audio_tokens=1000))
    await model.send(ResponseDone(response=Response(id="response-1", status="completed", usage=usage)))


@pytest.mark.parametrize("seconds", [14, 40])
def test_a_wind_down_behind_a_long_answer_is_heard_to_its_end(seconds: int) -> None:
    """The answer that spent the money is heard first, however long that takes: its time is not the goodbye's."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await spend_it_all(model, seconds)
        await model.expect(ResponseCreate)
        await model.say("item-2", SECOND * 5, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == (seconds + 5) * 8000

    report = play(script, profile=THRIFTY)
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert seconds + 5 <= report.seconds < seconds + 6


def test_a_wind_down_while_an_answer_is_being_made_waits_for_its_end() -> None:
    """The money is spent by the caller's words, written down when the answer has begun; it is made in real time."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        usage = TranscriptionUsage(type="tokens", input_tokens=1000)
        words = ConversationItemInputAudioTranscriptionCompleted(
            item_id="item-0", content_index=0, transcript="hello", usage=usage
        )
        await model.send(words)
        for _ in range(20):
            await trio.sleep(1)
            await model.delta("item-1", SECOND, response_id="response-1")
        await model.finish("item-1", response_id="response-1")
        await model.expect(ResponseCreate)
        await model.say("item-2", SECOND * 5, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes >= 26 * 8000

    report = play(script, profile=THRIFTY)
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


def test_a_caller_who_interrupts_the_answer_does_not_have_its_length_to_talk_on() -> None:
    """The money is spent, and a minute of speech is cut: what follows has fifteen seconds, as any goodbye."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await spend_it_all(model, 60)
        await stage.caller.hear(Ms(1000))
        await model.speech_started()
        await stage.caller.until_ended()

    report = play(script, profile=THRIFTY)
    assert report.end_detail == "the goodbye was not heard to its end in time"
    assert report.seconds < 17


def test_a_goodbye_behind_an_earlier_answer_has_its_whole_time() -> None:
    """Twenty seconds of the answer before lie in front of it."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 20, response_id="response-1")
        await model.begin("item-2", response_id="response-2")
        await model.delta("item-2", SECOND * 3, response_id="response-2")
        await call_more_tools(model, "response-2", BYE)
        await model.finish("item-2", response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 23 * 8000

    report = play(script, profile=profile(Policy()))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


@pytest.mark.parametrize("gap", [3, 8, 20])
def test_a_goodbye_that_a_gap_of_the_line_took_is_heard_to_its_end(gap: int) -> None:
    """After a short one it goes on; what waited too long is asked for anew, and waited for as any goodbye is."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 10, response_id="response-1")
        await call_more_tools(model, "response-1", BYE)
        await model.finish("item-1", response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.break_line(stage.platform.vanish)
        await trio.sleep(gap)
        await stage.reconnect()
        if gap > HELD_SECONDS:
            wish = await model.expect(ResponseCreate)
            assert wish.response is not None
            assert CUT_OFF in (wish.response.instructions or "")
            await model.say("item-2", SECOND * 9, response_id="response-2")
        await stage.caller.until_ended()
        lost = sum(len(each.audio) for each in stage.caller.cleared)
        assert stage.caller.heard_bytes == 10 * 48_000 - (0 if gap > HELD_SECONDS else lost)

    report = play_audiocodes(script, Conversation(), profile=profile(Policy()))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert 9 + gap < report.seconds < 11 + gap


@pytest.mark.parametrize("fails", [1, 2])
def test_a_goodbye_that_the_service_fails_is_asked_for_once_more(fails: int) -> None:
    """With the same words; one that it fails again is not: the call ends, and does not ask for ever."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await spend_it_all(model, 1)
        wishes = [await model.expect(ResponseCreate)]
        for number in range(fails):
            await model.send(ResponseCreated(response=Response(id=f"failed-{number}")))
            await model.response_done(f"failed-{number}", status="failed")
            if not number:
                wishes.append(await model.expect(ResponseCreate))
        if fails == 1:
            await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == (3 - fails) * 8000
        assert [wish.response for wish in model.said(ResponseCreate)] == [wishes[0].response] * 2

    assert play(script, profile=THRIFTY).end is EndReason.AGENT_DONE
