"""Whatever may be done about a silence is done, the caller hears it, and the report says it and why."""

import attrs
import pytest
import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K, Encoding
from opusagent.audio.vad.silero import SpeechNet
from opusagent.audio.wav import header
from opusagent.call.clips import Clips, Sounds, built_in, sound_in
from opusagent.call.hearing import Hearing, HearingSettings
from opusagent.call.policy import Patience, Policy
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.demo.ear import heard_to_its_end
from opusagent.demo.speech import load
from opusagent.errors import RemoteProtocolError
from opusagent.realtime.events import (
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    Response,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
)
from opusagent.testing.play import BY_TWILIO, Script, Stage, play
from opusagent.units import HZ_8K, Hz, Ms
from tests.calls.acts import SECOND, ScriptedHands, profile

WAIT, SORRY = load("clinic_moment"), load("clinic_goodbye")


def wav(name: str) -> bytes:
    words = load(name)
    return header(1, HZ_8K, len(words), Encoding.MULAW) + words


RECORDED = Sounds(sound_in(wav("clinic_moment")), sound_in(wav("clinic_goodbye"))).clips(PCM16_24K)


def told(report: CallReport, *words: str) -> list[bool]:
    """Whether each of `words` is in the call's story."""
    story = "\n".join(line.what for line in report.story)
    return [each in story for each in words]


async def is_owed_an_answer(stage: Stage) -> None:
    model = await stage.answered()
    await model.speech_started()
    await model.speech_stopped()


def play_with_ears(script: Script) -> CallReport:
    """A call in which our own ears hear, and the service decides."""
    hearing = Hearing(SpeechNet(), HearingSettings())

    async def attended(stage: Stage) -> None:
        async with trio.open_nursery() as ears:
            ears.start_soon(hearing.listen)
            await script(stage)
            ears.cancel_scope.cancel()

    return attrs.evolve(BY_TWILIO, profile=profile(Policy(clips=built_in(PCM16_24K))), hearing=hearing).play(attended)


@pytest.mark.parametrize("status", ["completed", "incomplete", "cancelled", "failed"])
def test_an_answer_that_holds_nothing_is_asked_for_again(status: str) -> None:
    """No sound, no call, nobody has interrupted: the caller waits for it as they do for one that does not come."""

    async def script(stage: Stage) -> None:
        await is_owed_an_answer(stage)
        model = stage.models[0]
        await model.send(InputAudioBufferCommitted(item_id="caller-1"))
        await model.send(ResponseCreated(response=Response(id="response-1")))
        await model.send(ResponseDone(response=Response(id="response-1", status=status)))
        since = trio.current_time()
        await model.expect(InputAudioBufferCommit, within=2.5)
        await model.error("input_audio_buffer_commit_empty")
        await model.expect(ResponseCreate, within=3.5)
        await model.say("item-1", SECOND, response_id="response-2")
        await stage.caller.hear(Ms(1000))
        assert trio.current_time() - since < 7
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy()))
    assert report.silences["the model did not react to what the caller said"] == 1


def test_a_model_that_did_not_react_is_asked_again() -> None:
    """Once, two seconds after the last word and not after the first; before anything is played."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(500))
        await stage.caller.say(load("appointment"))
        since = trio.current_time()
        await model.expect(InputAudioBufferCommit)
        assert 1.5 < trio.current_time() - since < 2.5
        await trio.sleep(0.1)
        assert model.said(ResponseCreate) == [], "it would overtake what it is to answer"
        await model.send(InputAudioBufferCommitted(item_id="caller-1"))
        await model.expect(ResponseCreate)
        await model.say("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play_with_ears(script)
    assert told(report, "the model did not react to what the caller said: the model is asked again") == [True]
    assert report.silences == {"the model did not react to what the caller said": 1}


@pytest.mark.parametrize("heard", [WAIT, None])
def test_a_sound_is_played_a_recorded_one_if_there_is_one(heard: bytes | None) -> None:
    clips = built_in(PCM16_24K) if heard is None else RECORDED
    expected = heard or Converter(PCM16_24K, MULAW_8K).push(clips.wait)

    async def script(stage: Stage) -> None:
        await is_owed_an_answer(stage)
        await stage.caller.hear(Ms(100))
        await stage.caller.quiet(Ms(300))
        assert heard_to_its_end(expected, b"".join(each.audio for each in stage.caller.heard)) > 0.9
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(clips=clips)))
    assert told(report, "the model owes an answer: a sound is played") == [True]


def test_a_recorded_apology_is_heard_to_its_end_before_the_call_ends() -> None:
    sound: list[bytes] = []

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error("insufficient_quota", "no money")
        await stage.caller.until_ended()
        sound.append(b"".join(each.audio for each in stage.caller.heard))

    report = play(script, profile=profile(Policy(clips=RECORDED)))
    assert heard_to_its_end(SORRY, sound[0]) > 0.9
    assert (report.end, report.end_detail) == (EndReason.MODEL_REFUSED, "insufficient_quota: no money")
    assert told(report, "given up, because: model refused the session; an apology is played") == [True]


def test_a_caller_is_passed_on_and_the_report_says_why() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error("insufficient_quota", "no money")
        await trio.sleep(1)
        await stage.caller.hang_up()

    policy = Policy(clips=built_in(PCM16_24K), patience=Patience(fallback="desk"))
    report = play(script, profile=profile(policy, ScriptedHands()))
    assert (
        told(
            report,
            "because: model refused the session",
            "the call cannot go on; the caller was to be passed on to desk",
        )
        == [True] * 2
    )


def test_what_is_not_recorded_is_a_tone() -> None:
    tones = built_in(PCM16_24K)
    assert Sounds(wait=sound_in(wav("clinic_moment"))).clips(PCM16_24K) == Clips(RECORDED.wait, tones.apology)
    assert Sounds().clips(PCM16_24K) == tones


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF",
        header(2, HZ_8K, 16000) + bytes(16000),
        header(1, Hz(44_100), 16000) + bytes(16000),
        header(1, HZ_8K, 0),
        header(1, HZ_8K, 16_000 * 21) + bytes(16_000 * 21),
    ],
)
def test_what_cannot_be_played_to_a_caller_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        sound_in(data)
