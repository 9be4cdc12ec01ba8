"""Calls in which a session grows old: short ones, whose first session gets a spare after ten seconds."""

from collections.abc import Awaitable, Callable

import attrs
import trio

from opusagent.audio.media import MULAW_8K
from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.policy import Policy
from opusagent.call.report import CallReport
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import (
    ConversationItemInputAudioTranscriptionCompleted,
)
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, Theatre
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms
from tests.calls.old_age import aging, distinct, greeted, heard_by

AGE = 10.0
"""When a session gets a spare, in these calls."""

SECOND = b"\x11" * 8000
"""A second of the model's speech, in mu-law."""

UNGREETED = attrs.evolve(greeted(), policy=Policy(instructions="Be brief."))


def aging_theatre(profile: Profile = UNGREETED, age: float = AGE) -> Theatre[Stage]:
    """A caller by Twilio, whose model's sessions grow old at `age`."""

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> Stage:
        return Stage(ScriptedTwilioCaller(platform, frame_bytes=800), platform, Ending(), scenery)

    return Theatre(cast, TwilioDialect, profile, aging(120, age))


def play(script: Callable[[Stage], Awaitable[None]], profile: Profile = UNGREETED) -> CallReport:
    return aging_theatre(profile).play(script)


def play_with_voice(script: Callable[[Stage], Awaitable[None]], seconds: int) -> CallReport:
    """`script`, while the caller says something; every byte of it is heard once, by all sessions together."""
    voice, plays = distinct(seconds * 8000), list[Stage]()

    async def talk(stage: Stage) -> None:
        plays.append(stage)
        async with trio.open_nursery() as mouth:
            mouth.start_soon(stage.caller.say, voice)
            await script(stage)
        await stage.caller.hang_up()

    report = play(talk)
    heard = heard_by(plays[0].models)
    assert heard == voice.ljust(len(heard), MULAW_8K.silence)
    assert report.audio.caller_dropped == 0
    return report


async def spare(stage: Stage, number: int = 2) -> ScriptedModel:
    """The session of that number, once it is opened as a spare and configured."""
    model = await stage.another(number)
    await model.opening()
    return model


async def until_relieved(model: ScriptedModel) -> None:
    """Until the session has been relieved by another one."""
    left = await model.parted(within=60)
    assert str(left) == "the connection was closed with 1001: the call goes on in another session"


async def turn(stage: Stage, model: ScriptedModel, number: int) -> None:
    """The caller asks, and hears the answer to its end."""
    await ask(model, number)
    await model.say(
        f"answer-{number}", SECOND, response_id=f"response-{number}", transcript=f"Answer {number}.", media=MULAW_8K
    )
    await stage.caller.hear(Ms(1000))


async def ask(model: ScriptedModel, number: int, *, is_written: bool = True) -> None:
    heard = MULAW_8K.ms_of(len(model.audio))
    await model.speech_started(f"turn-{number}", at_ms=heard)
    await trio.sleep(0.5)
    await model.speech_stopped(f"turn-{number}", at_ms=heard + 400)
    if is_written:
        await write_down(model, number)


async def write_down(model: ScriptedModel, number: int) -> None:
    words = f"Question {number}."
    await model.send(
        ConversationItemInputAudioTranscriptionCompleted(item_id=f"turn-{number}", content_index=0, transcript=words)
    )


def ages(report: CallReport) -> list[float]:
    return [round(at, 2) for at in report.rollovers]


def said_so_far(count: int) -> list[tuple[str, str]]:
    """The first turns, as a session is told of them."""
    turns = ([("user", f"Question {number}."), ("assistant", f"Answer {number}.")] for number in range(1, count + 1))
    return [each for pair in turns for each in pair]
