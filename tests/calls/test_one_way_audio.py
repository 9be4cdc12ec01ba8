"""Nothing comes from the caller's platform, though its socket lives: somebody notices, asks, and ends the call."""

import trio

from opusagent.audio.media import PCM16_24K
from opusagent.call.clips import built_in
from opusagent.call.policy import Patience, Policy
from opusagent.call.reasons import EndReason
from opusagent.errors import INTERNAL_ERROR
from opusagent.realtime.events import InputAudioBufferAppend, ResponseCreate
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.play import Stage, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Ms, Pcm16
from tests.calls.acts import SECOND, profile

QUESTION = "Are they there?"
ASKING = profile(Policy(are_you_there=QUESTION, clips=built_in(PCM16_24K)))
NOBODY = "no audio comes from the caller's platform"


def test_a_caller_of_whom_nothing_comes_is_asked_and_the_call_ends() -> None:
    """Asked after ten seconds without a frame, ended after ten more; the caller, who may hear us, hears that."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await trio.sleep(3)
        stage.caller.is_mute = True
        begun = trio.current_time()
        wish = await model.expect(ResponseCreate, within=11)
        assert 9.9 <= trio.current_time() - begun <= 10.1
        assert wish.response is not None
        assert QUESTION in (wish.response.instructions or "")
        await model.say("item", SECOND, response_id="response")
        ended = await stage.caller.until_ended()
        assert 20 <= ended.at - begun <= 22
        assert (ended.code, stage.caller.heard_bytes) == (INTERNAL_ERROR, 8 * (1000 + 900))

    report = play(script, profile=ASKING)
    assert (report.end, report.end_detail) == (EndReason.CALLER_SILENT, "nothing for 20 s")
    assert report.silences == {NOBODY: 2}


def test_a_line_that_carries_sound_again_goes_on() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        stage.caller.is_mute = True
        await model.expect(ResponseCreate, within=11)
        await model.say("item", SECOND, response_id="response")
        stage.caller.is_mute = False
        await trio.sleep(30)
        await stage.caller.hang_up()

    report = play(script, profile=ASKING)
    assert (report.end, report.silences) == (EndReason.CALLER_HUNG_UP, {NOBODY: 1})


def test_a_platform_that_never_sends_a_frame_is_noticed_too() -> None:
    async def script(stage: Stage) -> None:
        stage.caller.is_mute = True
        model = await stage.answered()
        await model.expect(ResponseCreate, within=11)
        await model.say("item", SECOND, response_id="response")
        await stage.caller.until_ended()

    assert play(script, profile=ASKING).end is EndReason.CALLER_SILENT


def test_a_word_that_is_cut_off_ends_as_a_turn_ends() -> None:
    """The service waits for silence, which it counts in audio: it gets some, and no question into the caller's word."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.speech_started()
        stage.caller.is_mute = True
        await trio.sleep(9)
        before = len(model.audio)
        await trio.sleep(2)
        assert PCM16_24K.ms_of(len(model.audio) - before) == 1000
        await model.speech_stopped()
        await model.say("item", SECOND, response_id="response")
        assert not model.said(ResponseCreate)
        stage.caller.is_mute = False
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play(script, profile=ASKING)
    assert (report.end, report.silences) == (EndReason.CALLER_HUNG_UP, {NOBODY: 1})


def test_a_platform_that_sends_nothing_while_it_plays_is_no_fault() -> None:
    """VoiceAI Connect without `bargeIn` opens no user stream as long as it plays something."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("greeting", Pcm16(SECOND * 25), response_id="response-1")
        await stage.caller.hear(Ms(25_000))
        await stage.caller.say(bytes(16_000))
        await model.say("answer", Pcm16(SECOND * 25), response_id="response-2")
        await stage.caller.hear(Ms(25_000))
        await stage.caller.say(bytes(16_000))
        assert model.said(InputAudioBufferAppend)
        assert not model.said(ResponseCreate)
        await stage.caller.hang_up()

    report = play_audiocodes(script, Conversation(barges_in=False), profile=ASKING)
    assert (report.end, report.silences) == (EndReason.CALLER_HUNG_UP, {})


def test_a_user_stream_that_is_stopped_is_no_fault() -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.say(bytes(16_000))
        await stage.caller.pause()
        await trio.sleep(60)
        await stage.caller.hang_up()

    report = play_audiocodes(script, profile=ASKING)
    assert (report.end, report.silences) == (EndReason.CALLER_HUNG_UP, {})


def test_a_user_stream_that_is_never_opened_is_one() -> None:
    """The caller listens to the greeting first; no sound is due meanwhile."""

    async def script(stage: AudioCodesStage) -> None:
        await stage.caller.pause()
        model = await stage.answered()
        await model.say("greeting", Pcm16(SECOND * 15), response_id="response-1")
        await stage.caller.hear(Ms(15_000))
        begun = trio.current_time()
        await model.expect(ResponseCreate, within=11)
        assert 9 <= trio.current_time() - begun <= 11
        await model.say("question", SECOND, response_id="response-2")
        await stage.caller.until_ended()

    assert play_audiocodes(script, profile=ASKING).end is EndReason.CALLER_SILENT


def test_the_bound_is_configured() -> None:
    async def script(stage: Stage) -> None:
        await stage.answered()
        stage.caller.is_mute = True
        await stage.caller.until_ended()

    hasty = profile(Policy(patience=Patience(no_audio_seconds=2)))
    report = play(script, profile=hasty)
    assert (report.end, report.end_detail) == (EndReason.CALLER_SILENT, "nothing for 4 s")
    assert report.seconds < 5
