"""A byte stream on which nobody waits for ever, and the TCP options that make the kernel agree.

Invariants:

* A write has a deadline. A write that times out, or is cancelled once it may have begun, may have put half a frame on
  the wire: the stream is closed at once, because whatever followed would be read as garbage.
"""

import os
import socket
import sys

import trio
from attrs import define, field

_USER_TIMEOUT_MS = 5000
_KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL, _KEEPALIVE_PROBES = 10, 5, 3
_READ_BYTES = 64 * 1024


def tune(stream: trio.abc.Stream, *, send_buffer_bytes: int | None) -> None:
    """Set the TCP options of a leg, on plain and TLS streams; other streams have none.

    TCP_NODELAY: a 20 ms frame does not wait for an acknowledgement. TCP_USER_TIMEOUT (RFC 5482) 5 s: unacknowledged
    bytes break the connection, where the kernel's default is a quarter of an hour. Keepalive 10 s + 3 x 5 s: the same
    for a leg on which we send nothing.

    Raises:
        OSError: the socket is already dead.
    """
    tcp = _socket_of(stream)
    if tcp is None or tcp.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    if send_buffer_bytes is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)


def peer_ip(stream: trio.abc.Stream) -> str:
    """The numeric address of the peer, or "" for a stream that has none or is already dead."""
    tcp = _socket_of(stream)
    if tcp is None or tcp.family not in {socket.AF_INET, socket.AF_INET6}:
        return ""
    try:
        return str(tcp.getpeername()[0])
    except OSError:
        return ""


def _socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    match stream:
        case trio.SocketStream(socket=tcp):
            return tcp
        case trio.SSLStream(transport_stream=trio.SocketStream(socket=tcp)):
            return tcp
        case _:
            return None


@define(eq=False)
class GuardedStream(trio.abc.Stream):
    """`inner` with a deadline on every write. One task reads; writes do not overlap.

    On a plain TCP stream both ways are shorter than the stream's own. What comes is waited for before it is read, since
    hardly ever is anything there; and what fits into the kernel's buffer is written without waiting for the next turn
    of the loop.
    """

    inner: trio.abc.Stream
    send_seconds: float
    stalled: bool = field(default=False, init=False)
    """A write has met its deadline. The stream is closed."""
    _tcp: "trio.socket.SocketType | None" = field(init=False)

    def __attrs_post_init__(self) -> None:
        match self.inner:
            case trio.SocketStream(socket=tcp) if tcp.fileno() >= 0:
                self._tcp = tcp
            case _:  # TLS, memory, or a socket that no kernel knows: trio's virtual networking has no descriptors
                self._tcp = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come, at most `max_bytes`; b"" at the end.

        Raises:
            trio.BrokenResourceError: the connection broke.
            trio.ClosedResourceError: the stream is closed, perhaps meanwhile.
        """
        if self._tcp is None:
            return await self.inner.receive_some(max_bytes)
        while True:
            await trio.lowlevel.wait_readable(_descriptor(self._tcp))
            try:
                return os.read(_descriptor(self._tcp), max_bytes or _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection broke: {error}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`.

        Raises:
            trio.BrokenResourceError: the peer is gone, or did not take the bytes in time (then `stalled` is set).
            trio.ClosedResourceError: the stream is closed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()  # before the first byte a cancellation breaks nothing
        rest = memoryview(data)[0 if self._tcp is None else _written(self._tcp, data) :]
        if not rest:
            return
        with trio.move_on_after(self.send_seconds) as patience:
            try:
                await self.inner.send_all(rest)
            except trio.Cancelled:
                self.stalled = patience.cancel_called  # before the close, which wakes whoever reads
                await trio.aclose_forcefully(self.inner)
                raise
        if patience.cancelled_caught:
            self.stalled = True
            raise trio.BrokenResourceError(f"the peer took no bytes for {self.send_seconds:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that nothing more comes, where the stream can (TLS cannot), so that the peer need not wait for us.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the stream is dead or closed.
        """
        if isinstance(self.inner, trio.abc.HalfCloseableStream):
            await self.inner.send_eof()
        else:
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self.inner.aclose()


def _descriptor(tcp: "trio.socket.SocketType") -> int:
    """The descriptor to use now: by the next turn of the loop it may be another connection's."""
    descriptor = tcp.fileno()
    if descriptor < 0:
        raise trio.ClosedResourceError("this end is closed")
    return descriptor


def _written(tcp: "trio.socket.SocketType", data: bytes | bytearray | memoryview) -> int:
    """How much of `data` the kernel takes at once."""
    try:
        return os.write(_descriptor(tcp), data)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise trio.BrokenResourceError(f"the connection broke: {error}") from error
