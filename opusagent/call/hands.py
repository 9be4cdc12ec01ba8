"""What a call can do beside talking, as the call sees it."""

from typing import Protocol

import trio

from opusagent.call.tool_calls import ToolCall


class Hands(Protocol):
    """What a call can do beside talking."""

    async def run(self, call: ToolCall) -> str:
        """The output of a tool for the model. A failure is an output too; nothing is raised but cancellation."""
        ...

    async def transfer(self, target: str) -> str:
        """Pass the caller on to a target of the configuration; what came of it, for the model and the log."""
        ...


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
        return '{"error": "this call cannot be transferred"}'
