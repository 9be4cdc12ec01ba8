"""The listening sockets: opened by us, by a socket unit, or by the process that we take over from."""

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio
from typing_extensions import override

from opusagent.daemon.config import Server
from opusagent.daemon.systemd import InheritedSocket
from opusagent.errors import CannotBind
from opusagent.net.listener import open_listeners

BACKLOG: Final = 4096
"""Connections that may wait while nobody accepts, as in the moment of an upgrade. The kernel's `somaxconn` caps it."""


@attrs.define(eq=False)
class DoorListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts from `inner`, and speaks TLS with whatever `identity` says at that moment: a certificate can change."""

    inner: trio.SocketListener
    identity: Callable[[], ssl.SSLContext | None]

    @override
    async def accept(self) -> trio.abc.Stream:
        stream = await self.inner.accept()
        context = self.identity()
        return stream if context is None else trio.SSLStream(stream, context, server_side=True, https_compatible=True)

    @override
    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.frozen
class Doorstep:
    """The sockets of the port."""

    sockets: tuple[trio.SocketListener, ...]

    @property
    def port(self) -> int:
        """The first one's port; 0 if it has none."""
        name: object = self.sockets[0].socket.getsockname()
        return _port_of(name)

    @property
    def fds(self) -> tuple[int, ...]:
        """Their descriptors, for a successor."""
        return tuple(each.socket.fileno() for each in self.sockets)

    def listeners(self, identity: Callable[[], ssl.SSLContext | None]) -> Sequence[DoorListener]:
        """What accepts."""
        return [DoorListener(each, identity) for each in self.sockets]


async def open_doorstep(server: Server, inherited: Sequence[InheritedSocket]) -> Doorstep:
    """Take over the sockets that are there already; without any, open what `server` says.

    Raises:
        CannotBind: the address cannot be listened at.
    """
    if inherited:
        await trio.lowlevel.checkpoint()
        return Doorstep(tuple(map(adopted, inherited)))
    listen = server.listen
    if server.reuse_port:
        return Doorstep(await _shared(listen.host, listen.port))
    opened = await open_listeners(listen.host, listen.port)
    return Doorstep(tuple(each for each in opened if isinstance(each, trio.SocketListener)))


def adopted(inherited: InheritedSocket) -> trio.SocketListener:
    """A socket that is there already, as what accepts from it."""
    return trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=inherited.fd)))


async def _shared(host: str, port: int) -> tuple[trio.SocketListener, ...]:
    """Sockets that other processes of ours listen at as well (SO_REUSEPORT)."""
    with contextlib.ExitStack() as opened:
        try:
            addresses = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            own = [opened.enter_context(trio.socket.socket(family, kind)) for family, kind, *_ in addresses]
            for each, (family, *_, address) in zip(own, addresses, strict=True):
                _share(each, family)
                await each.bind(address)
                each.listen(BACKLOG)
        except (OSError, OverflowError, UnicodeError) as error:
            hint = " (a process that listens there does not share the port)" if _is_taken(error) else ""
            raise CannotBind(f"cannot listen on {host}:{port}: {error}{hint}") from error
        opened.pop_all()
    return tuple(map(trio.SocketListener, own))


def _share(own: trio.socket.SocketType, family: int) -> None:
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _is_taken(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


def _port_of(name: object) -> int:
    match name:
        case (str(), int(port)) | (str(), int(port), int(), int()):
            return port
        case _:
            return 0
