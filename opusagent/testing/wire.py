"""A plain connection whose wire breaks on command: what `MemorySocket` does in memory, done to a real socket."""

import socket
import struct
from typing import Final, Protocol

import attrs
import trio
from typing_extensions import override

STALLED_SECONDS: Final = 60.0
"""How long whoever reads from a wire that has stalled waits until it is broken for good: no process stands for ever."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on and without time: closing sends a reset, and what was on its way is lost."""


class Wire(Protocol):
    """What may happen to a connection below WebSocket. Each at once, and for good."""

    def vanish(self) -> None:
        """Break it as a reset does: no close frame, and what is on its way is lost, both ways."""
        ...

    def stall(self) -> None:
        """Stop this end as SIGSTOP does a process: it takes, gives, and answers pings no more."""
        ...

    def half_close(self) -> None:
        """End this end's half: the peer reads the end of the stream, and may go on to send."""
        ...


@attrs.define(eq=False)
class BreakableStream(trio.abc.Stream):
    """`inner`, and a `Wire`. Nobody is told here: what is sent into a broken wire is swallowed."""

    inner: trio.SocketStream
    _is_mute: bool = attrs.field(default=False, init=False)
    _is_deaf: bool = attrs.field(default=False, init=False)

    def vanish(self) -> None:
        """Reset the connection."""
        self._is_mute = True
        self.inner.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.inner.socket.close()

    def stall(self) -> None:
        """Read nothing more, write nothing more, and keep the connection open."""
        self._is_mute = self._is_deaf = True

    def half_close(self) -> None:
        """Send the end of the stream, and read on."""
        self._is_mute = True
        self.inner.socket.shutdown(socket.SHUT_WR)

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.inner.receive_some(max_bytes)
        if self._is_deaf:
            await trio.sleep(STALLED_SECONDS)
            raise trio.BrokenResourceError(f"the wire stalled {STALLED_SECONDS:g} s ago")
        return data

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_mute:
            await trio.lowlevel.checkpoint()
        else:
            await self.inner.send_all(data)

    @override
    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    @override
    async def aclose(self) -> None:
        await self.inner.aclose()
