"""A spare that is in trouble, and an old session that is: the call goes on with whichever is there."""

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from opusagent.audio.media import MULAW_8K
from opusagent.call.ending import Ending
from opusagent.call.moments import ModelBack, ModelLost, RolledOver, SpareLost
from opusagent.call.reasons import EndReason
from opusagent.call.rollover import RECHECK, SETTLE
from opusagent.call.voice import CUT_OFF
from opusagent.errors import PeerRefused
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import (
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreate,
    SessionUpdate,
)
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, Theatre
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms
from tests.calls.growing_old import (
    AGE,
    SECOND,
    UNGREETED,
    ask,
    play,
    play_with_voice,
    said_so_far,
    spare,
    turn,
    until_relieved,
)
from tests.calls.old_age import aging, distinct, seeds_of

# -- a spare in trouble -----------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class GuardedStage(Stage):
    """A service whose door answers with `statuses`, one after the other, before it lets anybody in."""

    statuses: list[int] = attrs.field(factory=list[int], init=False)
    tries: list[float] = attrs.field(factory=list[float], init=False)

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """As the door says."""
        self.tries.append(trio.current_time())
        if not self.statuses:
            return await super().dial(plumbing)
        await trio.lowlevel.checkpoint()
        raise PeerRefused("no", status=self.statuses.pop(0))


def test_a_spare_that_cannot_be_had_is_tried_again_with_patience_while_the_first_serves() -> None:
    """Whatever the door answers: what is refused to a spare ends no call."""
    plays: list[GuardedStage] = []

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> GuardedStage:
        plays.append(GuardedStage(ScriptedTwilioCaller(platform, frame_bytes=800), platform, Ending(), scenery))
        return plays[-1]

    async def script(stage: GuardedStage) -> None:
        first = await stage.answered()
        stage.statuses = [503, 401, 429, 500]
        await trio.sleep(AGE + 2)
        await turn(stage, first, 1)
        second = await spare(stage)
        await until_relieved(first)
        assert seeds_of(second) == said_so_far(1)
        await stage.caller.hang_up()

    report = Theatre(cast, TwilioDialect, UNGREETED, aging(120, AGE)).play(script)
    assert (report.end, len(report.rollovers), report.model_gaps) == (EndReason.CALLER_HUNG_UP, 1, ())
    waits = [later - earlier for earlier, later in zip(plays[0].tries[1:], plays[0].tries[2:], strict=False)]
    assert len(waits) == 4
    assert all(0.5 * 2**place <= wait <= 1.5 * 2**place for place, wait in enumerate(waits))
    lost = [each for each in plays[0].moments if isinstance(each, SpareLost)]
    assert [each.why for each in lost][:2] == ["model could not be reached: no", "model refused the session: no"]


async def refuse(model: ScriptedModel) -> None:
    await model.error("insufficient_quota", "no money")


async def hang_up(model: ScriptedModel) -> None:
    await model.hang_up(1011, "busy")


async def never_configure(model: ScriptedModel) -> None:
    await model.expect(SessionUpdate)


async def refuse_settings(model: ScriptedModel) -> None:
    await model.send_text('{"type": "session.created", "event_id": "e", "session": {}}')
    await model.expect(SessionUpdate)
    await model.error("unknown_parameter", "no such key")


@pytest.mark.parametrize("trouble", [refuse, hang_up, refuse_settings])
def test_a_fault_of_the_spare_is_none_of_the_calls(trouble: Callable[[ScriptedModel], Awaitable[None]]) -> None:
    """Another spare is opened; the caller hears nothing of it."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await trouble(await stage.another(2))
        await turn(stage, first, 1)
        third = await spare(stage, 3)
        await until_relieved(first)
        assert seeds_of(third) == said_so_far(1)
        assert stage.models[1].left is not None
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, len(report.rollovers), report.model_gaps, report.silences) == (
        EndReason.CALLER_HUNG_UP,
        1,
        (),
        {},
    )


def test_a_spare_that_is_lost_while_the_sound_is_held_gives_it_back() -> None:
    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await spare(stage)
        await trio.sleep(RECHECK + SETTLE / 2)
        stage.legs[1].vanish()
        await trio.sleep(0.2)
        assert len(first.audio) >= MULAW_8K.bytes_of(Ms(10_300))

    assert play_with_voice(script, 11).rollovers == ()


def test_a_spare_that_freezes_is_noticed_and_replaced() -> None:
    """No event, no pong: as with any session."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await trio.sleep(AGE - 0.5)
        await first.speech_started()
        await spare(stage)
        stage.legs[1].stall()
        third = await stage.another(3)
        await third.opening()
        await first.speech_stopped()
        await first.say("answer", SECOND, response_id="r", transcript="Answer.", media=MULAW_8K)
        await until_relieved(first)
        await stage.caller.hang_up()

    assert len(play(script).rollovers) == 1


# -- the first session in trouble -------------------------------------------------------------------------------------


def test_a_session_that_is_lost_while_its_spare_is_being_opened_is_replaced_by_that() -> None:
    """Nobody dials a third time, and what the caller said and nobody answered is heard by the second."""
    voice = distinct(13 * 8000)

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        async with trio.open_nursery() as mouth:
            mouth.start_soon(stage.caller.say, voice)
            second = await stage.another()
            stage.legs[0].vanish()
            await trio.sleep(1)
            await second.opening()
        await trio.sleep(0.2)
        assert len(stage.models) == 2
        assert voice.endswith(second.audio[: len(voice) - voice.index(second.audio[:16])])
        assert voice.index(second.audio[:16]) <= len(first.audio)
        await stage.caller.hang_up()

    report = play(script)
    assert (report.rollovers, len(report.model_gaps)) == ((), 1)
    assert 0.9 < report.model_gaps[0] < 1.1


def test_a_session_that_is_lost_while_its_spare_waits_is_replaced_at_once() -> None:
    """With what is owed: the turn that was not answered is heard again, and answered."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await turn(stage, first, 1)
        await trio.sleep(AGE - 3)
        await ask(first, 2)
        second = await spare(stage)
        stage.legs[0].vanish()
        await second.expect(ResponseCreate)
        assert seeds_of(second) == said_so_far(1)
        await second.say("answer-2", SECOND, response_id="r", transcript="Answer 2.", media=MULAW_8K)
        await stage.caller.hear(Ms(1000))
        assert [type(each) for each in stage.moments if isinstance(each, ModelLost | ModelBack | RolledOver)] == [
            ModelLost,
            ModelBack,
        ]
        await stage.caller.hang_up()

    report = play(script)
    assert report.model_gaps == (0.0,)
    assert report.audio.model_heard == 2000


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_what_a_spare_was_told_that_is_lost_too_is_told_to_the_next(gap: float) -> None:
    """Both are lost in one outage, while the caller speaks into the change; the third knows all of it."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await turn(stage, first, 1)
        second = await spare(stage)
        await trio.sleep(RECHECK + SETTLE / 2)
        assert seeds_of(second) == said_so_far(1)
        await first.speech_started("turn-2", at_ms=MULAW_8K.ms_of(len(first.audio)))
        await trio.sleep(0.1)
        stage.legs[1].vanish()
        await trio.sleep(gap)
        stage.legs[0].vanish()
        third = await spare(stage, 3)
        await trio.sleep(0.1)
        assert seeds_of(third) == said_so_far(1)
        await stage.caller.hang_up()

    play(script)


def test_where_no_boundary_comes_the_end_of_the_session_is_the_change() -> None:
    """The model speaks through the longest time of its session: the spare goes on where it stopped, at once."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await trio.sleep(AGE - 1)
        await first.begin("item-1", response_id="response-1")
        await first.delta("item-1", SECOND * 20, response_id="response-1")
        second = await spare(stage)
        await trio.sleep(10)
        await first.error("session_expired", "Your session hit the maximum duration of 60 minutes.")
        wish = await second.expect(ResponseCreate)
        assert CUT_OFF in ((wish.response.instructions if wish.response else "") or "")
        await second.say("item-1", SECOND, response_id="response-1", transcript="Go on.", media=MULAW_8K)
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 21 * 8000
        await stage.caller.hang_up()

    report = play(script)
    assert (report.rollovers, report.model_gaps, report.silences) == ((), (0.0,), {})


def test_a_caller_who_speaks_through_it_is_heard_whole_by_the_spare() -> None:
    voice = distinct(20 * 8000)

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        async with trio.open_nursery() as mouth:
            mouth.start_soon(stage.caller.say, voice)
            await trio.sleep(AGE - 1)
            begun = MULAW_8K.ms_of(len(first.audio))
            await first.send(InputAudioBufferSpeechStarted(item_id="turn", audio_start_ms=begun))
            second = await spare(stage)
            await trio.sleep(5)
            assert second.audio == b""
            await first.error("session_expired")
            await trio.sleep(1)
            await second.send(InputAudioBufferSpeechStarted(item_id="turn", audio_start_ms=0))
        await second.send(InputAudioBufferSpeechStopped(item_id="turn", audio_end_ms=10_000))
        await second.send(InputAudioBufferCommitted(item_id="turn"))
        await trio.sleep(0.3)
        place = voice.index(second.audio[:16])
        assert place <= MULAW_8K.bytes_of(Ms(begun))
        assert second.audio[: len(voice) - place] == voice[place:]
        await stage.caller.hang_up()

    report = play(script)
    assert (report.rollovers, report.model_gaps) == ((), (0.0,))
