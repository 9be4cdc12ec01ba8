"""The listening sockets: where they come from, and a certificate that changes under connections that go on."""

import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from opusagent.daemon.config import Listen, Server
from opusagent.daemon.doorstep import Doorstep, open_doorstep
from opusagent.daemon.generation import identity_of
from opusagent.daemon.systemd import adopt
from opusagent.errors import CannotBind
from opusagent.net.listener import serve
from opusagent.testing.raw import EchoSite
from tests.daemon.test_generation import certificate

HEALTH = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def local(port: int = 0, *, reuse_port: bool = False) -> Server:
    return Server(listen=Listen("127.0.0.1", port), reuse_port=reuse_port)


@asynccontextmanager
async def served(doorstep: Doorstep, identity: Callable[[], ssl.SSLContext | None]) -> AsyncGenerator[int]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, doorstep.listeners(identity), EchoSite())
        yield doorstep.port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def visitor(port: int) -> AsyncGenerator[trio.SSLStream[trio.SocketStream]]:
    """A client that takes any certificate."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=trusting, https_compatible=True)
    async with stream:
        await stream.do_handshake()
        yield stream


def shown_to(stream: trio.SSLStream[trio.SocketStream]) -> bytes:
    """The certificate that the port has shown."""
    certificate: object = stream.getpeercert(binary_form=True)
    assert isinstance(certificate, bytes)
    return certificate


async def is_answered(stream: trio.abc.Stream) -> bool:
    await stream.send_all(HEALTH)
    return bytes(await stream.receive_some()).startswith(b"HTTP/1.1 ")


async def test_a_new_certificate_is_for_new_connections(tmp_path: Path) -> None:
    """The connection that there is goes on with what it began with."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shown = [identity_of(certificate(tmp_path / "a"))]
    doorstep = await open_doorstep(local(), ())
    with trio.fail_after(20):
        async with served(doorstep, lambda: shown[-1]) as port, visitor(port) as early:
            assert await is_answered(early)
            shown.append(identity_of(certificate(tmp_path / "b")))
            async with visitor(port) as late:
                assert await is_answered(late)
                assert await is_answered(early)
                assert shown_to(early) != shown_to(late)


async def test_tls_can_come_and_go_with_a_reload(tmp_path: Path) -> None:
    shown = [None, identity_of(certificate(tmp_path))]
    doorstep = await open_doorstep(local(), ())
    with trio.fail_after(20):
        async with served(doorstep, lambda: shown[-1]) as port:
            async with visitor(port) as encrypted:
                assert await is_answered(encrypted)
            shown.pop()
            async with await trio.open_tcp_stream("127.0.0.1", port) as plain:
                assert await is_answered(plain)


async def test_a_peer_that_does_not_speak_tls_hurts_nobody(tmp_path: Path) -> None:
    identity = identity_of(certificate(tmp_path))
    doorstep = await open_doorstep(local(), ())
    with trio.fail_after(20):
        async with served(doorstep, lambda: identity) as port:
            async with await trio.open_tcp_stream("127.0.0.1", port) as plain:
                await plain.send_all(HEALTH)
                assert not bytes(await plain.receive_some()).startswith(b"HTTP/1.1 ")
            async with visitor(port) as encrypted:
                assert await is_answered(encrypted)


async def test_an_inherited_socket_is_served_and_the_address_of_the_file_is_not_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        inherited = adopt(os.dup(theirs.fileno()), "calls")
        doorstep = await open_doorstep(local(1), [inherited])
        assert (doorstep.port, doorstep.fds) == (theirs.getsockname()[1], (inherited.fd,))
        with trio.fail_after(20):
            async with served(doorstep, lambda: None) as port, await trio.open_tcp_stream("127.0.0.1", port) as caller:
                assert await is_answered(caller)


async def test_a_shared_port_is_opened_twice_and_another_s_is_not() -> None:
    first = await open_doorstep(local(reuse_port=True), ())
    second = await open_doorstep(local(first.port, reuse_port=True), ())
    assert second.port == first.port
    with socket.create_server(("127.0.0.1", 0)) as theirs, pytest.raises(CannotBind, match="does not share the port"):
        await open_doorstep(local(theirs.getsockname()[1], reuse_port=True), ())
    for each in (*first.sockets, *second.sockets):
        await each.aclose()
