"""WebSocket connections that no peer can hold open, fill up or crash: opening them, from either side.

Each socket has one task in the `plumbing` nursery, which its opener passes in (`connection.Connection.tend`). The work
that uses the socket lives elsewhere, so it can be cancelled while the socket still says goodbye.

Between a byte and a call stand four files: `guard` (nobody waits for ever), `frames` (RFC 6455, pure), `connection`
(who reads, who closes) and this one. Everything foreign becomes an error of ours in `_translated`, and in `connection`.
"""

import contextlib
import ssl
from collections.abc import Generator, Sequence
from typing import Final

import trio
from attrs import frozen

from opusagent.errors import (
    NORMAL_CLOSURE,
    LocalProtocolError,
    PeerGone,
    PeerRefused,
    PeerStalled,
)
from opusagent.net.connection import Connection
from opusagent.net.guard import GuardedStream, tune
from opusagent.net.handshake import EXCERPT_BYTES, Accepted, Endpoint, Greeting
from opusagent.net.limits import SocketLimits
from opusagent.net.message_socket import MessageSocket

_EXCERPT_SECONDS: Final = 1.0
"""How long a refusal's body is waited for, its status being known."""


async def connect(
    plumbing: trio.Nursery,
    url: str,
    headers: Sequence[tuple[str, str]],
    limits: SocketLimits,
    *,
    ssl_context: ssl.SSLContext | None = None,
) -> MessageSocket:
    """Dial `url` (ws:// or wss://) within `limits.open_seconds` in total. On failure nothing is left behind.

    No proxy is used and no redirect followed. Without `ssl_context` the system's trust store is read, which takes
    tens of milliseconds: who dials often passes one.

    Raises:
        ConfigError: the URL cannot be dialled.
        LocalProtocolError: a header cannot be sent.
        PeerRefused: there is nobody, its certificate is bad, or it answers something else than 101.
        PeerStalled: it does not get that far within the bound.
    """
    endpoint = Endpoint.parse(url)
    greeting = Greeting.to(endpoint, headers)
    with trio.move_on_after(limits.open_seconds):
        return await _dial(plumbing, greeting, limits, ssl_context)
    raise PeerStalled(f"{endpoint.authority} did not open a WebSocket within {limits.open_seconds:g} s")


async def _dial(
    plumbing: trio.Nursery, greeting: Greeting, limits: SocketLimits, ssl_context: ssl.SSLContext | None
) -> MessageSocket:
    endpoint = greeting.endpoint
    with _translated(endpoint.authority):
        async with contextlib.AsyncExitStack() as undo:
            tcp = await trio.open_tcp_stream(endpoint.host, endpoint.port)
            undo.push_async_callback(trio.aclose_forcefully, tcp)
            tune(tcp, send_buffer_bytes=limits.send_buffer_bytes)
            stream = await _secured(tcp, endpoint.host, ssl_context) if endpoint.tls else tcp
            socket = await greet(plumbing, stream, greeting, limits)
            undo.pop_all()
            return socket


async def greet(
    plumbing: trio.Nursery, stream: trio.abc.Stream, greeting: Greeting, limits: SocketLimits
) -> MessageSocket:
    """Send the opening handshake on a connected stream and read its answer. The time it may take is the caller's.

    Raises:
        PeerRefused: the answer is not 101.
        trio.BrokenResourceError: the stream broke.
    """
    await stream.send_all(greeting.request)
    while not greeting.settled and greeting.status is None:
        greeting.feed(await stream.receive_some(EXCERPT_BYTES))
    # The caller's own deadline must not take the status with it, so the body may have half of what is left at most.
    left = trio.current_effective_deadline() - trio.current_time()
    with trio.move_on_after(min(_EXCERPT_SECONDS, left / 2)):
        await trio.lowlevel.checkpoint_if_cancelled()
        while not greeting.settled:
            greeting.feed(await stream.receive_some(EXCERPT_BYTES))
    return _opened(plumbing, stream, greeting.verdict(), limits, is_client=True)


async def upgrade(
    plumbing: trio.Nursery, stream: trio.abc.Stream, accepted: Accepted, limits: SocketLimits
) -> MessageSocket:
    """Answer 101 on a stream whose request was read and judged (`handshake.answer_handshake`).

    Raises:
        PeerGone: the client has gone meanwhile.
        PeerStalled: it does not take the answer.
    """
    guard = GuardedStream(stream, limits.send_seconds)
    try:
        tune(stream, send_buffer_bytes=limits.send_buffer_bytes)
        await guard.send_all(accepted.reply)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        if guard.stalled:
            raise PeerStalled(f"the client did not take the 101 within {limits.send_seconds:g} s") from None
        raise PeerGone(f"the client left during the handshake: {error}") from None
    return _opened(plumbing, stream, accepted.glued, limits, is_client=False)


def _opened(
    plumbing: trio.Nursery, stream: trio.abc.Stream, glued: bytes, limits: SocketLimits, *, is_client: bool
) -> MessageSocket:
    connection = Connection(GuardedStream(stream, limits.send_seconds), limits, glued, is_client=is_client)
    plumbing.start_soon(connection.tend)
    return WebSocket(connection)


async def _secured(tcp: trio.SocketStream, host: str, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    context = ssl.create_default_context() if ssl_context is None else ssl_context
    stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    await stream.do_handshake()
    return stream


@contextlib.contextmanager
def _translated(authority: str) -> Generator[None]:
    """Whatever goes wrong below WebSocket while dialling, in our words."""
    try:
        yield
    except ssl.SSLError as error:
        raise PeerRefused(f"{authority}: TLS failed: {error}") from error
    except OSError as error:
        raise PeerRefused(f"{authority} cannot be reached: {_told(error)}") from error
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise PeerRefused(f"{authority} broke the connection while it was opened: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """What an operator can use of `error`: its first cause, which trio wraps two or three times."""
    match error:
        case BaseExceptionGroup(exceptions=parts):
            return "; ".join(dict.fromkeys(_told(part) for part in parts))
        case _:
            return str(error) if error.__cause__ is None else _told(error.__cause__)


@frozen(eq=False)
class WebSocket:
    """A `MessageSocket` over TCP or TLS."""

    _connection: Connection

    async def receive(self) -> str:
        return await self._connection.take()

    async def send(self, *messages: str) -> None:
        try:
            await self._connection.put(messages)
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"a message to send is not Unicode text: {error.reason}") from None

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self._connection.part(code, reason)
