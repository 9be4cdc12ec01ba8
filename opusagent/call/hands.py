"""What a call can do beside talking, as the call sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from opusagent.call.tool_calls import ToolCall

Say = Callable[[Sequence[str]], None]
"""Has messages sent to the caller's platform, before any audio."""


class Hands(Protocol):
    """What a call can do beside talking. Failures are outputs; nothing is raised but cancellation."""

    async def run(self, call: ToolCall) -> str:
        """The output of a tool, for the model."""
        ...

    async def transfer(self, target: str) -> str:
        """Pass the caller on to a target of the configuration, by its name. Says why it was not done, or nothing."""
        ...

    async def hang_up(self) -> None:
        """Have the platform end the call, where closing its socket would not."""
        ...


HandsFor = Callable[[Say], Hands]
"""A call's hands, given the way to its platform."""


class NoHands:
    """A call that can only talk."""

    async def run(self, call: ToolCall) -> str:
        """Say so."""
        del call
        await trio.lowlevel.checkpoint()
        return '{"error": "there are no tools in this call"}'

    async def transfer(self, target: str) -> str:
        """Say so."""
        del target
        await trio.lowlevel.checkpoint()
        return "this call cannot be transferred"

    async def hang_up(self) -> None:
        """Closing the socket has to do."""
        await trio.lowlevel.checkpoint()


def no_hands(say: Say) -> Hands:
    """For calls that can only talk."""
    del say
    return NoHands()
