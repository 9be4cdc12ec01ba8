"""TCP without TCP: byte streams in memory with a window, an orderly end and a reset, and a port made of them.

trio's own memory streams hold without bound, so nobody ever waits to send; or not at all, so two peers that answer each
other's pings at once wait for ever. Real sockets do neither.
"""

from typing import Final

import trio
from attrs import define, field
from typing_extensions import override

WINDOW: Final = 64 * 1024
"""Bytes that one direction holds: the order of a socket buffer."""


def stream_pair(window: int = WINDOW) -> tuple["MemoryStream", "MemoryStream"]:
    """Two ends of one connection that holds at most `window` bytes each way."""
    there, back, changed = _Pipe(window), _Pipe(window), trio.lowlevel.ParkingLot()
    return MemoryStream(there, back, changed), MemoryStream(back, there, changed)


@define(eq=False)
class _Pipe:
    window: int
    held: bytearray = field(factory=bytearray, init=False)
    ended: bool = field(default=False, init=False)
    """Its writer has said that nothing more comes."""
    abandoned: bool = field(default=False, init=False)
    """Its reader has closed, or the connection was reset."""


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a `stream_pair`."""

    def __init__(self, outgoing: _Pipe, incoming: _Pipe, changed: trio.lowlevel.ParkingLot) -> None:
        self._outgoing: Final = outgoing
        self._incoming: Final = incoming
        self._changed: Final = changed

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        pipe = self._incoming
        while not (pipe.held or pipe.ended or pipe.abandoned):
            await self._changed.park()
        if pipe.abandoned:
            raise self._broken()
        taken = bytes(pipe.held[:max_bytes])
        del pipe.held[: len(taken)]
        self._changed.unpark_all()
        return taken

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        rest, pipe = bytes(data), self._outgoing
        while True:
            if pipe.abandoned or pipe.ended:
                raise self._broken()
            if room := pipe.window - len(pipe.held):
                pipe.held += rest[:room]
                rest = rest[room:]
                self._changed.unpark_all()
            if not rest:
                return
            await self._changed.park()

    @override
    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        while len(self._outgoing.held) >= self._outgoing.window and not self._outgoing.abandoned:
            await self._changed.park()

    @override
    async def send_eof(self) -> None:
        self._outgoing.ended = True
        self._changed.unpark_all()
        await trio.lowlevel.checkpoint()

    @override
    async def aclose(self) -> None:
        self._incoming.abandoned = True
        await self.send_eof()

    def reset(self) -> None:
        """Break the connection both ways; what is on its way is lost."""
        self._incoming.abandoned = self._outgoing.abandoned = True
        self._changed.unpark_all()

    def _broken(self) -> trio.BrokenResourceError | trio.ClosedResourceError:
        if self._incoming.abandoned and not self._outgoing.abandoned:
            return trio.ClosedResourceError("this end is closed")
        return trio.BrokenResourceError("the other end is closed, or the connection was reset")


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """A port without TCP: `connect` is a client, `accept` the server."""

    def __init__(self) -> None:
        self._knock, self._door = trio.open_memory_channel[trio.abc.Stream](1024)

    async def connect(self) -> MemoryStream:
        """The client's end of a new connection."""
        theirs, ours = stream_pair()
        await self._knock.send(ours)
        return theirs

    @override
    async def accept(self) -> trio.abc.Stream:
        return await self._door.receive()

    @override
    async def aclose(self) -> None:
        await self._door.aclose()
