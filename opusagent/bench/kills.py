"""`kill -9` at random instants of a call: every recording opens in every player, and at most a second is missing.

Each call is a process of its own, recorded on threads as in the daemon, and killed at a random instant; the seed is
fixed, the scheduler is not. Then every player that there is reads the file to its end: Python's `wave`, and `sox` and
`ffmpeg` if they are installed. A player that complains, on standard error or by its exit status, has not opened it.
"""

import io
import random
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.bench.table import markdown

MOST_MISSING: Final = 1.0
"""Seconds of the end of the call that may be missing."""

LONGEST: Final = 4.0
"""Seconds after which a call is killed at the latest."""

AT_ONCE: Final = 2
_FRAME_BYTES: Final = 4
_RATE: Final = 8000

Player = Callable[[Path], float]
"""Reads a recording to its end: its seconds. Raises `CannotPlay`."""


class CannotPlay(Exception):
    """What a player said about a file."""


@attrs.frozen
class Kill:
    """One call: killed `after` seconds of its tape. What each player found: seconds, or what it complained of."""

    after: float
    played: Mapping[str, float | str]

    @property
    def missing(self) -> float:
        """The most that any player misses; infinite if one could not open it."""
        seconds = [each for each in self.played.values() if isinstance(each, float)]
        return self.after - min(seconds) if len(seconds) == len(self.played) else float("inf")


def main(count: int = 50) -> int:
    """Print the table; 1 if a file does not open, or too much of it is missing."""
    there = players()
    print(f"players: {', '.join(there)}\n")
    kills = trio.run(partial(kill_calls, count, there))
    print(table(kills, list(there)))
    worst = max(kill.missing for kill in kills)
    opened = sum(kill.missing != float("inf") for kill in kills)
    print(f"\n{opened} of {count} open in every player; at most {worst:.2f} s missing")
    if worst > MOST_MISSING:
        print(f"MISSED: {worst:.2f} s missing, at most {MOST_MISSING:g} s", file=sys.stderr)
        return 1
    return 0


def players() -> dict[str, Player]:
    """The players on this machine, by name."""
    commands = {
        "sox": ("sox", "-V2", "{}", "-t", "raw", "-e", "signed", "-b", "16", "-"),
        "ffmpeg": ("ffmpeg", "-v", "error", "-i", "{}", "-f", "s16le", "-"),
    }
    there: dict[str, Player] = {"wave": play_by_wave}
    for name, command in commands.items():
        if shutil.which(name):
            there[name] = partial(play_by_command, command)
    return there


def play_by_wave(path: Path) -> float:
    """By the standard library."""
    try:
        with wave.open(str(path)) as file:
            return len(file.readframes(file.getnframes())) / _FRAME_BYTES / _RATE
    except (wave.Error, EOFError) as error:
        raise CannotPlay(str(error) or "it ends too early") from error


def play_by_command(command: Sequence[str], path: Path) -> float:
    """By a program that writes the samples to its standard output."""
    words = [str(path) if word == "{}" else word for word in command]
    done = subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 (our own words)
    if done.returncode or done.stderr.strip():
        raise CannotPlay(done.stderr.decode(errors="replace").strip() or f"status {done.returncode}")
    return len(done.stdout) / _FRAME_BYTES / _RATE


async def kill_calls(count: int, there: Mapping[str, Player], longest: float = LONGEST) -> list[Kill]:
    """So many calls, `AT_ONCE` at a time, each killed at its instant. In the order of the instants."""
    instants = random.Random(count)  # noqa: S311 (no secret)
    kills: list[Kill] = []
    turns = trio.CapacityLimiter(AT_ONCE)

    async def one(after: float) -> None:
        async with turns:
            kills.append(await kill_call(after, there))

    async with trio.open_nursery() as calls:
        for _ in range(count):
            calls.start_soon(one, instants.uniform(0.05, longest))
    return sorted(kills, key=lambda kill: kill.after)


async def kill_call(after: float, there: Mapping[str, Player]) -> Kill:
    """One call that is killed about `after` seconds after its tape was opened."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "opusagent.bench.talking", directory]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        opened = await _first_line(process)
        await trio.sleep(after - (time.monotonic() - opened))
        lasted = time.monotonic() - opened
        process.kill()
        await process.wait()
        return Kill(lasted, await trio.to_thread.run_sync(_play_all, Path(directory), there))


def table(kills: Sequence[Kill], names: Sequence[str]) -> str:
    """What each player found of each call."""
    rows = [(f"{kill.after:.3f}", *(_cell(kill, name) for name in names)) for kill in kills]
    return markdown(("killed after s", *(f"{name}: missing s" for name in names)), rows)


def _cell(kill: Kill, name: str) -> str:
    found = kill.played[name]
    return f"{kill.after - found:.2f}" if isinstance(found, float) else f"NOT OPENED: {found}"


def _play_all(directory: Path, there: Mapping[str, Player]) -> dict[str, float | str]:
    (recording,) = directory.rglob("call.wav")
    return {name: _play(player, recording) for name, player in there.items()}


def _play(player: Player, path: Path) -> float | str:
    try:
        return player(path)
    except CannotPlay as error:
        return str(error)


async def _first_line(process: trio.Process) -> float:
    """When the tape was opened, as the process says."""
    said = io.BytesIO()
    while b"\n" not in said.getvalue():
        chunk = await process.stdout.receive_some() if process.stdout else b""
        if not chunk:
            raise CannotPlay("the program ended by itself")
        said.write(chunk)
    return float(said.getvalue().split()[0])
