"""A recording is playable at every moment, and after `kill -9` at most a second is missing."""

import subprocess
import sys
import wave
from pathlib import Path

import trio

from opusagent.audio.pcm import samples_of

PROGRAM = Path(__file__).with_name("talking_call.py")
ROOT = Path(__file__).parents[2]
MISSING = 1.0
"""Seconds: what is held for a cut, one interval between appends, and the time that an append takes."""


async def next_line(process: trio.Process, unread: bytearray) -> str:
    """The next whole line of what a process says."""
    assert process.stdout is not None
    while b"\n" not in unread:
        chunk = await process.stdout.receive_some()
        assert chunk, "the program ended by itself"
        unread += chunk
    line, _, rest = bytes(unread).partition(b"\n")
    unread[:] = rest
    return line.decode()


def seconds_on(directory: Path) -> tuple[float, int]:
    """How long the one recording is by the standard library's reader, and how many of its samples are not silent."""
    (path,) = directory.rglob("call.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = samples_of(file.readframes(file.getnframes()))
    return len(samples) / 16_000, int((samples != 0).sum())


async def record_and_kill(directory: Path, after: float, stall: float | None) -> None:
    """Read the file at every sign of life, kill the program when it has lasted for so long, and read it again."""
    command = [sys.executable, str(PROGRAM), str(directory), *([] if stall is None else [str(stall)])]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    lasted, unread = 0.0, bytearray()
    while lasted < after:
        lasted = float(await next_line(process, unread))
        assert seconds_on(directory)[0] >= lasted - MISSING
    process.kill()
    assert await process.wait() == -9
    seconds, sounding = seconds_on(directory)
    assert seconds >= lasted - MISSING
    # While the line stalls the model alone has a sound.
    assert sounding >= 8000 * (seconds - 0.5 + (seconds if stall is None else stall) - 0.5)


async def test_a_recording_outlives_its_program(tmp_path: Path) -> None:
    """Killed at three instants, in the middle of whatever it does.

    And while the caller's line has stalled, which may still deliver what was said: the model's words are on the disk.
    """
    with trio.fail_after(60):
        async with trio.open_nursery() as calls:
            for number, (after, stall) in enumerate(((0.3, None), (1.24, None), (2.0, None), (3.1, 0.5))):
                (tmp_path / str(number)).mkdir()
                calls.start_soon(record_and_kill, tmp_path / str(number), after, stall)
