"""Servers that misbehave before they are connected: dialling them ends in time and in words.

Over loopback, because dialling is what is tested; bounds that must be met are short, all others far away.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import pytest
import trio
from attrs import evolve
from typing_extensions import override

from opusagent.errors import (
    ConfigError,
    LocalProtocolError,
    OpusagentError,
    PeerRefused,
    PeerStalled,
)
from opusagent.net.limits import MODEL, SocketLimits
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.sockets import connect
from opusagent.testing.descriptors import descriptors
from opusagent.testing.raw import EchoSite, read_until
from tests.net.house import keep_echoing

HASTY: Final = evolve(MODEL, open_seconds=0.3)
CERTIFICATE: Final = Path(__file__).parent / "tls" / "localhost.pem"

Script = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def a_backend(script: Script) -> AsyncGenerator[int]:
    """A port where every connection is given to `script`; it stays open until the peer or the test leaves."""

    async def play(stream: trio.SocketStream) -> None:
        try:
            await script(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as backend:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await backend.start(trio.serve_listeners, play, listeners)
        yield listeners[0].socket.getsockname()[1]
        backend.cancel_scope.cancel()


def answering(answer: bytes, *, leave: bool = False) -> Script:
    """Read the request, answer this, and leave or fall silent."""

    async def script(stream: trio.abc.Stream) -> None:
        await read_until(stream, b"\r\n\r\n")
        await stream.send_all(answer)
        if not leave:
            await trio.sleep_forever()

    return script


async def close_at_once(stream: trio.abc.Stream) -> None:
    await stream.aclose()


async def stall(_stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def pour(stream: trio.abc.Stream) -> None:
    """Announce a body of 100 MB and send it."""
    await read_until(stream, b"\r\n\r\n")
    await stream.send_all(b"HTTP/1.1 500 X\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1000):
        await stream.send_all(b"x" * 100_000)


async def dial(script: Script, limits: SocketLimits = MODEL) -> OpusagentError:
    """What `connect` raises. No task of it is left, and no file."""
    before = descriptors()
    async with a_backend(script) as port, trio.open_nursery() as plumbing:
        with trio.fail_after(3), pytest.raises(OpusagentError) as refused:
            await connect(plumbing, f"ws://127.0.0.1:{port}/v1", [("authorization", "Bearer canary")], limits)
        assert not plumbing.child_tasks
    assert not descriptors() - before
    assert "canary" not in str(refused.value)
    return refused.value


BODY: Final = b'{"error":{"code":"rate_limit"}}'


@pytest.mark.parametrize(
    ("script", "status", "text"),
    [
        pytest.param(
            answering(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY),
            401,
            """answered 401: '{"error":{"code":"rate_limit"}}'""",
            id="401",
        ),
        pytest.param(
            answering(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\n\r\n" + BODY, leave=True),
            429,
            """answered 429: '{"error":{"code":"rate_limit"}}'""",
            id="429 without length",
        ),
        pytest.param(
            answering(b"HTTP/1.1 503 Busy\r\n\r\nhello"), 503, "answered 503: 'hello'", id="503 without length, stalls"
        ),
        pytest.param(
            answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhello", leave=True),
            503,
            "answered 503: 'hello'",
            id="503 cut short",
        ),
        pytest.param(
            answering(b"HTTP/1.1 302 F\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"),
            302,
            "answered 302 and pointed to 'http://elsewhere/' (redirects are not followed)",
            id="redirect",
        ),
        pytest.param(answering(b"HTTP/1.1 103 Hints\r\n\r\n"), 103, "answered 103", id="another 1xx"),
        pytest.param(pour, 500, f"answered 500: {'x' * 500!r}", id="100 MB body"),
        pytest.param(close_at_once, None, "closed the connection before it answered", id="closes at once"),
        pytest.param(
            answering(b"", leave=True), None, "closed the connection before it answered", id="closes before 101"
        ),
        pytest.param(
            answering(b"HTTP/1.1 101 S\r\nUpg", leave=True),
            None,
            "closed the connection before it answered",
            id="closes half-way",
        ),
        pytest.param(
            answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            None,
            "does not answer like a WebSocket server: Bad HTTP message",
            id="garbage banner",
        ),
        pytest.param(
            answering(b"HTTP/1.1 101 S\r\nA: " + b"x" * 300_000 + b"\r\n\r\n"),
            None,
            "does not answer like a WebSocket server: Bad HTTP message",
            id="300 KB header",
        ),
        pytest.param(
            answering(
                b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"
            ),
            None,
            "does not answer like a WebSocket server: Bad accept token",
            id="bad accept key",
        ),
        pytest.param(
            answering(b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: \xff\r\n\r\n"),
            None,
            "does not answer like a WebSocket server",
            id="header not ASCII",
        ),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), 200, "answered 200: 'hi'", id="200"),
    ],
)
async def test_a_refusal_keeps_its_status_and_what_was_said(script: Script, status: int | None, text: str) -> None:
    refused = await dial(script)
    assert isinstance(refused, PeerRefused)
    assert refused.status == status
    assert text in str(refused)


@pytest.mark.parametrize(
    "script",
    [
        stall,
        answering(b""),
        answering(b"HTTP/1.1 101 Switching"),
        answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
    ids=["reads nothing", "answers nothing", "answers half", "half a banner"],
)
async def test_a_backend_that_stalls_is_given_up_in_time(script: Script) -> None:
    begin = trio.current_time()
    stalled = await dial(script, HASTY)
    assert isinstance(stalled, PeerStalled)
    assert "did not open a WebSocket within 0.3 s" in str(stalled)
    assert trio.current_time() - begin >= 0.3


async def test_a_status_is_kept_when_the_time_for_its_body_runs_out() -> None:
    refused = await dial(answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhello"), HASTY)
    assert isinstance(refused, PeerRefused)
    assert refused.status == 503


async def failure(url: str, context: ssl.SSLContext | None = None) -> str:
    async with trio.open_nursery() as plumbing:
        with trio.fail_after(3), pytest.raises(PeerRefused) as refused:
            await connect(plumbing, url, [], MODEL, ssl_context=context)
        assert not plumbing.child_tasks
    return str(refused.value)


async def test_nobody_there_is_told_at_once() -> None:
    async with a_backend(stall) as port:
        pass
    assert "Connection refused" in await failure(f"ws://127.0.0.1:{port}/")


Address = (
    tuple[Literal[socket.AddressFamily.AF_INET], socket.SocketKind, int, str, tuple[str, int]]
    | tuple[
        Literal[socket.AddressFamily.AF_INET6],
        socket.SocketKind,
        int,
        str,
        tuple[str, int, int, int] | tuple[int, bytes],
    ]
)


class Names(trio.abc.HostnameResolver):
    """A resolver that knows `here` for this machine, never answers about `lost`, and knows nothing else."""

    @override
    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Address]:
        await trio.lowlevel.checkpoint()
        if host == b"lost":
            await trio.sleep_forever()
        if host != b"here":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AddressFamily.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", int(port or 0)))
        ]

    @override
    async def getnameinfo(self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_name_that_nobody_has_is_told() -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    assert "nowhere cannot be reached: [Errno -2] Name or service not known" in await failure("ws://nowhere/")


async def test_a_resolver_that_never_answers_is_given_up_in_time() -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    async with trio.open_nursery() as plumbing:
        with trio.fail_after(3), pytest.raises(PeerStalled):
            await connect(plumbing, "ws://lost/", [], HASTY)


async def fail_a_tls_handshake(stream: trio.abc.Stream) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    assert isinstance(stream, trio.SocketStream)
    with pytest.raises(trio.BrokenResourceError):
        await trio.SSLStream(stream, context, server_side=True).do_handshake()


async def test_a_certificate_that_nobody_signed_is_refused_with_its_cause() -> None:
    async with a_backend(fail_a_tls_handshake) as port:
        assert "certificate verify failed: self-signed certificate" in await failure(f"wss://127.0.0.1:{port}/")


async def test_a_certificate_for_another_name_is_refused_with_its_cause() -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    async with a_backend(fail_a_tls_handshake) as port:
        assert "certificate is not valid for 'here'" in await failure(f"wss://here:{port}/", trusting)


async def test_a_tls_handshake_that_stalls_is_given_up_in_time() -> None:
    async with a_backend(stall) as port, trio.open_nursery() as plumbing:
        with trio.fail_after(3), pytest.raises(PeerStalled):
            await connect(plumbing, f"wss://127.0.0.1:{port}/", [], HASTY)
        assert not plumbing.child_tasks


async def test_plain_text_where_tls_was_expected_is_told() -> None:
    async def greet_in_clear(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with a_backend(greet_in_clear) as port:
        assert "broke the connection while it was opened" in await failure(f"wss://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "url", ["http://a/", "ws:///x", "ws://a:port/", "ws://[::1/", "ws://user:secret@a/", "a", f"ws://{'x' * 64}.net/"]
)
async def test_a_url_that_cannot_be_dialled_is_the_configuration_s_fault(url: str) -> None:
    async with trio.open_nursery() as plumbing:
        with pytest.raises(ConfigError):
            await connect(plumbing, url, [], MODEL)


@pytest.mark.parametrize("value", ["canary\r\nX: y", "canary\n", "canary \u20ac"])
async def test_a_header_that_cannot_be_sent_is_not_repeated_in_the_error(value: str) -> None:
    """A key read with its newline is a common mistake, and keys do not belong in logs."""
    async with trio.open_nursery() as plumbing:
        with pytest.raises(LocalProtocolError) as refused:
            await connect(plumbing, "ws://127.0.0.1:9/", [("authorization", value)], MODEL)
    assert "canary" not in repr(refused.value)


async def test_dialling_all_of_them_at_once_disturbs_no_other_connection() -> None:
    scripts = [stall, close_at_once, pour, answering(b""), answering(b"SSH-2.0-x\r\n\r\n"), answering(b"", leave=True)]

    async def refuse(script: Script) -> None:
        async with a_backend(script) as port, trio.open_nursery() as plumbing:
            with pytest.raises(OpusagentError):
                await connect(plumbing, f"ws://127.0.0.1:{port}/", [], HASTY)

    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as house:
        house.start_soon(serve, listeners, EchoSite())
        house.start_soon(keep_echoing, await connect(house, f"ws://127.0.0.1:{bound_port(listeners)}/echo", [], MODEL))
        async with trio.open_nursery() as dials:
            for script in scripts * 5:
                dials.start_soon(refuse, script)
        house.cancel_scope.cancel()
