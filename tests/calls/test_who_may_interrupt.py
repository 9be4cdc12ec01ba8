"""Callers who may not interrupt, or only by words: what the model hears, and what becomes of its answer."""

import pytest
import trio

from opusagent.audio.g711 import mulaw_encode
from opusagent.call.exchange import Profile
from opusagent.call.policy import Doubt, Interrupt, Policy, TurnPolicy
from opusagent.platforms.twilio import Clear
from opusagent.realtime.events import (
    ConversationItemTruncate,
    InputAudioBufferAppend,
    ResponseCancel,
    ResponseCreate,
)
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Ms
from tests.calls.acts import SECOND, profile
from tests.calls.sound import tone

NEVER = profile(Policy(turns=TurnPolicy(interrupt=Interrupt.NEVER)))
AFTER = profile(Policy(turns=TurnPolicy(interrupt=Interrupt.AFTER, after=Ms(300))))
RESUME = profile(Policy(turns=TurnPolicy(doubt=Doubt.RESUME)))
GO_ON = profile(Policy(turns=TurnPolicy(doubt=Doubt.GO_ON)))
GREETING = profile(Policy(greeting="Hello.", turns=TurnPolicy(greeting_interruptible=False)))


def hears_sound(model: ScriptedModel, since: float) -> bool:
    """Whether anything but silence came to the model."""
    return any(
        max(each.event.audio) > 0
        for each in model.heard
        if isinstance(each.event, InputAudioBufferAppend) and each.at > since
    )


async def murmur(stage: "Stage | AudioCodesStage", ms: int) -> None:
    """The caller makes a sound."""
    words = tone(300, ms, stage.caller.media.rate) if isinstance(stage, AudioCodesStage) else None
    await stage.caller.say(mulaw_encode(tone(300, ms, 8000)) if words is None else words)


def test_a_model_that_may_not_be_interrupted_hears_silence_while_it_speaks() -> None:
    """And hears the caller again when it has been heard to its end."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.hear(Ms(200))
        spoken = trio.current_time()
        await murmur(stage, 1000)
        assert not hears_sound(model, spoken)
        await stage.caller.quiet(Ms(500))
        spoken = trio.current_time()
        await murmur(stage, 500)
        assert hears_sound(model, spoken)
        assert stage.caller.heard_bytes == 2 * 8000
        await stage.caller.hang_up()

    assert play(script, profile=NEVER).barge_ins == 0


def test_it_hears_again_where_there_are_no_marks() -> None:
    """VoiceAI Connect returns none: the pacing clock says when everything was heard."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.accepted()
        await model.say("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.quiet(Ms(500))
        await trio.sleep(2.5)
        spoken = trio.current_time()
        await murmur(stage, 500)
        assert hears_sound(model, spoken)
        await stage.caller.hang_up()

    play_audiocodes(script, Conversation(formats=("raw/lpcm16_24",)), profile=NEVER)


def test_speech_that_was_told_late_does_not_interrupt_either() -> None:
    """It began before the model did, and its event comes after."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.hear(Ms(100))
        await model.speech_started()
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 2 * 8000
        await stage.caller.hang_up()

    assert play(script, profile=NEVER).barge_ins == 0


def test_a_greeting_that_may_not_be_interrupted_is_heard_whole_and_the_next_answer_may_be() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.expect(ResponseCreate)
        spoken = trio.current_time()
        await model.say("item-1", SECOND * 2, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await murmur(stage, 500)
        assert not hears_sound(model, spoken)
        await stage.caller.quiet(Ms(500))
        await model.say("item-2", SECOND * 2, response_id="response-2")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        assert (await model.expect(ConversationItemTruncate)).item_id == "item-2"
        await stage.caller.hang_up()

    assert play(script, profile=GREETING).barge_ins == 1


def test_what_was_said_before_such_a_greeting_does_not_interrupt_it() -> None:
    """While the model was being dialled. It would, if it were told now."""

    async def script(stage: Stage) -> None:
        model = await stage.dialled()
        await murmur(stage, 1000)
        await model.opening()
        await trio.sleep(1)
        assert model.audio
        assert not hears_sound(model, 0)
        await stage.caller.hang_up()

    play(script, profile=GREETING)


def test_a_short_word_does_not_interrupt() -> None:
    """200 ms of "uh-huh"; the service says 500 ms later that it is over. No answer is asked for."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await trio.sleep(0.7)
        await model.speech_stopped()
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 3 * 8000
        assert model.said(ResponseCreate) == []
        await stage.caller.hang_up()

    assert play(script, profile=AFTER).barge_ins == 0


@pytest.mark.parametrize(("played", "by"), [(AFTER, 0.8), (RESUME, 0.0), (GO_ON, 0.0)])
def test_words_interrupt_and_are_answered(played: Profile, by: float) -> None:
    """Where turns are ours the service neither cancels nor answers: both are asked for."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 5, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        assert (await model.expect(ResponseCancel)).response_id == "response-1"
        cut = await model.expect(ConversationItemTruncate)
        assert abs(cut.audio_end_ms - 500 - by * 1000) <= 40
        await model.response_done("response-1", status="cancelled", reason="client_cancelled")
        await trio.sleep(2)
        assert model.said(ResponseCreate) == []
        await model.speech_stopped()
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    assert play(script, profile=played).barge_ins == 1


def test_a_noise_makes_the_model_pause_and_go_on_where_it_was() -> None:
    """Silence at once, and 100 ms of cough later, when it is told as over, the unheard rest, not a sample more."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await trio.sleep(0.05)
        paused = stage.caller.heard_bytes
        await trio.sleep(0.55)
        assert stage.caller.heard_bytes == paused
        await model.speech_stopped()
        await stage.caller.quiet(Ms(500))
        assert abs(stage.caller.heard_bytes - 3 * 8000) <= 2 * 160
        assert model.said(ConversationItemTruncate) == []
        assert model.said(ResponseCreate) == []
        assert any(isinstance(each.message, Clear) for each in stage.caller.received)
        await stage.caller.hang_up()

    assert play(script, profile=RESUME).barge_ins == 0


def test_a_noise_that_interrupted_makes_the_model_begin_anew() -> None:
    """It is told why, and what was heard; the noise itself is not answered."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await model.expect(ConversationItemTruncate)
        await trio.sleep(0.6)
        await model.speech_stopped()
        asked = await model.expect(ResponseCreate)
        assert asked.response is not None
        assert asked.response.instructions is not None
        assert "by a noise" in asked.response.instructions
        await trio.sleep(5)
        assert len(model.said(ResponseCreate)) == 1
        await stage.caller.hang_up()

    play(script, profile=GO_ON)


def test_an_answer_that_was_interrupted_before_its_first_sound_does_not_hold_the_next() -> None:
    """In doubt the model holds; when the doubt is gone so is the hold, though there was nothing to cut."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.speech_started()
        await model.expect(ResponseCancel)
        await model.response_done("response-1", status="cancelled")
        await model.speech_stopped()
        await model.expect(ResponseCreate)
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    play(script, profile=RESUME)


def test_who_goes_on_speaking_before_the_answer_begins_is_not_talked_over() -> None:
    """A pause in mid-sentence: the answer was asked for, and is cancelled as soon as it begins."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.speech_started()
        await trio.sleep(1)
        await model.speech_stopped()
        await model.expect(ResponseCreate)
        await model.speech_started()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        assert (await model.expect(ResponseCancel)).response_id == "response-1"
        await model.response_done("response-1", status="cancelled")
        await trio.sleep(1)
        assert stage.caller.heard == ()
        await model.speech_stopped()
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=GO_ON)
