"""How the caller's line sounded, in the report of whole calls on both platforms."""

from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import trio
from structlog.testing import capture_logs

from opusagent.audio.g711 import decode, encode
from opusagent.audio.media import MULAW_8K
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.audio.resample import Resampler
from opusagent.call.ending import Ending
from opusagent.call.moments import EchoHeard, LineJudged, Moment
from opusagent.call.report import CallReport, page
from opusagent.demo.speech import load
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket
from opusagent.testing.play import Stage, Theatre, twilio_stage
from opusagent.testing.play_audiocodes import AudioCodesStage
from opusagent.units import HZ_8K, HZ_24K, Ms, Pcm16

WORDS = decode(MULAW_8K, b"".join(load(name) for name in ("appointment", "opening_hours", "interruption")))
LIMITS = QualityThresholds(max_silent_ms=Ms(3000))
DELAY = 0.15

AnyStage = Stage | AudioCodesStage
Script = Callable[[AnyStage], Awaitable[None]]
Play = Callable[[Script], CallReport]


def by_twilio(script: Script) -> CallReport:
    return Theatre(twilio_stage, TwilioDialect, quality=LIMITS).play(script)


def by_audiocodes(script: Script) -> CallReport:
    def cast(platform: MemorySocket, scenery: trio.Nursery) -> AudioCodesStage:
        caller = ScriptedAudioCodesCaller(platform, Conversation(formats=("raw/lpcm16",)))
        return AudioCodesStage(caller, platform, Ending(), scenery)

    return Theatre(cast, AudioCodesDialect, quality=LIMITS).play(script)


platforms = pytest.mark.parametrize("play", [by_twilio, by_audiocodes])


def changed(pcm: Pcm16, gain: float, noise: float = 0.0) -> Pcm16:
    hiss = np.random.default_rng(1).normal(scale=noise, size=len(pcm) // 2) if noise else 0.0
    return pcm_of((samples_of(pcm) * gain + hiss).clip(-32768, 32767).astype(np.int16))


async def speak(stage: AnyStage, pcm: Pcm16) -> None:
    """The caller says `pcm`, which is at 8 kHz, in whatever format the platform has."""
    media = stage.caller.media
    await stage.caller.say(encode(media, Resampler(HZ_8K, media.rate).push(pcm)))


@platforms
def test_a_good_line_is_reported_as_one(play: Play) -> None:
    async def script(stage: AnyStage) -> None:
        await stage.answered()
        await speak(stage, WORDS)
        await stage.caller.hang_up()

    report = play(script)
    assert report.quality is not None
    line = report.quality.caller
    assert len(WORDS) / 16 - 1000 <= line.audio <= report.seconds * 1000
    assert line.quality_score >= 80
    assert (line.clipping_percent, line.thd_percent, line.gaps, line.holes) == (0, None, 0, 0)
    assert report.quality.echo is None
    assert "THD not available" in page(report)


@platforms
def test_a_noisy_line_is_told_once_when_it_becomes_so(play: Play) -> None:
    """In the story, to onlookers, in the log and in the summary, with a figure that is true."""
    seen: list[Moment] = []

    async def script(stage: AnyStage) -> None:
        await stage.answered()
        await speak(stage, changed(Pcm16(WORDS * 2), 1.0, noise=300.0))
        seen.extend(stage.moments)
        await stage.caller.hang_up()

    with capture_logs() as logs:
        report = play(script)
    assert report.quality is not None
    assert report.quality.raised["snr"] == 1
    told = [moment for moment in seen if isinstance(moment, LineJudged) and moment.alert.concern.value == "snr"]
    assert len(told) == 1
    assert [line["log_level"] for line in logs if line.get("concern") == "snr"] == ["warning"]
    assert sum("noisy" in happening.what for happening in report.story) == 1


@platforms
def test_a_caller_of_whom_nothing_is_heard_is_told_as_one_way_audio(play: Play) -> None:
    """Frames arrive, and there is no sound in them."""

    async def script(stage: AnyStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(5000))
        await stage.caller.hang_up()

    with capture_logs() as logs:
        report = play(script)
    assert report.quality is not None
    assert report.quality.raised == {"one_way": 1}
    assert report.quality.caller.silent_longest >= 4000
    assert [line["concern"] for line in logs if line["event"] == "line quality"] == ["one_way"]
    assert "(one-way audio)" in page(report)
    assert any("one-way audio" in happening.what for happening in report.story)


@platforms
def test_the_models_voice_on_the_callers_line_is_an_echo(play: Play) -> None:
    """It comes back `DELAY` after the caller heard it, 14 dB weaker: both are in the report, within 20 ms and 3 dB."""
    seen: list[Moment] = []

    async def script(stage: AnyStage) -> None:
        model = await stage.answered()
        await model.say("item-1", Resampler(HZ_8K, HZ_24K).push(WORDS), response_id="response-1")
        await stage.caller.hear(Ms(20))
        await trio.sleep(DELAY - 0.02)
        await speak(stage, changed(WORDS, 0.2))
        seen.extend(stage.moments)
        await stage.caller.hang_up()

    report = play(script)
    assert report.quality is not None
    echo = report.quality.echo
    assert echo is not None
    assert abs(echo.delay - 1000 * DELAY) <= 25
    assert abs(echo.return_loss_db - 14) <= 3
    assert sum(isinstance(moment, EchoHeard) for moment in seen) == 1


def test_without_settings_nothing_is_measured() -> None:
    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(2000))
        await stage.caller.hang_up()

    report = Theatre(twilio_stage, TwilioDialect).play(script)
    assert report.quality is None
    assert "caller's line: not measured" in page(report)
    assert page(report).count("not measured") == 1
