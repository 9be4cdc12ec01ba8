"""Ending a call from our side: the goodbye is heard to its end, and nobody waits for it for ever."""

import attrs
import pytest
import trio

from opusagent.call.policy import Budget, KeyAction, Patience, Policy
from opusagent.call.reasons import EndReason
from opusagent.call.usage import Tokens
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import (
    ConversationItemCreate,
    ConversationItemInputAudioTranscriptionCompleted,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    TranscriptionUsage,
    Usage,
)
from opusagent.realtime.responses import OutputTokens
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.play import Stage, Theatre, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Ms
from tests.calls.acts import (
    SECOND,
    ScriptedHands,
    call_more_tools,
    call_tools,
    function_call,
    profile,
    twilio_without_marks,
)

BYE = function_call("call-1", "end_call")
POLICY = Policy(goodbye_seconds=15.0)


def written(item_id: str, usage: TranscriptionUsage) -> ConversationItemInputAudioTranscriptionCompleted:
    """What a caller said is written down."""
    return ConversationItemInputAudioTranscriptionCompleted(
        item_id=item_id, content_index=0, transcript="hello", usage=usage
    )


async def say_goodbye_and_hang_up(stage: "Stage | AudioCodesStage", seconds: int) -> None:
    """One response: words, and in the same breath the call that ends the call."""
    model = await stage.answered()
    await model.begin("item-1", response_id="response-1")
    await model.delta("item-1", SECOND * seconds, response_id="response-1")
    await call_more_tools(model, "response-1", BYE)
    await model.finish("item-1", response_id="response-1")


def test_a_goodbye_in_the_same_breath_is_heard_to_its_end() -> None:
    """Four seconds are generated at once. The call ends after them, and the model is not asked for more words."""

    async def script(stage: Stage) -> None:
        await say_goodbye_and_hang_up(stage, 4)
        ended = await stage.caller.until_ended()
        assert ended.code == 1000
        assert stage.caller.heard_bytes == 4 * 8000
        assert stage.models[0].said(ResponseCreate) == []
        (answer,) = stage.models[0].said(ConversationItemCreate)
        assert (answer.item.call_id, answer.item.output) == ("call-1", '{"ok": true}')

    report = play(script, profile=profile(POLICY))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert 4.0 <= report.seconds < 4.5


def test_a_goodbye_is_heard_to_its_end_where_there_are_no_marks() -> None:
    """The pacing clock says when. VoiceAI Connect returns no marks."""

    async def script(stage: AudioCodesStage) -> None:
        await say_goodbye_and_hang_up(stage, 4)
        await stage.caller.until_ended()
        assert len(b"".join(each.audio for each in stage.caller.heard)) == stage.caller.media.bytes_of(Ms(4000))

    report = play_audiocodes(script, Conversation(), profile=profile(POLICY))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert report.seconds < 5


def test_a_model_that_hangs_up_without_a_word_is_asked_for_one() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", BYE)
        await model.expect(ConversationItemCreate)
        await model.expect(ResponseCreate)
        await model.say("item-1", SECOND, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 8000

    assert play(script, profile=profile(POLICY)).end is EndReason.AGENT_DONE


def test_a_goodbye_with_arguments_that_do_not_fit_names_the_field_and_ends_nothing() -> None:
    """As with any other tool: the model is told, asked again, and ends the call with a second try."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", function_call("call-0", "end_call", '{"reason": 7}'))
        (told,) = [(await model.expect(ConversationItemCreate)).item.output]
        assert told == '{"error":"wrong arguments: `reason` must be of type string, not integer"}'
        await model.expect(ResponseCreate)
        await trio.sleep(20)
        await model.begin("item-1", response_id="response-2")
        await model.delta("item-1", SECOND, response_id="response-2")
        await call_more_tools(model, "response-2", BYE)
        await model.finish("item-1", response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 8000

    report = play(script, profile=profile(attrs.evolve(POLICY, patience=Patience(dead_air_seconds=60))))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


def test_a_model_that_was_not_told_of_an_end_cannot_end_the_call() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", BYE)
        told = await model.expect(ConversationItemCreate)
        assert told.item.output == '{"error": "there are no tools in this call"}'
        await model.expect(ResponseCreate)
        await model.say("item-1", SECOND, response_id="response-2")
        await trio.sleep(30)
        await stage.caller.hang_up()

    assert play(script, profile=profile(Policy(may_end=False))).end is EndReason.CALLER_HUNG_UP


def test_words_behind_the_call_are_a_goodbye_too() -> None:
    """The call of the tool comes first in the response, the words second."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await call_more_tools(model, "response-1", BYE)
        await model.delta("item-1", SECOND, response_id="response-1")
        await model.finish("item-1", response_id="response-1")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 8000
        assert model.said(ResponseCreate) == []

    assert play(script, profile=profile(POLICY)).end is EndReason.AGENT_DONE


def test_a_goodbye_that_never_comes_is_waited_for_fifteen_seconds() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", BYE)
        await stage.caller.until_ended()

    report = play(script, profile=profile(POLICY))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "the goodbye was not heard to its end in time")
    assert 15.0 <= report.seconds < 15.1


def test_a_goodbye_whose_marks_never_come_back_ends_soon_after_it_was_heard() -> None:
    """The clock is believed a second after the marks should have come."""

    async def script(stage: Stage) -> None:
        await say_goodbye_and_hang_up(stage, 4)
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 4 * 8000

    report = Theatre(twilio_without_marks, TwilioDialect, profile(POLICY)).play(script)
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert 4.0 <= report.seconds <= 5.5


def test_a_goodbye_longer_than_the_patience_is_cut() -> None:
    async def script(stage: Stage) -> None:
        await say_goodbye_and_hang_up(stage, 60)
        await stage.caller.until_ended()

    report = play(script, profile=profile(POLICY))
    assert report.end_detail == "the goodbye was not heard to its end in time"
    assert report.seconds < 15.1


def test_what_a_caller_says_into_the_goodbye_is_answered_before_the_call_ends() -> None:
    """Not in mid-word, and not before the service's answer to it was heard."""

    async def script(stage: Stage) -> None:
        await say_goodbye_and_hang_up(stage, 4)
        model = stage.models[0]
        await stage.caller.hear(Ms(1000))
        await model.speech_started()
        await trio.sleep(2)
        await model.speech_stopped()
        await trio.sleep(0.5)
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes >= 2 * 8000 - 160

    report = play(script, profile=profile(POLICY))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
    assert 4.5 <= report.seconds < 5


def test_an_interrupted_response_does_not_end_the_call() -> None:
    """The caller speaks while the model decides to hang up: the call goes on, and the model is told why."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await call_more_tools(model, "response-1", BYE)
        told = await model.expect(ConversationItemCreate)
        assert told.item.output == '{"error": "the caller has begun to speak, and the call goes on"}'
        await model.response_done("response-1", status="cancelled")
        await model.speech_stopped()
        await model.say("item-2", SECOND, response_id="response-2")
        await trio.sleep(60)
        await stage.caller.hang_up()

    assert play(script, profile=profile(POLICY)).end is EndReason.CALLER_HUNG_UP


def test_a_key_that_hangs_up_waits_for_what_is_being_said() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await stage.caller.press("9")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 2 * 8000

    report = play(script, profile=profile(Policy(keys={"9": KeyAction.HANG_UP})))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(dollars=0.05)])
def test_a_call_that_has_cost_enough_is_wound_down_with_words(budget: Budget) -> None:
    """1,000 tokens of audio cost 6.4 cents. The goodbye is asked for, heard, and the last thing."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        usage = Usage(output_token_details=OutputTokens(audio_tokens=1000))
        await model.send(ResponseDone(response=Response(id="response-1", status="completed", usage=usage)))
        asked = await model.expect(ResponseCreate)
        assert asked.response is not None
        assert asked.response.instructions == "Be brief.\n\nThe money is spent."
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 2 * 8000
        assert model.said(ResponseCancel) == []

    report = play(script, profile=profile(Policy(budget=budget, winding_down="The money is spent.")))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


def test_words_that_are_written_down_twice_are_paid_once() -> None:
    """A duplicated event is none: neither money nor the platform nor the story has it twice."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        usage = TranscriptionUsage(type="tokens", input_tokens=90, output_tokens=10)
        for _ in range(2):
            await model.send(written("item-1", usage))
        await model.send(written("item-2", usage))
        await trio.sleep(1)
        assert model.said(ResponseCreate) == []
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(budget=Budget(tokens=300))))
    assert report.tokens == Tokens(transcribed_in=180, transcribed_out=20)
    assert sum(each.what == "the caller said: hello" for each in report.story) == 2


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(dollars=0.001)])
def test_what_it_costs_to_write_the_caller_down_is_part_of_the_budget(budget: Budget) -> None:
    """900 tokens in and 100 out by another model; the report has them by their kind."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        usage = TranscriptionUsage(type="tokens", input_tokens=900, output_tokens=100)
        await model.send(written("item-1", usage))
        assert (await model.expect(ResponseCreate)).response is not None
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.until_ended()

    report = play(script, profile=profile(Policy(budget=budget, winding_down="The money is spent.")))
    assert report.tokens == Tokens(transcribed_in=900, transcribed_out=100)
    assert (report.end, report.dollars) == (EndReason.AGENT_DONE, 0.0064)


def test_the_platform_is_asked_to_end_the_call_while_the_socket_is_open() -> None:
    """Behind a socket that we close first, Twilio would go on with the TwiML that follows."""
    open_when_asked: list[bool] = []
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        async def end_at_platform() -> None:
            await trio.sleep(0.2)
            open_when_asked.append(stage.caller.ended is None)

        hands.end_at_platform = end_at_platform
        await say_goodbye_and_hang_up(stage, 1)
        await stage.caller.until_ended()

    assert play(script, profile=profile(POLICY, hands)).end is EndReason.AGENT_DONE
    assert open_when_asked == [True]


def test_a_platform_that_never_answers_does_not_hold_the_callers_socket() -> None:
    """The caller does not sit in silence for as long as the request may take."""
    hands = ScriptedHands(end_at_platform=trio.sleep_forever)

    async def script(stage: Stage) -> None:
        await say_goodbye_and_hang_up(stage, 1)
        ended = await stage.caller.until_ended()
        assert ended.code == 1000
        assert trio.current_time() < 1.0 + 2.5

    assert play(script, profile=profile(POLICY, hands)).end is EndReason.AGENT_DONE
