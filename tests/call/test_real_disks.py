"""Disks that become full, read-only or slow while a call is being recorded: file systems that are mounted for it."""

import os
import shutil
import subprocess
import wave
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from opusagent.call.report import CallReport
from opusagent.testing.play import CALL, Stage, play
from opusagent.units import Ms, Mulaw, Pcm16

FOLDER = Path("2030/01/02") / CALL


def fault_of(*words: str) -> str | None:
    """What a command complains of; None if it did what it was told."""
    done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 (our own words)
    return (done.stderr.decode().strip() or f"status {done.returncode}") if done.returncode else None


@contextmanager
def mounted(place: Path, *words: str) -> Generator[Path]:
    """A file system of our own at `place`, by `mount` with these `words`. Skips where there is no right to it."""
    place.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount")
    if fault := fault_of("mount", *words, str(place)):
        pytest.skip(f"this user cannot mount here: {fault}")
    try:
        yield place
    finally:
        assert fault_of("umount", "--lazy", str(place)) is None


def conversation(mishap: Callable[[], object]) -> Callable[[Stage], Awaitable[None]]:
    """Two sides talk for four seconds, one of them is interrupted, and something happens to the disk after two."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.say(Mulaw(b"\x90" * 8000))
        await model.say("item-1", Pcm16(b"\x10\x20" * 96_000), response_id="response-1")
        await stage.caller.hear(Ms(1000))
        mishap()
        await stage.caller.hear(Ms(1000))
        await model.speech_started()
        await stage.caller.silence(Ms(1000))
        await stage.caller.hang_up()

    return script


def nothing() -> None:
    """The disk is well."""


def unrecorded() -> CallReport:
    return play(conversation(nothing))


def same_call(one: CallReport, other: CallReport) -> bool:
    """Whether two calls differ in nothing but their recordings."""
    blank = attrs.evolve(one, recording=None, recording_fault=None)
    return blank == attrs.evolve(other, recording=None, recording_fault=None)


def seconds_of(directory: Path) -> float:
    with wave.open(str(directory / FOLDER / "call.wav")) as file:
        return len(file.readframes(file.getnframes())) / 4 / 8000


def check(report: CallReport, told: list[str], fault: str) -> None:
    """The report says what the matter is, the log says it once, and the call is as if there were no disk."""
    assert report.recording_fault is not None
    assert fault in report.recording_fault
    assert told.count("recording failed") == 1
    assert same_call(report, unrecorded())


def test_a_disk_that_becomes_full_hurts_no_call(tmp_path: Path) -> None:
    """Room for two seconds: they are there, and play."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=80k", "tmpfs") as directory, capture_logs() as logs:
        report = play(conversation(nothing), directory=directory)
        recorded = seconds_of(directory)
    check(report, [line["event"] for line in logs], "No space left on device")
    assert 1 <= recorded <= 2.6


def test_a_disk_that_becomes_read_only_hurts_no_call(tmp_path: Path) -> None:
    """As a file system does that finds a fault in itself: files that are open can be written no more."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        os.truncate(file.fileno(), 4 << 20)
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("only root can mount, and only with mkfs.ext4 there is something to mount")
    assert fault_of("mkfs.ext4", "-q", str(image)) is None
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as directory, capture_logs() as logs:
        faults: list[str | None] = []
        abort = partial(fault_of, "mount", "-o", "remount,abort", str(directory))
        report = play(conversation(lambda: faults.append(abort())), directory=directory)
    assert faults == [None]
    check(report, [line["event"] for line in logs], "Read-only file system")
    assert "file could not be written" in [line["event"] for line in logs]  # the transcript


@pytest.mark.parametrize(("seconds", "fault"), [(0.4, None), (1.5, "the disk took more than")])
def test_a_slow_disk_hurts_no_call(tmp_path: Path, seconds: float, fault: str | None) -> None:
    """Each piece of work takes so long. What is on it within the bound at the end is whole, and else it is told."""

    async def slow(work: Callable[[], None]) -> None:
        await trio.sleep(seconds)
        work()

    with capture_logs() as logs:
        report = play(conversation(nothing), directory=tmp_path, disk=slow)
    well = unrecorded()
    assert report.audio == well.audio
    if fault is None:
        assert report.recording_fault is None
        assert seconds_of(tmp_path) == pytest.approx(well.seconds, abs=0.1)
    else:
        check(attrs.evolve(report, seconds=well.seconds), [line["event"] for line in logs], fault)
