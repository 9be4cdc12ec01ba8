"""A program to be killed: one call in real time, recorded on threads as a daemon's are.

    python -m opusagent.bench.talking DIRECTORY

It says when the tape was opened, by the clock that all processes of a machine share. Both sides talk for ten seconds,
the model is interrupted every second, and nothing that is said is silent.
"""

import sys
import time
from pathlib import Path
from typing import Final

import trio

from opusagent.call.disk import SharedDisk
from opusagent.testing.play import Stage, perform
from opusagent.units import Ms, Mulaw, Pcm16

SECONDS: Final = 10


async def talk(stage: Stage) -> None:
    """Sound in both directions."""
    print(f"{time.monotonic():.6f}", flush=True)
    model = await stage.answered()
    async with trio.open_nursery() as talking:
        talking.start_soon(stage.caller.say, Mulaw(b"\x90" * 8000 * SECONDS))
        for number in range(SECONDS):
            await model.say(f"item-{number}", Pcm16(b"\x10\x20" * 48_000), response_id=f"response-{number}")
            await stage.caller.hear(Ms(900))
            await model.speech_started(f"caller-{number}", at_ms=1000 * number)
        talking.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(lambda: perform(talk, directory=Path(sys.argv[1]), disk=SharedDisk(abandon_on_cancel=True)))
