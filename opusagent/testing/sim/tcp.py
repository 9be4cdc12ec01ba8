"""A TCP socket of the simulated network, as trio's own streams and listeners use one.

Errors are the kernel's: a reset, a refusal, a peer that does not acknowledge within the socket's TCP_USER_TIMEOUT.
"""

import errno
import os
import socket
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias, overload

import trio
from typing_extensions import Buffer, override

from opusagent.errors import LocalProtocolError
from opusagent.testing.sim.pipe import NEVER, Connection, Pipe

if TYPE_CHECKING:
    from opusagent.testing.sim.network import Network

Address: TypeAlias = tuple[str, int]
"""A numeric host and a port."""

NOBODY: Final[Address] = ("0.0.0.0", 0)  # noqa: S104 - no interface is bound


class SimSocket(trio.socket.SocketType):
    """One socket: at first nothing, then a listener or an end of a connection, then closed."""

    def __init__(self, network: "Network") -> None:
        super().__init__()
        self.label = ""
        """Which end of which connection this is, for whoever finds it left open."""
        self.waiting: Final[deque[SimSocket]] = deque()
        """Connections that nobody has accepted."""
        self._network: Final = network
        self._options: Final[dict[tuple[int, int], int]] = {}
        self._mine, self._theirs = NOBODY, NOBODY
        self._connection: Connection | None = None
        self._out: Pipe | None = None
        self._in: Pipe | None = None
        self._is_listening = self._is_shut = self._is_closed = False
        self._knocks: Final = trio.lowlevel.ParkingLot()
        network.open[self] = None

    def attach(
        self, connection: Connection, out: Pipe, incoming: Pipe, mine: Address, theirs: Address, label: str
    ) -> None:
        """Be one end of `connection`."""
        self._connection, self._out, self._in = connection, out, incoming
        self._mine, self._theirs, self.label = mine, theirs, f"{label} ({connection.name})"

    def knock(self, newcomer: "SimSocket") -> None:
        """Somebody wants in."""
        self.waiting.append(newcomer)
        self._knocks.unpark_all()

    # What a listener does.

    @override
    async def bind(self, address: object) -> None:
        await trio.lowlevel.checkpoint()
        match address:
            case (str(host), int(port)):
                self._mine = (host, port)
            case _:
                raise LocalProtocolError(f"{address} is no address of the simulated network")

    @override
    def listen(self, backlog: int = 128) -> None:
        self._is_listening = True
        self.label = f"listening at {self._mine[1]}"
        self._network.listen(self, self._mine[1])

    @override
    async def accept(self) -> tuple["SimSocket", Address]:
        await trio.lowlevel.checkpoint()
        while True:
            self._check_open()
            if self._network.accept_failures and self.waiting:
                self._network.accept_failures -= 1
                raise _error(errno.EMFILE)
            if self.waiting:
                newcomer = self.waiting.popleft()
                return newcomer, newcomer.getpeername()
            await self._knocks.park()

    # What an end of a connection does.

    @override
    async def connect(self, address: object) -> None:
        match address:
            case (str(), int(port)):
                await self._network.dial(self, port)
            case _:
                raise LocalProtocolError(f"{address} is no address of the simulated network")

    @override
    async def send(self, data: Buffer, flags: int = 0, /) -> int:
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        out = self._outgoing()
        while True:
            self._check_alive(out)
            if self._is_shut or out.is_abandoned:
                raise _error(errno.EPIPE)
            if out.room:
                return out.put(bytes(view[: out.room]), trio.current_time())
            with trio.move_on_at(self._gives_up_at(out)):
                await out.changed.park()

    @override
    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        await trio.lowlevel.checkpoint()
        out, incoming = self._outgoing(), self._incoming()
        while True:
            self._check_alive(out)
            due = incoming.due()
            if due <= trio.current_time():
                data = incoming.take(buflen)
                self._network.trace.note(incoming.name, len(data))
                return data
            with trio.move_on_at(min(due, self._gives_up_at(out))):
                await incoming.changed.park()

    @override
    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()
        out = self._outgoing()
        while not out.room and not self._is_closed and not out.is_abandoned:
            await out.changed.park()

    @override
    def shutdown(self, flag: int) -> None:
        self._is_shut = True
        self._outgoing().end(trio.current_time())

    @override
    def close(self) -> None:
        """Let go of it. As with TCP, a peer that sends on is told by a reset; what was sent before still arrives."""
        if self._is_closed:
            return
        self._is_closed = True
        self._network.forget(self)
        self._knocks.unpark_all()
        for newcomer in self.waiting:
            newcomer.close()
        if self._out is not None and self._in is not None:
            self._out.end(trio.current_time())
            self._out.changed.unpark_all()
            self._in.is_abandoned = True
            self._in.changed.unpark_all()

    @property
    @override
    def did_shutdown_SHUT_WR(self) -> bool:
        return self._is_shut

    # What is asked of any socket.

    @property
    @override
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET

    @property
    @override
    def type(self) -> socket.SocketKind:
        return socket.SOCK_STREAM

    @property
    @override
    def proto(self) -> int:
        return 0

    @override
    def getsockname(self) -> Address:
        return self._mine

    @override
    def getpeername(self) -> Address:
        return self._theirs

    @override
    def fileno(self) -> int:
        return -1

    @overload
    def getsockopt(self, level: int, optname: int) -> int: ...
    @overload
    def getsockopt(self, level: int, optname: int, buflen: int) -> bytes: ...
    @override
    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> int | bytes:
        if (level, optname) == (socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return int(self._is_listening)
        return self._options.get((level, optname), 0)

    @override
    def setsockopt(self, level: int, optname: int, value: int | Buffer | None, optlen: int | None = None) -> None:
        if isinstance(value, int):
            self._options[level, optname] = value

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        return f"<SimSocket {self.label}>"

    # What the kernel would say.

    def _outgoing(self) -> Pipe:
        self._check_open()
        if self._out is None:
            raise _error(errno.ENOTCONN)
        return self._out

    def _incoming(self) -> Pipe:
        if self._in is None:
            raise _error(errno.ENOTCONN)
        return self._in

    def _check_open(self) -> None:
        if self._is_closed:
            raise _error(errno.EBADF)

    def _check_alive(self, out: Pipe) -> None:
        self._check_open()
        if self._connection is not None and self._connection.is_broken:
            raise _error(errno.ECONNRESET)
        if self._gives_up_at(out) <= trio.current_time():
            raise _error(errno.ETIMEDOUT)

    def _gives_up_at(self, out: Pipe) -> float:
        """When what was sent has gone unacknowledged for too long (RFC 5482)."""
        timeout = self._options.get((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 0)
        return out.unanswered_since(trio.current_time()) + timeout / 1000 if timeout else NEVER


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
