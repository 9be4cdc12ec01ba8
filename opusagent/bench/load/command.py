"""`opusagent bench`: tables of how many calls a process carries, beside what it is compared with."""

import asyncio
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from opusagent.bench.load.figures import MOST_LATE, Figures, most_calls, ratios, table
from opusagent.bench.load.run import Stimulus, measure
from opusagent.bench.load.subjects import NICE, Subject, daemon, hurry, relay

Say = Callable[[str], object]


@attrs.frozen
class Wish:
    """What is to be measured."""

    calls: Sequence[int]
    seconds: float
    rounds: int


def bench(wish: Wish, say: Say) -> int:
    """Measure and print; 1 if a call failed or the bare relay is not there to compare with."""
    reference = relay()
    subjects = [*([reference] if reference else []), daemon("pcm"), daemon("pcmu")]
    priority = f"nice {NICE}" if hurry(os.getpid()) else "the usual priority"
    say(_circumstances(priority))
    figures = compare(subjects, wish, lambda words: sys.stderr.write(words + "\n"))
    say(table(figures) + "\n\n")
    if reference is not None:
        say(ratios(figures, reference.name) + "\n\n")
    for subject in subjects:
        say(f"{subject.name}: at most {most_calls(figures, subject.name)} of these calls within {MOST_LATE:g} ms\n")
    if reference is None:
        say("the bare relay is missing: pip install websockets uvloop\n")
    return int(reference is None or any(each.failed for each in figures))


def compare(subjects: Sequence[Subject], wish: Wish, progress: Say) -> list[Figures]:
    """Each subject with each number of calls; within a round they take turns."""
    stimulus = Stimulus.rendered()
    found: list[Figures] = []
    for calls in wish.calls:
        outcomes = [
            [asyncio.run(measure(subject, calls, wish.seconds, stimulus)) for subject in subjects]
            for _ in range(wish.rounds)
        ]
        found += [Figures.of(rounds) for rounds in zip(*outcomes, strict=True)]
        for each in found[-len(subjects) :]:
            progress(f"{each.calls} calls, {each.subject}: {each.cpu_ms:.2f} ms of CPU, up {each.up}, down {each.down}")
    return found


def _circumstances(priority: str) -> str:
    """When, where, and beside what else."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    versions = [f"{name} {_version(name)}" for name in ("trio", "websockets", "uvloop")]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of {model}, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {', '.join(versions)}; "
        f"at {priority}, load of the machine before: {os.getloadavg()[0]:.1f}\n\n"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
