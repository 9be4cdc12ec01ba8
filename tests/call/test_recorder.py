"""The tape: where each sample lies, what is in the file at every moment, and what a failing disk may not do."""

import errno
import os
import stat
import wave
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.audio.g711 import mulaw_decode, mulaw_encode
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.call.recorder import (
    FINISH_SECONDS,
    HOLD,
    INTERVAL,
    LATE,
    MOST_HELD,
    Disk,
    Recorder,
    Recording,
    StereoTape,
    WavFile,
)
from opusagent.call.report import CallReport
from opusagent.testing.play import CALL, STARTED, Stage, disk_inline, play
from opusagent.units import HZ_8K, HZ_24K, LoopTime, Ms, Mulaw, Pcm16

OPENED = LoopTime(50.0)
FOLDER = Path("2030/01/02") / CALL
LONG_AFTER = LoopTime(OPENED + 1000)


def at(seconds: float) -> LoopTime:
    return LoopTime(OPENED + seconds)


def pcm(value: int, ms: int) -> Pcm16:
    """A stretch of one value: on the tape it can be seen where it begins and ends."""
    return Pcm16(value.to_bytes(2, "little", signed=True) * (8 * ms))


def stretches(samples: list[int]) -> list[tuple[int, int]]:
    """Values with the milliseconds that they last, one after the other."""
    found: list[tuple[int, int]] = []
    for value in samples:
        if found and found[-1][0] == value:
            found[-1] = (value, found[-1][1] + 1)
        else:
            found.append((value, 1))
    return [(value, count // 8) for value, count in found]


def channels(stereo: bytes) -> tuple[list[int], list[int]]:
    both = [int(sample) for sample in samples_of(stereo)]
    return both[::2], both[1::2]


def left(stereo: bytes) -> list[tuple[int, int]]:
    return stretches(channels(stereo)[0])


def right(stereo: bytes) -> list[tuple[int, int]]:
    return stretches(channels(stereo)[1])


def new_tape() -> StereoTape:
    return StereoTape(HZ_8K, OPENED)


# -- the time line -----------------------------------------------------------------------------------------------


def test_the_caller_lies_at_media_time_and_a_gap_is_silence() -> None:
    """20 ms, 100 ms that the platform did not send, 20 ms."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.hear(pcm(2, 20), Ms(120), at(0.14))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (0, 100), (2, 20)]


def test_uneven_arrival_is_no_gap() -> None:
    """Frames that come late, in pairs and early again lie side by side, as they were said."""
    tape = new_tape()
    for number, arrival in enumerate((0.02, 0.11, 0.11, 0.11, 0.111, 0.3)):
        tape.hear(pcm(1 + number, 20), Ms(20 * number), at(arrival))
    assert left(tape.take_rest(LONG_AFTER)) == [(1 + number, 20) for number in range(6)]


def test_media_time_begins_where_the_first_frame_began() -> None:
    """A stream whose first frame says 5,000 ms and arrives 200 ms after the tape was opened began at 180."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(5000), at(0.2))
    tape.hear(pcm(2, 20), Ms(5020), at(0.22))
    assert left(tape.take_rest(LONG_AFTER)) == [(0, 180), (1, 20), (2, 20)]


def test_a_caller_without_media_time_lies_where_it_arrives() -> None:
    tape = new_tape()
    tape.hear(pcm(1, 20), None, at(0.02))
    tape.hear(pcm(2, 20), None, at(0.05))
    tape.hear(pcm(3, 20), None, at(0.52))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (2, 20), (0, 460), (3, 20)]


def test_no_silence_longer_than_an_hour_is_believed() -> None:
    """A platform that claims to be at the end of time does not fill the memory."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.hear(pcm(2, 20), Ms(2**60), at(0.04))
    assert left(tape.take_rest(LONG_AFTER)) == [(1, 20), (2, 20)]


def test_the_model_lies_where_it_is_heard() -> None:
    """Sent at once, heard one behind the other; a pause between them is as long as it was."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    tape.play(pcm(2, 100), at(1.3))
    tape.play(pcm(3, 100), at(1.9))
    assert right(tape.take_rest(LONG_AFTER)) == [(0, 1000), (1, 300), (2, 100), (0, 500), (3, 100)]


def test_what_a_barge_in_discarded_is_not_on_the_tape() -> None:
    """Cut at 120 of 300 ms; what is said next is heard from there on."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    tape.cut(at(1.12))
    tape.play(pcm(2, 100), at(1.12))
    assert right(tape.take_rest(LONG_AFTER)) == [(0, 1000), (1, 120), (2, 100)]


def test_a_cut_reaches_all_that_the_platform_may_hold() -> None:
    """What is written is older than the lead, so that nothing unheard is ever on the disk."""
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    written = tape.take(at(1.05))
    tape.cut(at(1.05))
    assert right(written + tape.take_rest(at(1.05))) == [(0, 1000), (1, 50)]


def test_what_the_caller_had_not_heard_at_the_end_is_not_on_the_tape() -> None:
    tape = new_tape()
    tape.play(pcm(1, 300), at(1.0))
    assert right(tape.take_rest(at(1.1))) == [(0, 1000), (1, 100)]


def test_both_channels_are_as_long_as_the_longer_one() -> None:
    tape = new_tape()
    tape.hear(pcm(1, 100), Ms(0), at(0.1))
    tape.play(pcm(2, 100), at(0.2))
    stereo = tape.take_rest(LONG_AFTER)
    assert (left(stereo), right(stereo)) == ([(1, 100), (0, 200)], [(0, 200), (2, 100)])


def test_nothing_younger_than_the_hold_is_written() -> None:
    tape = new_tape()
    for number in range(100):
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
    assert len(tape.take(at(2.0))) == 4 * round(8000 * (2 - HOLD))
    assert len(tape.take(at(2.0))) == 0


def test_after_a_line_that_stalled_both_channels_belong_together_again() -> None:
    """The caller's line stalls for three seconds and delivers all at once: every word lies where it was said."""
    tape, written = new_tape(), b""
    for number in range(50):
        tape.hear(pcm(1, 20), Ms(20 * number), at(0.02 * (number + 1)))
    for tick in range(4, 17):
        written += tape.take(at(0.25 * tick))
    for number in range(50, 200):
        tape.hear(pcm(2, 20), Ms(20 * number), at(4.0))
    tape.hear(pcm(3, 20), Ms(4000), at(4.02))
    tape.play(pcm(4, 20), at(4.0))
    stereo = written + tape.take_rest(LONG_AFTER)
    assert (left(stereo), right(stereo)) == ([(1, 1000), (2, 3000), (3, 20)], [(0, 4000), (4, 20)])


def test_a_line_that_is_silent_for_longer_is_not_waited_for() -> None:
    """What the model says is written, `LATE` behind."""
    tape = new_tape()
    tape.hear(pcm(1, 20), Ms(0), at(0.02))
    tape.play(pcm(2, 1000), at(1.0))
    stereo = tape.take(at(LATE + HOLD + 5))
    assert (left(stereo), right(stereo)) == ([(1, 20), (0, 4980)], [(0, 1000), (2, 1000), (0, 3000)])


def test_what_a_disk_is_too_slow_for_becomes_silence_and_is_counted() -> None:
    """A minute waits in memory; what comes then is lost, and what comes after that lies where it belongs."""
    tape, second = new_tape(), pcm(1, 1000)
    for number in range(round(MOST_HELD) + 3):
        tape.hear(second, Ms(1000 * number), at(number + 1.0))
    assert tape.lost_seconds == 2
    written = tape.take(at(MOST_HELD + 3))
    tape.hear(pcm(2, 1000), Ms(round(1000 * MOST_HELD) + 3000), at(MOST_HELD + 4))
    stereo = written + tape.take_rest(LONG_AFTER)
    assert left(stereo) == [(1, 1000 * (round(MOST_HELD) + 1)), (0, 2000), (2, 1000)]


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
    assert len(set(lengths)) >= 3 / 0.25


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
        assert len(recorded(tmp_path)[0]) <= 2 * 8000 * 0.25 * healthy


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
    """A pipe cannot be: `fsync` raises, and the descriptor is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    file = WavFile(Path("pipe"), HZ_24K, descriptor=writing)
    with pytest.raises(OSError, match="Invalid argument"):
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
        (0, "recording could not be started: the disk took more than 2 s"),
        (1, "recording could not be finished: the disk took more than 2 s"),
        (5, "recording could not be finished: the disk took more than 2 s"),
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
