"""A call from its first frame to its last: who hears what, and when."""

from itertools import pairwise

import trio

from opusagent.audio.g711 import mulaw_decode, mulaw_encode
from opusagent.audio.media import MULAW_8K
from opusagent.call.exchange import Profile
from opusagent.call.policy import Policy
from opusagent.call.reasons import EndReason
from opusagent.platforms.twilio import OutboundMark, OutboundMedia
from opusagent.realtime.events import ResponseCreate
from opusagent.realtime.settings import greeting_response, session_update
from opusagent.testing.play import PROFILE, Stage, play
from opusagent.units import Ms, Pcm16
from tests.calls.sound import pitch, tone


def heard_by(stage: Stage) -> Pcm16:
    return mulaw_decode(b"".join(heard.audio for heard in stage.caller.heard))


def test_the_model_hears_every_millisecond_at_its_true_pitch() -> None:
    """The last frame has no second one to go up with, and goes up alone before the model is hung up on."""
    audio = bytearray()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.say(mulaw_encode(tone(1000, 980, 8000)))
        await stage.caller.hang_up()
        await trio.sleep(1)
        audio.extend(model.audio)

    report = play(script)
    assert (report.end, report.audio.caller_dropped) == (EndReason.CALLER_HUNG_UP, 0)
    assert report.audio.caller_received % 40 == 20
    assert len(audio) == report.audio.caller_received * 48
    assert abs(pitch(Pcm16(bytes(audio[-24_000:])), 24_000) - 1000) <= 2


def test_what_the_caller_says_while_the_model_is_dialled_is_not_lost() -> None:
    """The session is configured two seconds late; the first words are there all the same."""
    audio = bytearray()

    async def script(stage: Stage) -> None:
        model = await stage.dialled()
        await stage.caller.say(mulaw_encode(tone(700, 2000, 8000)))
        await model.opening()
        await trio.sleep(0.1)
        await stage.caller.hang_up()
        await trio.sleep(1)
        audio.extend(model.audio)

    report = play(script)
    assert report.audio.caller_dropped == 0
    assert len(audio) == report.audio.caller_received * 48
    assert abs(pitch(Pcm16(bytes(audio[:48_000])), 24_000) - 700) <= 2


def test_the_caller_hears_the_model_at_its_true_pitch_in_frames_of_160_bytes() -> None:
    """Deltas of odd sizes lose nothing; only the end of the response is padded."""
    spoken = tone(440, 1003, 24_000)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        cuts = [0, 2, 16, 682, 10_284, len(spoken)]
        for start, end in pairwise(cuts):
            await model.delta("item-1", spoken[start:end], response_id="response-1")
        await model.finish("item-1", response_id="response-1")
        await stage.caller.hear(Ms(1020))
        await trio.sleep(0.2)
        assert stage.caller.complaints == []
        assert abs(pitch(heard_by(stage), 8000) - 440) <= 2
        sizes = {
            len(each.message.media.payload) for each in stage.caller.received if isinstance(each.message, OutboundMedia)
        }
        assert sizes == {160}
        assert len(heard_by(stage)) == 1020 * 16
        assert [mark.by_clear for mark in stage.caller.echoed] == [False] * len(stage.caller.echoed)
        await stage.caller.hang_up()

    report = play(script)
    assert (report.audio.model_pushed, report.audio.model_heard) == (1020, 1020)


def test_audio_is_sent_at_once_and_never_far_ahead() -> None:
    """Ten seconds come in one burst: the first frame leaves at once, and at most 300 ms wait in the platform."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        asked = trio.current_time()
        await model.say("item-1", tone(440, 10_000, 24_000), response_id="response-1")
        lead = 0
        while stage.caller.heard_bytes < 79_000:
            await trio.sleep(0.01)
            lead = max(lead, stage.caller.queued)
        first = next(each.at for each in stage.caller.received if isinstance(each.message, OutboundMedia))
        assert first - asked < 0.001
        assert 200 < lead <= 300
        marks = sum(isinstance(each.message, OutboundMark) for each in stage.caller.received)
        assert marks <= 10_000 / 100 + 1
        await stage.caller.hang_up()

    play(script)


def test_a_greeting_is_asked_for_before_the_caller_speaks() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        asked = await model.expect(ResponseCreate)
        assert asked.response == greeting_response("Be brief.", "Say hello.").response
        await stage.caller.hang_up()

    play(script, profile=Profile(PROFILE.opening, Policy("Be brief.", "Say hello.")))


def test_mu_law_passes_through_untouched() -> None:
    """`audio = "pcmu"`: the very bytes, both ways."""
    said, spoken = mulaw_encode(tone(300, 400, 8000)), mulaw_encode(tone(900, 400, 8000))
    opening = session_update(instructions="Be brief.", voice="marin", audio="pcmu", caller=MULAW_8K)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.say(said)
        await model.say("item-1", spoken, response_id="response-1", media=MULAW_8K)
        await stage.caller.hear(Ms(400))
        assert b"".join(heard.audio for heard in stage.caller.heard) == spoken
        await stage.caller.hang_up()
        await trio.sleep(1)
        assert model.audio.count(said) == 1

    report = play(script, profile=Profile(opening, Policy("Be brief."), model_media=MULAW_8K))
    assert report.audio.model_appended == report.audio.caller_received


def test_a_delta_may_end_in_the_middle_of_a_sample() -> None:
    """The service's deltas hold whatever it has; the other half comes with the next one."""
    spoken = tone(440, 400, 24_000)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        for start, end in pairwise([0, 1, 4, 1001, len(spoken)]):
            await model.delta("item-1", spoken[start:end], response_id="response-1")
        await model.finish("item-1", response_id="response-1")
        await stage.caller.hear(Ms(400))
        assert abs(pitch(heard_by(stage), 8000) - 440) <= 3
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, report.audio.model_pushed) == (EndReason.CALLER_HUNG_UP, 400)
