"""A leg of a call that remembers whether it was closed in an orderly way."""

import attrs

from opusagent.errors import NORMAL_CLOSURE
from opusagent.net.message_socket import MessageSocket


@attrs.define(eq=False)
class WatchedLeg:
    """`socket`, watched. `closed`: a close of it has come to its end."""

    socket: MessageSocket
    closed: bool = False

    async def receive(self) -> str:
        return await self.socket.receive()

    async def send(self, *messages: str) -> None:
        await self.socket.send(*messages)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self.socket.close(code, reason)
        self.closed = True
