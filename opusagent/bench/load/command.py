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

from opusagent.bench.load import churn
from opusagent.bench.load.figures import MOST_LATE, Figures, most_calls, ratios, table
from opusagent.bench.load.run import Stimulus, measure
from opusagent.bench.load.subjects import NICE, REFERENCE, Platform, Subject, daemon, hurry, peers, relay

Say = Callable[[str], object]


@attrs.frozen
class Wish:
    """What is to be measured. With `processes` the daemon is also measured as so many that share a port."""

    calls: Sequence[int] = (1, 10, 20, 40, 80)
    seconds: float = 6.0
    rounds: int = 1
    platform: Platform = "twilio"
    processes: int = 1
    peers: Path | None = None

    def subjects(self) -> list[Subject]:
        """What is measured. Raises `RuntimeError` if the peers are wanted and are not there."""
        reference = relay()
        return [
            *([reference] if reference else []),
            daemon("pcm", self.platform),
            *([daemon("pcmu")] if self.platform == "twilio" else []),
            *([daemon("pcm", self.platform, self.processes)] if self.processes > 1 else []),
            *(peers(self.peers) if self.peers else []),
        ]


def main() -> int:
    """What `make bench` prints: both platforms, and whether the daemon grows. 1 if anything failed."""
    statuses = [bench(Wish(), sys.stdout.write), bench(Wish((20, 40), platform="audiocodes"), sys.stdout.write)]
    return max(*statuses, churn.main())


def bench(wish: Wish, say: Say) -> int:
    """Measure and print; 1 if a call failed, or if a program is missing that was to be compared with."""
    try:
        subjects = wish.subjects()
    except RuntimeError as error:
        say(f"{error}\n")
        return 1
    priority = f"nice {NICE}" if hurry(os.getpid()) else "the usual priority"
    say(_circumstances(priority))
    figures = compare(subjects, wish, lambda words: sys.stderr.write(words + "\n"))
    say(f"{table(figures)}\n\n{ratios(figures, REFERENCE)}\n\n")
    for subject in subjects:
        say(f"{subject.name}: at most {most_calls(figures, subject.name)} of these calls within {MOST_LATE:g} ms\n")
    has_reference = any(subject.name == REFERENCE for subject in subjects)
    say("\n" if has_reference else "the bare relay is missing: pip install websockets uvloop\n")
    return int(not has_reference or any(each.failed for each in figures))


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
