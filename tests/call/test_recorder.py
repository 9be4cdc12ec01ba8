"""Recordings: what is in the file at every moment, and what a failing disk may not do."""

import errno
import os
import resource
import stat
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.audio.g711 import mulaw_decode, mulaw_encode
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.call.disk import SharedDisk
from opusagent.call.recorder import (
    FINISH_SECONDS,
    INTERVAL,
    Disk,
    Recorder,
    Recording,
    WavFile,
)
from opusagent.call.report import CallReport
from opusagent.call.time_line import HOLD, MOST_HELD
from opusagent.testing.play import CALL, STARTED, Stage, disk_inline, play
from opusagent.units import HZ_8K, HZ_24K, Ms, Mulaw, Pcm16

FOLDER = Path("2030/01/02") / CALL


def pcm(value: int, ms: int) -> Pcm16:
    """A stretch of one value: on the tape it can be seen where it begins and ends."""
    return Pcm16(value.to_bytes(2, "little", signed=True) * (8 * ms))


# -- the file ----------------------------------------------------------------------------------------------------


async def conversation(stage: Stage) -> None:
    """The caller speaks for 800 ms, the model for two seconds, of which the caller lets it say 600 ms."""
    model = await stage.answered()
    await stage.caller.say(WORDS)
    await model.say("item-1", Pcm16((1000).to_bytes(2, "little") * 48_000), response_id="response-1")
    await stage.caller.hear(Ms(600))
    await model.speech_started()
    await stage.caller.silence(Ms(2000))
    await stage.caller.hang_up()


WORDS = Mulaw(mulaw_encode(b"".join(pcm(100 * n, 20) for n in range(1, 41))))


def recorded(directory: Path) -> tuple[Pcm16, Pcm16]:
    """Both channels of the call's recording, by the standard library's reader."""
    with wave.open(str(directory / FOLDER / "call.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        stereo = file.readframes(file.getnframes())
    assert len(stereo) == (directory / FOLDER / "call.wav").stat().st_size - 44
    samples = samples_of(stereo)
    return pcm_of(samples[::2]), pcm_of(samples[1::2])


def test_a_call_is_on_the_tape_as_both_heard_it(tmp_path: Path) -> None:
    """Every word of the caller's on the left, and on the right the 600 ms of the model's that were heard."""
    report = play(conversation, directory=tmp_path)
    caller, model = recorded(tmp_path)
    assert (report.recording, report.recording_fault) == (str(tmp_path / FOLDER / "call.wav"), None)
    assert caller.find(mulaw_decode(WORDS)) >= 0
    spoken = sum(sample != 0 for sample in samples_of(model))
    assert abs(spoken - 8 * report.audio.model_heard) <= 8 * 5
    assert 0 <= report.seconds - len(caller) / 16_000 < 0.1


def test_the_file_is_a_whole_recording_after_every_append(tmp_path: Path) -> None:
    """The header is patched each time: any reader, at any moment, sees all that is there."""
    lengths: list[int] = []

    async def watching(work: Callable[[], None]) -> None:
        await disk_inline(work)
        lengths.append(len(recorded(tmp_path)[0]))

    play(conversation, directory=tmp_path, disk=watching)
    assert lengths == sorted(lengths)
    assert len(set(lengths)) >= 3 / INTERVAL - 1


def test_a_recording_is_for_its_owner_only(tmp_path: Path) -> None:
    play(conversation, directory=tmp_path / "recordings")
    path = tmp_path / "recordings" / FOLDER / "call.wav"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)]
    assert modes == [0o600, 0o700]


async def record(directory: Path, disk: Disk, seconds: float) -> Recording:
    """An open tape for `seconds` of a call."""
    async with Recorder(directory, disk).open_tape(CALL, HZ_8K, STARTED) as recording:
        await trio.sleep(seconds)
    return recording


async def test_a_call_without_a_sound_is_a_recording_of_silence(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As long as what was old enough to be written when it ended."""
    recording = await record(tmp_path, disk_inline, 60)
    assert recording.is_complete
    caller, model = recorded(tmp_path)
    assert caller == model == bytes(len(caller))
    assert 60 - HOLD - INTERVAL <= len(caller) / 16_000 <= 60


def test_no_directory_is_no_recording() -> None:
    report = play(conversation)
    assert (report.recording, report.recording_fault) == (None, None)


# -- a place that is taken ---------------------------------------------------------------------------------------


def unrecorded() -> CallReport:
    return play(conversation)


def same_call(one: CallReport, other: CallReport) -> bool:
    """Whether two calls differ in nothing but their recordings."""
    blank = attrs.evolve(one, recording=None, recording_fault=None)
    return blank == attrs.evolve(other, recording=None, recording_fault=None)


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "call.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another call")
    report = play(conversation, directory=tmp_path)
    assert path.read_bytes() == b"another call"
    assert report.recording_fault is not None
    assert report.recording_fault.startswith("recording could not be started: [Errno 17]")
    assert same_call(report, unrecorded())


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_not_followed(tmp_path: Path, *, exists: bool) -> None:
    """Neither to a file nor to where one could be made."""
    target = tmp_path / "elsewhere"
    if exists:
        target.write_bytes(b"precious")
    path = tmp_path / FOLDER / "call.wav"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    report = play(conversation, directory=tmp_path)
    assert (path.is_symlink(), target.exists()) == (True, exists)
    assert not exists or target.read_bytes() == b"precious"
    assert report.recording_fault is not None
    assert same_call(report, unrecorded())


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    report = play(conversation, directory=tmp_path / "file")
    assert report.recording_fault is not None
    assert "Not a directory" in report.recording_fault
    assert same_call(report, unrecorded())


# -- disks that fail ---------------------------------------------------------------------------------------------


@attrs.define
class FailingDisk:
    """Works `healthy` times, then fails with `code` each time."""

    healthy: int
    code: int
    done: int = 0

    async def __call__(self, work: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        self.done += 1
        if self.done > self.healthy:
            raise OSError(self.code, os.strerror(self.code))
        work()


@pytest.mark.parametrize(
    ("healthy", "code", "trouble"),
    [
        (0, errno.EACCES, "recording could not be started: [Errno 13] Permission denied"),
        (1, errno.ENOSPC, "recording stopped: [Errno 28] No space left on device"),
        (5, errno.ENOSPC, "recording stopped: [Errno 28] No space left on device"),
        (9, errno.EIO, "recording stopped: [Errno 5] Input/output error"),
    ],
)
def test_a_failing_disk_is_told_and_hurts_nobody(tmp_path: Path, healthy: int, code: int, trouble: str) -> None:
    """The first fault is in the report, and everything else in the report is as if the disk were well."""
    report = play(conversation, directory=tmp_path, disk=FailingDisk(healthy, code))
    assert report.recording_fault == trouble
    assert same_call(report, unrecorded())
    if healthy:
        assert len(recorded(tmp_path)[0]) <= 2 * 8000 * INTERVAL * healthy


def test_a_recording_that_cannot_be_synchronised_is_told(tmp_path: Path) -> None:
    """`fsync` is the last thing but the transcript: all of the audio is in the file, and the fault in the report."""
    counting = FailingDisk(10**9, errno.EIO)
    whole = play(conversation, directory=tmp_path / "well", disk=counting)
    report = play(conversation, directory=tmp_path / "ill", disk=FailingDisk(counting.done - 2, errno.EIO))
    assert report.recording_fault == "recording could not be finished: [Errno 5] Input/output error"
    assert recorded(tmp_path / "ill") == recorded(tmp_path / "well")
    assert same_call(report, whole)


def test_a_full_device_says_so() -> None:
    """A real one. What could not be written is not counted in the header."""
    file = WavFile(Path("/dev/full"), HZ_8K, descriptor=os.open("/dev/full", os.O_WRONLY))
    try:
        with pytest.raises(OSError, match="No space left"):
            file.append(bytes(4000))
        assert file.data_bytes == 0
    finally:
        os.close(file.descriptor)


def test_a_file_lets_go_even_if_it_cannot_be_synchronised() -> None:
    """A pipe has no place for a header: the last write raises, and the descriptor is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    file = WavFile(Path("pipe"), HZ_24K, descriptor=writing)
    with pytest.raises(OSError, match="Illegal seek"):
        file.close()
    assert not file.is_open
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


# -- disks that hang ---------------------------------------------------------------------------------------------


@attrs.define
class HangingDisk:
    """Works `healthy` times, then never returns until it is cancelled."""

    healthy: int
    done: int = 0

    async def __call__(self, work: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        self.done += 1
        if self.done > self.healthy:
            await trio.sleep_forever()
        work()


@pytest.mark.parametrize(
    ("healthy", "trouble"),
    [
        (0, "recording could not be started: the disk took more than 2.0 s"),
        (1, "recording stopped: the disk took more than 4.8 s"),
        (5, "recording stopped: the disk took more than 3.6 s"),
    ],
)
def test_a_hanging_disk_is_told_and_hurts_nobody(tmp_path: Path, healthy: int, trouble: str) -> None:
    """The call is carried, the report names the fault, and the end takes at most `FINISH_SECONDS` longer."""
    report = play(conversation, directory=tmp_path, disk=HangingDisk(healthy))
    assert report.recording_fault == trouble
    well = unrecorded()
    assert report.seconds - well.seconds <= FINISH_SECONDS + 0.01
    assert same_call(attrs.evolve(report, seconds=well.seconds), well)


@pytest.mark.parametrize("healthy", [0, 1])
async def test_leaving_a_tape_takes_no_longer_than_its_bound_whatever_the_disk_does(
    tmp_path: Path, healthy: int, autojump_clock: MockClock
) -> None:
    """Also a call that ends while its file is still being made: the one bound counts, not one for each end."""
    begun = trio.current_time()
    recording = await record(tmp_path, HangingDisk(healthy), 0.6)
    assert trio.current_time() - begun <= 0.6 + FINISH_SECONDS + 0.001
    assert recording.fault is not None


async def test_a_disk_that_hangs_in_a_call_is_told_long_before_its_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A minute waits in memory. What would be more is not kept at all, and whoever reads the log knows."""
    disk = HangingDisk(1)
    with capture_logs() as logs:
        async with Recorder(tmp_path, disk).open_tape(CALL, HZ_8K, STARTED) as recording:
            await trio.sleep(MOST_HELD)
            faults = [recording.fault]
            await trio.sleep(HOLD + INTERVAL + 0.1)
            faults.append(recording.fault)
            await trio.sleep(3000)
            left = trio.current_time()
    assert faults == [None, "recording stopped: the disk took more than 60.0 s"]
    assert [line["event"] for line in logs] == ["recording failed"]
    assert (trio.current_time(), disk.done) == (left, 2)


async def test_a_thread_that_a_disk_keeps_does_not_keep_the_call(tmp_path: Path) -> None:
    """A real thread that hangs: tape and report are left within their bounds, and it does nothing when it is back."""
    gate, hangs, back = threading.Event(), threading.Event(), threading.Event()
    path, shared = tmp_path / FOLDER / "call.wav", SharedDisk(abandon_on_cancel=True)

    async def disk(work: Callable[[], None]) -> None:
        def slow() -> None:
            if path.exists():
                hangs.set()
                assert gate.wait(60)
            work()
            if gate.is_set():
                back.set()

        await shared(slow)

    with trio.fail_after(60):
        async with Recorder(tmp_path, disk).open_tape(CALL, HZ_8K, STARTED) as recording:
            await trio.to_thread.run_sync(hangs.wait)
            begun = trio.current_time()
        assert recording.fault is not None
        assert "recording stopped: the disk took more than" in recording.fault
        await Recorder(tmp_path, disk).keep_report(CALL, STARTED, b"{}")
        assert trio.current_time() - begun < 2 * (FINISH_SECONDS + 1)
        gate.set()
        await trio.to_thread.run_sync(back.wait)
    assert path.stat().st_size == 44


def test_nothing_is_begun_with_a_file_that_was_abandoned(tmp_path: Path) -> None:
    """Before there is a file none is made; one that is there stays as it was, and is closed."""
    for number, begun in enumerate((False, True)):
        file = WavFile(tmp_path / str(number) / "call.wav", HZ_8K)
        if begun:
            file.create()
        descriptor = file.descriptor
        file.abandon()
        file.create()
        file.append(bytes(4))
        file.close()
        assert [path.stat().st_size for path in tmp_path.glob(f"{number}/*")] == ([44] if begun else [])
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_draft_is_written_over_and_is_not_left(tmp_path: Path) -> None:
    """The file is as long as its header says at every moment, and what was certain is all that stays."""
    file = WavFile(tmp_path / "call.wav", HZ_8K)
    file.create()
    lengths: list[int] = []
    for block, draft in ((b"aaaa", b"dddddddd"), (b"bbbb", b""), (b"", b"dddd")):
        file.append(block, draft)
        with wave.open(str(file.path)) as written:
            lengths.append(written.getnframes())
    file.close()
    assert lengths == [3, 2, 3]
    assert file.path.read_bytes()[44:] == b"aaaabbbb"
    with wave.open(str(file.path)) as written:
        assert written.getnframes() == 2


async def test_a_report_that_cannot_be_kept_hurts_nobody(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Neither a full disk nor one that hangs, nor a report that is there already."""
    await Recorder(tmp_path, FailingDisk(0, errno.ENOSPC)).keep_report(CALL, STARTED, b"{}")
    begun = trio.current_time()
    await Recorder(tmp_path, HangingDisk(0)).keep_report(CALL, STARTED, b"{}")
    assert trio.current_time() - begun <= FINISH_SECONDS + 0.001
    for content in (b"first", b"second"):
        await Recorder(tmp_path, disk_inline).keep_report(CALL, STARTED, content)
    path = tmp_path / FOLDER / "report.json"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"first", 0o600)


async def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """The disk takes half of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with capture_logs() as logs:
            await Recorder(tmp_path, disk_inline).keep_report(CALL, STARTED, b"{}" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [line["event"] for line in logs] == ["file could not be written"]
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_a_failing_disk_has_taken_stays_in_the_file(tmp_path: Path) -> None:
    """Of a block that fits in half, the half; and behind it the draft that was there, which nothing will write over."""
    second = bytes(range(1, 251)) * 64  # 16 000 bytes: one second of 8 kHz
    for draft, block, there in ((8, 9, 9), (0, 9, 5), (2, 9, 5)):
        file = WavFile(tmp_path / f"{draft}-{block}" / "call.wav", HZ_8K, channels=1)
        file.create()
        file.append(second, second * draft)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (44 + 5 * len(second), hard))
        try:
            with pytest.raises(OSError, match="large"):
                file.append(second * block)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        file.close()
        with wave.open(str(file.path)) as opened:
            assert opened.getnframes() == 8000 * there
