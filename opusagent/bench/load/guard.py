"""The guard: what the daemon costs in CPU as a multiple of what the bare relay costs, held against a committed value.

Both carry their calls at the same time, on the same core, so that whatever else happens on the machine falls on both;
of several short windows each counts with its least. `python -m opusagent.bench guard`.
"""

import asyncio
import contextlib
import os
import sys
from typing import Final

import attrs

from opusagent.bench.load.run import WARM_UP, Call, Stimulus, hang_up, own_core, put_through
from opusagent.bench.load.service import Service
from opusagent.bench.load.subjects import Running, Subject, at_work, daemon, hurry, relay
from opusagent.bench.load.voices import CYCLE_FRAMES

COMMITTED: Final = 2.6
"""Times the bare relay's CPU with ten calls. Whoever makes the daemon faster lowers it."""
TOLERANCE: Final = 1.25

CALLS: Final = 10
WINDOWS: Final = 4
WINDOW: Final = 5.0
"""Seconds: one cycle of every caller."""


@attrs.define(eq=False)
class Side:
    """One of the two: its model, its process, its calls, and its CPU seconds in each window."""

    service: Service
    running: Running
    used: list[float] = attrs.field(factory=list[float])


def main() -> int:
    """Print the ratio; 1 if it is too high, 2 if there is nothing to compare with."""
    reference = relay()
    if reference is None:
        print("the bare relay needs websockets and uvloop", file=sys.stderr)
        return 2
    hurry(os.getpid())
    found = asyncio.run(ratio(daemon("pcm"), reference))
    print(verdict(found))
    return int(found > COMMITTED * TOLERANCE)


def verdict(found: float) -> str:
    """What is said about a ratio.

    >>> verdict(COMMITTED * 1.3).partition(":")[0], verdict(COMMITTED * 1.2).partition(":")[0]
    ('TOO MUCH CPU', 'CPU')
    """
    words = f"{found:.2f} times the bare relay's; committed {COMMITTED:g}, at most {COMMITTED * TOLERANCE:.2f}"
    if found > COMMITTED * TOLERANCE:
        return f"TOO MUCH CPU: {words}"
    better = ". The committed value is far too high: lower it" if found < COMMITTED / TOLERANCE else ""
    return f"CPU: {words}{better}"


async def ratio(
    subject: Subject, reference: Subject, calls: int = CALLS, windows: int = WINDOWS, seconds: float = WINDOW
) -> float:
    """The CPU of `subject` as a multiple of the `reference`'s, with `calls` each at the same time."""
    stimulus = Stimulus.rendered()
    with own_core(1) as cores, contextlib.ExitStack() as ending:
        sides: list[Side] = []
        talking: list[Call] = []
        for each in (subject, reference):
            service = Service()
            server, port = await service.serve()
            ending.callback(server.close)
            sides.append(Side(service, ending.enter_context(at_work(each, port, cores))))
        for side in sides:
            await side.running.listen()
            for number in range(calls):
                phase = CYCLE_FRAMES * number // calls
                talking.append(await put_through(side.running, side.service, stimulus, subject, number, phase))
        await asyncio.sleep(WARM_UP)
        for _ in range(windows):
            await _window(sides, seconds)
        await hang_up(talking)
    ours, theirs = (min(side.used) for side in sides)
    return ours / theirs


async def _window(sides: list[Side], seconds: float) -> None:
    before = [side.running.cpu() for side in sides]
    await asyncio.sleep(seconds)
    for side, cpu in zip(sides, before, strict=True):
        side.used.append(side.running.cpu() - cpu)
