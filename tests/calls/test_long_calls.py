"""An hour on the telephone with sessions that live for a minute: nobody notices."""

from itertools import repeat
from random import Random

import attrs
import trio

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.audio.resample import Resampler
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import ResponseCreate
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.play import Stage, Theatre
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import HZ_8K, HZ_24K, Mulaw
from tests.calls.acts import ScriptedHands, taking
from tests.calls.old_age import OldAge, aging, distinct, greeted, heard_by, in_large_frames, seeds_of

HOUR = 3600
SILENCE = MULAW_8K.silence
BY_TWILIO = Theatre(in_large_frames, TwilioDialect, greeted(), aging(2 * HOUR))
TOOLS = ScriptedHands({"look_up": taking(0.3, "look_up is done")})


async def talk(old_age: OldAge, seconds: float, dice: Random) -> None:
    """A greeting, then turns and now and then a tool, at any instants, until the time is over."""
    until = trio.current_time() + seconds
    await old_age.greet()
    number = 0
    while trio.current_time() < until - 20:
        await trio.sleep(dice.uniform(1, 38))
        number += 1
        await old_age.turn(number, dice.uniform(0.2, 3))
        if number % 15 == 5:
            await old_age.use_tool(number, "look_up")


async def talk_and_listen(stage: Stage | AudioCodesStage, old_age: OldAge, seconds: int, voice: bytes) -> None:
    """The caller says `voice`, whatever the service makes of it, and hangs up when both have said everything."""
    async with trio.open_nursery() as scene:
        scene.start_soon(old_age.serve)
        async with trio.open_nursery() as talks:
            talks.start_soon(stage.caller.say, voice)
            talks.start_soon(talk, old_age, seconds, Random(seconds))  # noqa: S311 - a script
        await stage.caller.hang_up()
        scene.cancel_scope.cancel()


def check_sound(heard: bytes, voice: bytes, report: CallReport) -> None:
    """All that the caller sent, once and in order: `voice`, and silence until they hung up."""
    assert heard == voice.ljust(len(heard), SILENCE)
    assert report.audio.caller_received == report.audio.model_appended == MULAW_8K.ms_of(len(heard))
    assert report.audio.caller_dropped == 0


def begins(said: tuple[str, str], told: tuple[str, str]) -> bool:
    """Whether what was told is what was said, as far as a line that broke let it be heard."""
    return said[0] == told[0] and said[1].startswith(told[1]) and (said[0] == "assistant" or said == told)


def check(stage: Stage | AudioCodesStage, old_age: OldAge, report: CallReport) -> None:
    """Nobody was greeted or answered twice, and the last session knows all of it, in order."""
    wishes = sum(len(model.said(ResponseCreate)) for model in stage.models)
    assert wishes == 1 + sum(kind == "function_call" for kind, _ in old_age.told)
    assert report.audio.model_heard + report.audio.model_discarded == old_age.said
    assert report.model_gaps == ()
    assert len(report.rollovers) == len([model for model in stage.models if model.audio]) - 1
    last = [model for model in stage.models if model.audio][-1]
    told = seeds_of(last)
    assert all(begins(said, words) for words, said in zip(told, old_age.told, strict=False)), (told, old_age.told)
    assert len(told) >= len(old_age.told) - 12
    assert ("function_call_output", "look_up is done") in told
    assert report.end is EndReason.CALLER_HUNG_UP


def test_an_hour_of_sessions_of_a_minute_loses_no_sample_and_says_nothing_twice() -> None:
    """Every byte that the caller said is heard by exactly one of them, in order."""
    voice, plays = distinct(HOUR * 8000), list[tuple[Stage, OldAge]]()

    async def script(stage: Stage) -> None:
        plays.append((stage, OldAge(stage)))
        await talk_and_listen(stage, plays[0][1], HOUR, voice)

    report = attrs.evolve(BY_TWILIO, profile=greeted(hands=TOOLS)).play(script)
    stage, old_age = plays[0]
    check_sound(heard_by(stage.models), voice, report)
    assert len(report.rollovers) >= 60
    check(stage, old_age, report)


async def lose_lines(stage: AudioCodesStage, dice: Random) -> None:
    """The platform's socket breaks again and again, and comes back after a while."""
    while True:
        await trio.sleep(dice.uniform(20, 120))
        await stage.caller.break_line(stage.platform.vanish)
        await trio.sleep(dice.uniform(0, 3))
        await stage.reconnect()


def test_an_hour_by_audiocodes_with_sockets_that_break_and_come_back_is_no_different() -> None:
    """What the platform has sent is heard by exactly one session; what a socket took with it is nobody's loss here."""
    voice, plays = distinct(HOUR * 8000), list[tuple[AudioCodesStage, OldAge]]()

    async def script(stage: AudioCodesStage) -> None:
        plays.append((stage, OldAge(stage)))
        async with trio.open_nursery() as lines:
            lines.start_soon(lose_lines, stage, Random(7))  # noqa: S311 - a script
            await talk_and_listen(stage, plays[0][1], HOUR, voice)
            lines.cancel_scope.cancel()

    report = play_audiocodes(
        script,
        Conversation(formats=("raw/mulaw",)),
        cuts=repeat(4001),
        profile=greeted(hands=TOOLS),
        limits=aging(2 * HOUR, resume_seconds=30),
    )
    stage, old_age = plays[0]
    check_sound(heard_by(stage.models), voice, report)
    assert len(report.rollovers) >= 60
    assert len(report.line_gaps) >= 30
    check(stage, old_age, report)


def test_the_sound_of_a_model_that_takes_pcm_is_one_stream_over_all_sessions() -> None:
    """Sample for sample what one session would have heard: the resampler does not begin anew."""
    voice, plays = Mulaw(distinct(400 * 8000)), list[Stage]()

    async def script(stage: Stage) -> None:
        plays.append(stage)
        await talk_and_listen(stage, OldAge(stage, PCM16_24K), 400, voice)

    staged = attrs.evolve(BY_TWILIO, profile=greeted("pcm", PCM16_24K, TOOLS))
    report = staged.play(script)
    heard = heard_by(plays[0].models)
    whole = voice.ljust(len(heard) // 6, SILENCE)
    assert heard == Resampler(HZ_8K, HZ_24K).push(mulaw_decode(Mulaw(whole)))
    assert len(report.rollovers) >= 6
