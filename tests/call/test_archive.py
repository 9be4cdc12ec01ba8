"""What becomes of recordings after their calls: swept at the start, hourly, and when a call has ended."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.audio.wav import header
from opusagent.call.archive import (
    MOST_WAITING,
    SWEEP_SECONDS,
    Archive,
    Keeping,
    missing_encoder,
    wall_clock,
)
from opusagent.call.retention import Rules
from opusagent.testing.play import disk_inline
from opusagent.units import HZ_8K

NOW = datetime(2030, 2, 1, tzinfo=UTC)
SOUND = header(2, HZ_8K, 32_000) + bytes(32_000)


def put(directory: Path, day: str, name: str, age_days: float) -> Path:
    """A call of a second that ended so many days ago."""
    folder = directory / day / name
    folder.mkdir(parents=True)
    for file, content in (("call.wav", SOUND), ("report.json", b'{"recording":"call.wav"}')):
        (folder / file).write_bytes(content)
        ended = NOW.timestamp() - 86_400 * age_days
        os.utime(folder / file, (ended, ended))
    return folder


def left(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def new_archive(keeping: Keeping) -> Archive:
    return Archive(keeping, disk_inline, lambda: NOW)


async def test_a_sweep_removes_what_is_too_old_with_its_empty_days(tmp_path: Path) -> None:
    put(tmp_path, "2030/01/01", "a", 31)
    young = put(tmp_path, "2030/01/20", "b", 12)
    with capture_logs() as logs:
        await new_archive(Keeping(tmp_path, rules=Rules(days=30))).sweep()
    assert left(tmp_path) == {"2030/01/20/b/call.wav", "2030/01/20/b/report.json"}
    assert young.exists()
    assert not (tmp_path / "2030/01/01").exists()
    assert [(line["event"], line["calls"], line["oldest"]) for line in logs] == [
        ("recordings removed", 1, "2030/01/01")
    ]


async def test_without_rules_nobody_looks(tmp_path: Path) -> None:
    """Neither in a directory nor where there is none."""
    looked: list[Callable[[], None]] = []

    async def disk(work: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        looked.append(work)

    await Archive(Keeping(tmp_path), disk).sweep()
    await Archive(Keeping(None, "flac", Rules(days=1)), disk).sweep()
    assert looked == []


async def test_it_sweeps_at_once_and_every_hour_by_the_rules_in_force(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """New rules count from the next sweep on."""
    archive = new_archive(Keeping(tmp_path, rules=Rules(days=30)))
    for number, age in enumerate((31, 20)):
        put(tmp_path, "2030/01/01", str(number), age)
    async with trio.open_nursery() as house:
        house.start_soon(archive.run)
        await trio.sleep(1)
        assert {path.split("/")[3] for path in left(tmp_path)} == {"1"}
        archive.follow(Keeping(tmp_path, rules=Rules(days=10)))
        await trio.sleep(SWEEP_SECONDS - 2)
        assert left(tmp_path) != set()
        await trio.sleep(2)
        assert left(tmp_path) == set()
        house.cancel_scope.cancel()


async def test_a_folder_that_cannot_be_removed_stops_nothing(tmp_path: Path) -> None:
    """It is told, and the others go; so is a directory that cannot be looked at."""
    put(tmp_path, "2030/01/01", "a", 32)
    put(tmp_path, "2030/01/01", "b", 31)
    disk = Failing(fails_at=3)
    with capture_logs() as logs:
        await Archive(Keeping(tmp_path, rules=Rules(days=30)), disk, lambda: NOW).sweep()
    assert [line["event"] for line in logs] == ["recording could not be removed", "recordings removed"]
    assert left(tmp_path) == {"2030/01/01/a/call.wav", "2030/01/01/a/report.json"}
    with capture_logs() as logs:
        await Archive(Keeping(tmp_path, rules=Rules(days=30)), Failing(fails_at=1), lambda: NOW).sweep()
    assert [line["event"] for line in logs] == ["recordings could not be looked through"]


@attrs.define
class Failing:
    """A disk that fails once."""

    fails_at: int
    done: int = 0

    async def __call__(self, work: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        self.done += 1
        if self.done == self.fails_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        work()


async def test_a_call_that_ends_is_encoded_then(tmp_path: Path, autojump_clock: MockClock) -> None:
    pytest.importorskip("soundfile", reason="the extra `flac` is not installed")
    archive = new_archive(Keeping(tmp_path, "flac"))
    async with trio.open_nursery() as house:
        house.start_soon(archive.run)
        await trio.sleep(1)
        folder = put(tmp_path, "2030/02/01", "a", 0)
        archive.finished(folder)
        archive.finished(tmp_path / "nowhere")
        await trio.sleep(1)
        assert left(folder) == {"call.flac", "report.json"}
        house.cancel_scope.cancel()


async def test_a_sweep_encodes_what_was_left_over_and_counts_it_by_its_new_size(tmp_path: Path) -> None:
    """Both fit when they are smaller, so both stay. A call without a report may not be over: it stays WAV."""
    pytest.importorskip("soundfile", reason="the extra `flac` is not installed")
    for name in ("a", "b"):
        put(tmp_path, "2030/01/01", name, 3)
    unfinished = put(tmp_path, "2030/01/01", "c", 3)
    (unfinished / "report.json").unlink()
    (unfinished / "call.wav").write_bytes(SOUND[:1044])
    await new_archive(Keeping(tmp_path, "flac", Rules(size=40_000))).sweep()
    assert left(tmp_path / "2030/01/01") == {
        "a/call.flac",
        "a/report.json",
        "b/call.flac",
        "b/report.json",
        "c/call.wav",
    }


async def test_a_recording_that_cannot_be_encoded_stays_and_is_told(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="the extra `flac` is not installed")
    folder = put(tmp_path, "2030/01/01", "a", 3)
    (folder / "call.wav").write_bytes(b"no sound")
    with capture_logs() as logs:
        await new_archive(Keeping(tmp_path, "flac")).sweep()
    assert [line["event"] for line in logs] == ["recording stays WAV"]
    assert (folder / "call.wav").read_bytes() == b"no sound"


async def test_an_archive_that_is_stopped_leaves_no_parts(tmp_path: Path) -> None:
    """In the middle of a long recording: the WAV is what is left."""
    pytest.importorskip("soundfile", reason="the extra `flac` is not installed")
    folder = put(tmp_path, "2030/01/01", "a", 3)
    (folder / "call.wav").write_bytes(header(2, HZ_8K, 32_000 * 60) + bytes(32_000 * 60))
    with trio.CancelScope() as soon:

        async def disk(work: Callable[[], None]) -> None:
            await trio.lowlevel.checkpoint()
            work()
            if (folder / "call.flac.part").exists():
                soon.cancel()

        await Archive(Keeping(tmp_path, "flac"), disk, lambda: NOW).sweep()
    assert soon.cancelled_caught
    assert left(folder) == {"call.wav", "report.json"}


def test_more_calls_than_can_wait_are_left_to_the_sweep(tmp_path: Path) -> None:
    archive = new_archive(Keeping(tmp_path, "flac"))
    with capture_logs() as logs:
        for _ in range(MOST_WAITING + 1):
            archive.finished(tmp_path)
    assert len(logs) == 1


def test_wav_needs_nothing() -> None:
    assert missing_encoder("wav") is None
    assert wall_clock().tzinfo is UTC
