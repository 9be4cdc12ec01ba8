"""Whether the daemon grows: the memory that it holds while four thousand short calls come and go, twenty at a time.

`python -m opusagent.bench churn`. Each call is put through, talks for a moment and hangs up.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

import attrs

from opusagent.bench.load.run import Stimulus, hang_up, own_core, put_through
from opusagent.bench.load.service import Service
from opusagent.bench.load.subjects import Subject, at_work, daemon, hurry
from opusagent.bench.table import markdown

CALLS: Final = 4000
AT_ONCE: Final = 20
LOOKS: Final = 10
"""How often memory is read."""
SETTLED: Final = 6
"""From which reading on it should not grow: arenas fill at first, for some two thousand calls."""
MOST_KB: Final = 1.0
"""Per call, beyond which it counts as growth."""


@attrs.frozen
class Look:
    """After so many calls: megabytes held, and seconds of CPU used so far."""

    calls: int
    memory: float
    cpu: float


def main() -> int:
    """Print the memory after every tenth of the calls; 1 if it grows."""
    hurry(os.getpid())
    begun = time.monotonic()
    looks = asyncio.run(churn(daemon("pcm"), CALLS))
    took = time.monotonic() - begun
    print(
        markdown(("after", *(f"{look.calls}" for look in looks)), [("MB", *(f"{look.memory:.1f}" for look in looks))])
    )
    grown = growth(looks)
    cpu = (looks[-1].cpu - looks[0].cpu) * 1000 / (looks[-1].calls - looks[0].calls)
    print(
        f"\n{grown:+.2f} kB per call from {looks[SETTLED].calls} calls on; {cpu:.0f} ms of CPU per call; {took:.0f} s"
    )
    return int(grown > MOST_KB)


def growth(looks: Sequence[Look]) -> float:
    """Kilobytes per call from the reading `SETTLED` on.

    >>> growth([Look(calls, 70 + calls / 1000, 0.0) for calls in range(0, 1000, 100)])
    1.0
    """
    first, last = looks[SETTLED], looks[-1]
    return round((last.memory - first.memory) * 1000 / (last.calls - first.calls), 6)


async def churn(subject: Subject, calls: int) -> list[Look]:
    """Have `calls` come and go."""
    service, stimulus = Service(), Stimulus.rendered()
    server, port = await service.serve()
    looks: list[Look] = []
    try:
        with own_core(1) as cores, at_work(subject, port, cores) as running:
            await running.listen()
            for done in range(0, calls, AT_ONCE):
                if done % (calls // LOOKS) == 0:
                    looks.append(Look(done, running.memory(), running.cpu()))
                numbers = range(done, done + AT_ONCE)
                talking = [await put_through(running, service, stimulus, subject, number, number) for number in numbers]
                await hang_up(talking, grace=0.0)
            await asyncio.sleep(1.0)
            looks.append(Look(calls, running.memory(), running.cpu()))
    finally:
        server.close()
    return looks
