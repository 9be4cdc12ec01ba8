"""A recording that is paused in a call, as for a card number: what is left of the span, and what goes on."""

import wave
from pathlib import Path

import msgspec
import trio

from opusagent.audio.pcm import samples_of
from opusagent.call.moments import RecordingPaused, RecordingResumed
from opusagent.call.recorder import RECORDING_FILE, TRANSCRIPT_FILE
from opusagent.call.switch import RecordingSwitch
from opusagent.realtime.events import ConversationItemInputAudioTranscriptionCompleted
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.units import Mulaw, Pcm16

FOLDER = Path("2030/01/02/staged")
CARD = "4111 1111 1111 1111"


async def pay(stage: Stage) -> None:
    await talk(stage, stage.switch)


async def just_talk(stage: Stage) -> None:
    await talk(stage, RecordingSwitch())


async def talk(stage: Stage, switch: RecordingSwitch) -> None:
    """Both talk all the time. The recording is paused from second 1 to 3, and that is when the card is told."""
    model = await stage.answered()
    begun = trio.current_time()
    async with trio.open_nursery() as talking:
        talking.start_soon(stage.caller.say, Mulaw(b"\x90" * 8000 * 5))
        await model.say("item-1", Pcm16(b"\x10\x20" * 24_000 * 5), response_id="response-1", transcript="Thank you.")
        await trio.sleep_until(begun + 1)
        switch.pause()
        await tell_card(model, begun)
        await trio.sleep_until(begun + 3)
        switch.resume()
        switch.resume()
    await stage.caller.hang_up()


async def tell_card(model: ScriptedModel, begun: float) -> None:
    await model.speech_started("caller-1", at_ms=1200)
    await trio.sleep_until(begun + 2)
    await model.speech_stopped("caller-1", at_ms=2000)
    await model.send(
        ConversationItemInputAudioTranscriptionCompleted(item_id="caller-1", content_index=0, transcript=CARD)
    )


def test_a_pause_is_silence_on_the_tape_and_noted_everywhere_else(tmp_path: Path) -> None:
    """Both channels are silent for two seconds and for nothing more, and the card is nowhere on the disk."""
    report = play(pay, directory=tmp_path)
    with wave.open(str(tmp_path / FOLDER / RECORDING_FILE)) as file:
        both = samples_of(file.readframes(file.getnframes())).reshape(-1, 2)
    (pause,) = report.recording_pauses
    assert pause.ended is not None
    began, ended = round(8000 * pause.began), round(8000 * pause.ended)
    assert abs(pause.ended - pause.began - 2) < 0.001
    assert not both[began:ended].any()
    assert both[began - 400 : began - 160, 0].all()
    assert both[ended + 160 : ended + 320, 0].all()
    assert [line.what for line in report.story if "recording" in line.what] == [
        "the recording pauses",
        "the recording goes on",
    ]
    lines = [
        msgspec.json.decode(line, type=dict[str, str | int | float | None])
        for line in (tmp_path / FOLDER / TRANSCRIPT_FILE).read_bytes().splitlines()
    ]
    (told,) = [line for line in lines if line["kind"] == "unrecorded"]
    assert told == {"kind": "unrecorded", "began": round(pause.began, 3), "ended": round(pause.ended, 3)}
    kept = b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert CARD.encode() not in kept
    assert "4111" not in str(report)


def test_a_pause_changes_nothing_else_of_the_call(tmp_path: Path) -> None:
    paused, whole = play(pay, directory=tmp_path / "1"), play(just_talk, directory=tmp_path / "2")
    assert (paused.audio, paused.turns, paused.seconds) == (whole.audio, whole.turns, whole.seconds)
    assert whole.recording_pauses == ()


def test_onlookers_are_told(tmp_path: Path) -> None:
    seen: list[type[object]] = []

    async def script(stage: Stage) -> None:
        await pay(stage)
        seen.extend(type(moment) for moment in stage.moments)

    play(script, directory=tmp_path)
    assert [kind for kind in seen if kind in {RecordingPaused, RecordingResumed}] == [RecordingPaused, RecordingResumed]


def test_without_a_recording_there_is_nothing_to_pause() -> None:
    report = play(pay)
    assert report.recording_pauses == ()
    assert not any("recording" in line.what for line in report.story)
    assert any(CARD in line.what for line in report.story)


def test_a_switch_of_a_call_that_has_not_begun_does_nothing() -> None:
    switch = RecordingSwitch()
    switch.pause()
    switch.resume()
