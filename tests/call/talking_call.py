"""A program for `test_kill_minus_nine`: one call in real time, recorded by threads, that says how long it has lasted.

    python talking_call.py DIRECTORY [STALL]

Both sides talk for at most ten seconds; after STALL seconds nothing comes from the caller's line any more. Every 50 ms
a line tells the seconds since the tape was opened.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import trio

from opusagent.testing.play import Stage, perform
from opusagent.units import Mulaw, Pcm16

SECONDS = 10
STALL = float(sys.argv[2]) if len(sys.argv) > 2 else None


async def disk_on_threads(work: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(work)


async def talk(stage: Stage) -> None:
    """Sound in both directions, none of it silent."""
    began = trio.current_time()
    model = await stage.answered()
    await model.say("item", Pcm16(b"\x10\x20" * 24_000 * SECONDS), response_id="response")
    async with trio.open_nursery() as talking:
        talking.start_soon(stage.caller.say, Mulaw(b"\x90" * 8000 * SECONDS))
        for tick in range(1, 20 * SECONDS):
            await trio.sleep_until(began + tick / 20)
            if tick / 20 == STALL:
                stage.platform.stall()
            print(f"{trio.current_time() - began:.3f}", flush=True)
        talking.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(lambda: perform(talk, directory=Path(sys.argv[1]), disk=disk_on_threads))
