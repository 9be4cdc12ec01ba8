"""A call by AudioCodes may end at any instant: the report says so, all sound is accounted for, no rule is broken."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.errors import PeerGone
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.audiocodes_rules import FORMATS
from opusagent.testing.model import NotSaid
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Pcm16

ANSWER = Pcm16((2000).to_bytes(2, "little") * 24_000)


async def converse(stage: AudioCodesStage) -> None:
    """A slow model, an answer, an interruption, a broken line, and an answer that goes on after it: five seconds."""
    model = await stage.dialled()
    await trio.sleep(0.3)
    await model.opening()
    await model.say("item-1", ANSWER, response_id="response-1")
    await trio.sleep(0.8)
    await model.speech_started()
    await trio.sleep(0.3)
    await model.speech_stopped()
    await model.say("item-2", ANSWER * 3, response_id="response-2", pause=0.02)
    await stage.caller.break_line(stage.platform.vanish)
    await trio.sleep(0.5)
    await stage.reconnect()
    await trio.sleep(3)


def played(end: Callable[[AudioCodesStage], Awaitable[None]], after: float, conversation: Conversation) -> CallReport:
    """The conversation, ended after so many seconds."""

    async def script(stage: AudioCodesStage) -> None:
        async with trio.open_nursery() as talk:
            talk.start_soon(partial(until_it_ends, stage))
            await trio.sleep(after)
            await end(stage)
            await stage.caller.until_ended()
            talk.cancel_scope.cancel()
        assert stage.caller.complaints == []

    return play_audiocodes(script, conversation)


async def until_it_ends(stage: AudioCodesStage) -> None:
    """Whoever is in the middle of something when the line ends has nobody to talk to any more."""
    try:
        await converse(stage)
    except PeerGone:
        await trio.sleep_forever()
    except NotSaid:
        if not stage.models[-1].left:
            raise
        await trio.sleep_forever()  # the end came in the very instant in which the model was to be configured


async def leaves(stage: AudioCodesStage) -> None:
    """The caller hangs up."""
    await stage.caller.hang_up()


async def stops(stage: AudioCodesStage) -> None:
    """The daemon stops."""
    await trio.lowlevel.checkpoint()
    stage.ending.shut_down()


conversations = st.builds(
    Conversation,
    formats=st.sampled_from([(name,) for name in FORMATS]),
    barges_in=st.booleans(),
    names_caller_first=st.booleans(),
)


@settings(max_examples=25)
@given(st.floats(0.001, 5), conversations)
def test_a_caller_may_leave_at_any_instant(after: float, conversation: Conversation) -> None:
    report = played(leaves, after, conversation)
    assert report.end in {EndReason.CALLER_HUNG_UP, EndReason.CALLER_LOST}
    audio = report.audio
    assert audio.model_pushed == audio.model_heard + audio.model_discarded + audio.model_held


@settings(max_examples=25)
@given(st.floats(0.001, 5), conversations)
def test_the_daemon_may_stop_at_any_instant(after: float, conversation: Conversation) -> None:
    report = played(stops, after, conversation)
    assert report.end is EndReason.SHUTTING_DOWN
    audio = report.audio
    assert audio.model_pushed == audio.model_heard + audio.model_discarded + audio.model_held
