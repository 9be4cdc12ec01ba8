"""What a call does beside talking, while it talks: tools and transfers, so many at once and no more.

Each runs in a task of its own, so that one which hangs holds up no other, and all end with the call. One too many is
refused at once: whoever asks for it gets an answer, and does not wait behind something that may never end.
"""

from collections.abc import Callable
from typing import Final, assert_never

import trio

from opusagent.call.commands import RunTool, Transfer
from opusagent.call.hands import Hands

AT_ONCE: Final = 16
"""Tools of one call that may be under way. More is a model that has lost its way."""

_MOST_ORDERS: Final = 2 * AT_ONCE
"""Errands that wait to be begun. They are begun at once; the rest is room for transfers, of which there are few."""


class Work:
    """One call's errands. `on_tool` is told a call's id and output, `on_transfer` a target and why it failed, if so."""

    def __init__(
        self, hands: Hands, on_tool: Callable[[str, str], None], on_transfer: Callable[[str, str], None]
    ) -> None:
        self.hands: Final = hands
        self._on_tool: Final = on_tool
        self._on_transfer: Final = on_transfer
        self._orders, self._taken = trio.open_memory_channel[RunTool | Transfer](_MOST_ORDERS)
        self._under_way = 0

    def start(self, errand: RunTool | Transfer) -> bool:
        """Have it done, beside everything else. False for a tool if there are `AT_ONCE` already: nothing was done.

        A transfer is never one too many: it is how a caller leaves a model that has lost its way.
        """
        if isinstance(errand, RunTool):
            if self._under_way >= AT_ONCE:
                return False
            self._under_way += 1
        self._orders.send_nowait(errand)
        return True

    async def run(self) -> None:
        """Do what comes, for as long as the call takes."""
        async with trio.open_nursery() as errands:
            async for errand in self._taken:
                errands.start_soon(self._do, errand)

    async def _do(self, errand: RunTool | Transfer) -> None:
        match errand:
            case RunTool():
                output = await self.hands.run(errand.call)
                self._under_way -= 1
                self._on_tool(errand.call.call_id, output)
            case Transfer():
                why_not = await self.hands.transfer(errand.target)
                self._on_transfer(errand.target, why_not)
            case _:
                assert_never(errand)
