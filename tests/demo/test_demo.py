"""The demo, as a person runs it: a real process, real sockets, real time."""

import sys
import wave
from functools import partial
from pathlib import Path

import pytest
import trio

from opusagent.cli import main
from opusagent.demo.show import run_demo

PATIENCE = 30.0


def recordings(directory: Path) -> list[Path]:
    return list(directory.glob("*/*/*/*/call.wav"))


def seconds_of(recording: Path, rate: int = 8000) -> float:
    """What a player shows. Python's own reader is as strict as players get."""
    with wave.open(str(recording)) as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getsampwidth()) == (2, rate, 2)
        frames = opened.readframes(opened.getnframes())
        assert len(frames) == opened.getnframes() * 4
        return len(frames) / 4 / rate


async def until_recorded(directory: Path, seconds: float) -> Path:
    """The recording, once a player shows that it is `seconds` long."""
    with trio.fail_after(PATIENCE):
        while True:
            await trio.sleep(0.1)
            for recording in recordings(directory):
                if recording.stat().st_size >= 44 and seconds_of(recording) >= seconds:
                    return recording


async def test_the_recording_plays_during_the_demo_and_after_kill_minus_nine(tmp_path: Path) -> None:
    """At every moment the file is a whole WAV, at most a second short."""
    command = [sys.executable, "-m", "opusagent", "demo", "--output", str(tmp_path)]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, capture_stdout=True, check=False))
        recording = await until_recorded(tmp_path, 1.5)
        before = seconds_of(recording)
        process.kill()
    assert seconds_of(recording) >= before


@pytest.mark.parametrize("wish", [[], ["--fault", "model-drop"], ["--agent", "examples/clinic.toml"]])
def test_an_output_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: list[str]
) -> None:
    (tmp_path / "afile").touch()
    for place in (tmp_path / "afile", tmp_path / "afile" / "below"):
        assert main(["demo", "--output", str(place), *wish], {}) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert said.err.startswith(f"opusagent: {place}: cannot be written to, for --output: ")


async def test_the_demo_shows_a_conversation_and_leaves_its_recording_and_report(tmp_path: Path) -> None:
    """The caller hears every answer, the interruption included; what is left behind tells the story."""
    lines: list[str] = []
    assert await run_demo(tmp_path, lines.append)
    shown = "".join(lines)
    assert "the model begins to answer" in shown
    assert "the caller barges in" in shown
    (recording,) = recordings(tmp_path)
    assert seconds_of(recording) > 15
    assert sorted(path.name for path in recording.parent.iterdir()) == [
        "call.wav",
        "report.json",
        "report.txt",
        "transcript.jsonl",
    ]
    assert {path.stat().st_mode & 0o777 for path in recording.parent.iterdir()} == {0o600}
    assert "the caller barges in" in (recording.parent / "report.txt").read_text()


async def test_the_demo_shows_a_line_that_breaks_and_comes_back(tmp_path: Path) -> None:
    """By AudioCodes: every answer is heard, in one recording, and nobody is greeted twice."""
    lines: list[str] = []
    assert await run_demo(tmp_path, lines.append, "audiocodes")
    shown = "".join(lines)
    story = [
        "AudioCodes VoiceAI Connect",
        "the model begins to speak",
        "the platform's socket broke",
        "the platform is back after 1.",
        "the caller barges in",
        "the caller heard every answer",
    ]
    places = [shown.find(line) for line in story]
    assert -1 not in places
    assert places == sorted(places)
    assert shown.count("Greet them now") == 2, "once as it is said, and once in the report"
    (recording,) = recordings(tmp_path)
    assert seconds_of(recording, rate=24_000) > 15
