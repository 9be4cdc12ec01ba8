"""Generations for tests: configurations settled as the daemon does, with a model that nobody dials."""

from collections.abc import Callable

import trio

from opusagent.daemon.config import Config
from opusagent.daemon.generation import Generation, settle

MODEL = "ws://127.0.0.1:9/v1/realtime"


async def backend(_: Config) -> str:
    """Where the model is said to be."""
    await trio.lowlevel.checkpoint()
    return MODEL


async def no_thread(work: Callable[[], None]) -> None:
    """A disk without a thread."""
    await trio.lowlevel.checkpoint()
    work()


async def generation(number: int, config: Config) -> Generation:
    """`config` in force as number `number`."""
    return await settle(number, config, backend, no_thread)
