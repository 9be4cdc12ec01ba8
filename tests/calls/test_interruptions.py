"""Interruptions at every moment of an answer, and what the model is told was heard."""

import pytest
import trio

from opusagent.call.policy import Policy
from opusagent.platforms.twilio import Clear, OutboundMedia
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import (
    ConversationItemTruncate,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
)
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, Theatre, play, twilio_stage
from opusagent.units import Ms
from tests.calls.acts import SECOND, profile, twilio_without_marks

PATIENT = 1.0


def truncations(model: ScriptedModel) -> list[tuple[str, int]]:
    return [(each.item_id, each.audio_end_ms) for each in model.said(ConversationItemTruncate)]


def test_an_answer_can_be_interrupted_long_after_its_generation_is_over() -> None:
    """Ten seconds are generated in one, and `response.done` is old news when the caller has had enough."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 10, response_id="response-1")
        await stage.caller.hear(Ms(8000))
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        assert abs(told.audio_end_ms - 8000) <= 20
        await trio.sleep(PATIENT)
        assert stage.caller.heard_bytes <= 8030 * 8
        await stage.caller.hang_up()

    assert play(script).barge_ins == 1


def test_an_answer_can_be_interrupted_before_its_first_mark() -> None:
    """After one frame: no mark has come back, and the pacing clock says how little was heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(20))
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        assert 0 <= told.audio_end_ms <= 40
        assert any(isinstance(each.message, Clear) for each in stage.caller.received)
        await stage.caller.hang_up()

    play(script)


def test_a_response_that_is_interrupted_before_its_first_sound_is_never_heard() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send(ResponseCreated(response=Response(id="response-1")))
        await model.speech_started()
        await model.delta("item-1", SECOND, response_id="response-1")
        await model.response_done("response-1", status="cancelled", reason="turn_detected")
        await trio.sleep(PATIENT)
        assert stage.caller.heard == ()
        assert truncations(model) == []
        await stage.caller.hang_up()

    play(script)


def test_a_greeting_that_is_interrupted_before_it_begins_is_cancelled() -> None:
    """The caller says "hello?" while the request for the greeting is on its way: the service would talk over them."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.expect(ResponseCreate)
        await model.speech_started()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        assert (await model.expect(ResponseCancel)).response_id == "response-1"
        await model.response_done("response-1", status="cancelled", reason="client_cancelled")
        await model.speech_stopped()
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(greeting="Hello.")))
    assert report.audio.model_pushed == 1000


def test_every_item_that_was_not_heard_is_cut_to_what_was() -> None:
    """Three items of a second each, interrupted in the second: the first is whole, the third was never heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        for item in ("item-1", "item-2", "item-3"):
            await model.delta(item, SECOND, response_id="response-1")
        await model.finish("item-3", response_id="response-1")
        await stage.caller.hear(Ms(1500))
        await model.speech_started()
        await trio.sleep(PATIENT)
        (second, heard), third = truncations(model)
        assert (second, third) == ("item-2", ("item-3", 0))
        assert abs(heard - 500) <= 20
        await stage.caller.hang_up()

    play(script)


@pytest.mark.parametrize("heard", [0.2, 0.97, 3.0, 6.0])
def test_a_truncation_is_never_beyond_what_was_heard_though_no_mark_comes_back(heard: float) -> None:
    """A Twilio that echoes nothing: what is told is at most a little less than the truth, and never more."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 9, response_id="response-1")
        await stage.caller.hear(Ms(round(heard * 1000)))
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        assert told.audio_end_ms <= stage.caller.heard_bytes / 8 + 1
        await stage.caller.hang_up()

    Theatre(twilio_without_marks, TwilioDialect).play(script)


def test_two_interruptions_in_a_row_are_two() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for number in (1, 2):
            await model.say(f"item-{number}", SECOND * 3, response_id=f"response-{number}")
            await stage.caller.hear(Ms(500))
            await model.speech_started()
            await model.speech_stopped()
            await trio.sleep(PATIENT)
        assert [item for item, _ in truncations(model)] == ["item-1", "item-2"]
        await stage.caller.hang_up()

    assert play(script).barge_ins == 2


def test_what_comes_after_the_end_of_an_interrupted_response_is_not_heard_either() -> None:
    """The service's last deltas, out of their order."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(200))
        await model.speech_started()
        await model.send(ResponseDone(response=Response(id="response-1", status="cancelled")))
        await model.delta("item-1", SECOND, response_id="response-1")
        await trio.sleep(3)
        kinds = [type(each.message) for each in stage.caller.received]
        assert OutboundMedia not in kinds[kinds.index(Clear) :]
        await stage.caller.hang_up()

    report = Theatre(twilio_stage, TwilioDialect).play(script)
    assert report.audio.model_held == 0
