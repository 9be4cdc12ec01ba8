"""Turns by our own ears, with real speech: they hear it, end the turn, and ask for the answer; and they interrupt."""

import attrs
import trio

from opusagent.audio.vad.silero import SpeechNet
from opusagent.call.hearing import Hearing, HearingSettings
from opusagent.call.policy import Interrupt, Policy, TurnPolicy
from opusagent.call.report import CallReport
from opusagent.demo.speech import load
from opusagent.platforms.twilio import Clear
from opusagent.realtime.events import (
    ConversationItemTruncate,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    ResponseCancel,
    ResponseCreate,
)
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import BY_TWILIO, Script, Stage
from opusagent.units import Ms
from tests.calls.acts import SECOND, profile

STOP_FRAMES = 16
"""Half a second of silence ends a turn: the pauses within a sentence are shorter."""

LOCAL = TurnPolicy(local=True, lag=0.544)


def play_with_ears(script: Script, turns: TurnPolicy = LOCAL) -> CallReport:
    """Play `script` in a call that hears for itself."""
    hearing = Hearing(SpeechNet(), HearingSettings(stop_frames=STOP_FRAMES))

    async def attended(stage: Stage) -> None:
        async with trio.open_nursery() as ears:
            ears.start_soon(hearing.listen)
            await script(stage)
            ears.cancel_scope.cancel()

    return attrs.evolve(BY_TWILIO, profile=profile(Policy(turns=turns)), hearing=hearing).play(attended)


async def answer_a_turn(model: ScriptedModel, number: int, seconds: int) -> None:
    """What the service does when it is told that a turn is over."""
    await model.expect(InputAudioBufferCommit)
    await model.send(InputAudioBufferCommitted(item_id=f"caller-{number}"))
    await model.expect(ResponseCreate)
    await model.say(f"item-{number}", SECOND * seconds, response_id=f"response-{number}")


def test_a_sentence_is_one_turn_and_is_answered() -> None:
    """Committed once, half a second and a chunk or two after its last sound, with all of it before the commit."""
    words = load("appointment")
    ended: list[float] = []

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(500))
        await stage.caller.say(words)
        ended.append(trio.current_time())
        await model.expect(InputAudioBufferCommit)
        late = trio.current_time() - ended[0]
        assert 0.4 < late < 0.7
        assert len(model.audio) >= len(words) * 6
        await model.send(InputAudioBufferCommitted(item_id="caller-1"))
        await model.expect(ResponseCreate)
        await model.say("item-1", SECOND, response_id="response-1")
        await stage.caller.quiet(Ms(1500))
        assert len(model.said(InputAudioBufferCommit)) == 1
        assert len(model.said(ResponseCreate)) == 1
        await stage.caller.hang_up()

    report = play_with_ears(script)
    assert report.caller_turns == 1
    assert [turn.waited is not None and 0.4 < turn.waited < 0.8 for turn in report.turns] == [True]


def test_our_ears_interrupt_and_the_interruption_is_a_turn() -> None:
    """The platform is cleared a few chunks after the first sound; the service is told to stop, and what was heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.say(load("goodbye"))
        await model.expect(InputAudioBufferCommit)
        await model.send(InputAudioBufferCommitted(item_id="caller-1"))
        await model.expect(ResponseCreate)
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 10, response_id="response-1")
        await stage.caller.hear(Ms(2000))
        began = trio.current_time()
        await stage.caller.say(load("interruption"))
        assert (await model.expect(ResponseCancel)).response_id == "response-1"
        cut = await model.expect(ConversationItemTruncate)
        cleared = next(each.at for each in stage.caller.received if isinstance(each.message, Clear))
        assert cleared - began < 0.35
        assert abs(cut.audio_end_ms - 2000 - (cleared - began) * 1000) <= 40
        await model.response_done("response-1", status="cancelled", reason="client_cancelled")
        await answer_a_turn(model, 2, 1)
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    assert play_with_ears(script).barge_ins == 1


def test_who_may_not_interrupt_makes_no_turn_while_the_model_speaks() -> None:
    """Our ears hear the caller; the model hears silence, and is not told of a turn that it did not hear."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 4, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await stage.caller.say(load("interruption"))
        await stage.caller.quiet(Ms(300))
        assert model.said(InputAudioBufferCommit) == []
        await stage.caller.say(load("goodbye"))
        await answer_a_turn(model, 2, 1)
        await stage.caller.hang_up()

    report = play_with_ears(script, attrs.evolve(LOCAL, interrupt=Interrupt.NEVER))
    assert (report.barge_ins, report.caller_turns) == (0, 1)


def test_silence_is_no_turn() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(5000))
        assert model.said(InputAudioBufferCommit) == []
        assert model.said(ResponseCreate) == []
        await stage.caller.hang_up()

    assert play_with_ears(script).caller_turns == 0
