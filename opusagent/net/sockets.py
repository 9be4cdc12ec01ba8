"""WebSocket connections that no peer can hold open, fill up or crash: the only importer of trio-websocket.

Each socket has one task in the `plumbing` nursery, which its opener passes in: it reads, answers pings and closes,
asks a silent peer whether it is alive, and leaves nothing behind. The work that uses the socket lives elsewhere, so it
can be cancelled while the socket still says goodbye.

                 receive() <- [queue: messages and bytes bounded] <- reader --.
                 send()    -> [stream lock] -> guarded stream <--- pong, close+-- tend() in `plumbing`
                 close()   -> close frame, then wait for `gone` <---- watcher --'

trio-websocket keeps a connection's parser, lock and close handshake. What it leaves open is decided here: the opening
handshake (`handshake`), write deadlines (`guard`), sizes, fragments, binary messages, a close frame for a peer that
breaks the protocol, the end of a peer that answers no close frame. Everything foreign becomes an error of ours in
`_translated` and `_Connection.blame`, nowhere else.
"""

import contextlib
import ssl
from collections.abc import Generator, Sequence
from typing import Final

import trio
from attrs import frozen
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError as WsprotoMisuse

from opusagent.errors import (
    MESSAGE_TOO_BIG,
    NORMAL_CLOSURE,
    UNSUPPORTED_DATA,
    LocalProtocolError,
    OpusagentError,
    PeerGone,
    PeerRefused,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.guard import GuardedStream, tune
from opusagent.net.handshake import EXCERPT_BYTES, Accepted, Endpoint, Greeting
from opusagent.net.limits import SocketLimits
from opusagent.net.message_socket import MessageSocket

VANISHED: Final = 1006
"""RFC 6455 section 7.1.5: what the close code is considered to be where there was no close frame."""

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
    return _opened(plumbing, stream, greeting.verdict(), limits)


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
    return _opened(plumbing, stream, accepted.machine, limits)


def _opened(
    plumbing: trio.Nursery, stream: trio.abc.Stream, machine: WSConnection, limits: SocketLimits
) -> MessageSocket:
    connection = _Connection(GuardedStream(stream, limits.send_seconds), machine, limits)
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


def short(reason: str) -> str:
    """A close frame holds 125 bytes, two of them the code (RFC 6455 section 5.5); a longer reason is cut.

    >>> len(short("\u00e9" * 100).encode())
    122
    """
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")


@frozen(eq=False)
class WebSocket:
    """A `MessageSocket` over TCP or TLS."""

    _connection: "_Connection"

    async def receive(self) -> str:
        connection = self._connection
        try:
            return await connection.take()
        except ConnectionClosed:
            raise connection.blame() from None

    async def send(self, *messages: str) -> None:
        connection = self._connection
        try:
            await connection.put(messages)
        except ConnectionClosed:
            raise connection.blame() from None
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"a message to send is not Unicode text: {error.reason}") from None

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self._connection.part(code, reason)


class _Connection(WebSocketConnection):
    """One connection whose opening handshake is done."""

    def __init__(self, guard: GuardedStream, machine: WSConnection, limits: SocketLimits) -> None:
        super().__init__(
            guard,
            machine,
            host="",
            path="",
            message_queue_size=limits.queued_messages,
            max_message_size=limits.message_bytes,
            receive_buffer_size=limits.read_bytes,
        )
        self._initial_request = None  # sent and answered already
        self._guard: Final = guard
        self._limits: Final = limits
        self._parting: Final = trio.Event()  # either side has begun to close
        self._gone: Final = trio.Event()  # the stream is closed and `tend` is over
        self._fault: OpusagentError | None = None
        self._text: Final[list[str]] = []  # of the message being received
        self._text_bytes = 0
        self._fragments = 0
        self._queued_bytes = 0
        self._space: Final = trio.lowlevel.ParkingLot()

    # What the owner does.

    async def take(self) -> str:
        """The next message. Raises ConnectionClosed when there is none and never will be."""
        message = await self.get_message()
        if not isinstance(message, str):
            raise LocalProtocolError("a binary message was queued")
        self._queued_bytes -= _octets(message)
        self._space.unpark_all()
        return message

    async def put(self, messages: Sequence[str]) -> None:
        """Send `messages` in one write. Raises ConnectionClosed, or UnicodeEncodeError with nothing sent."""
        if self._close_reason is not None:
            raise ConnectionClosed(self._close_reason)
        data = b"".join([self._wsproto.send(TextMessage(data=message)) for message in messages])
        async with self._stream_lock:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._guard.send_all(data)
                return
            await self._abort_web_socket()
        raise ConnectionClosed(self._close_reason)

    async def part(self, code: int, reason: str) -> None:
        """Send a close frame, read on until the peer's, and close the stream; the watcher bounds all of it."""
        self._parting.set()
        self._forget_queue()
        try:
            await self.aclose(code, short(reason))
            await self._gone.wait()
        finally:
            await trio.aclose_forcefully(self._guard)

    def blame(self) -> OpusagentError:
        """Why there is nothing to receive or nobody to send to."""
        if self._guard.stalled:
            return PeerStalled(f"the peer took no bytes for {self._limits.send_seconds:g} s")
        if self._fault is not None:
            return self._fault.with_traceback(None)
        code = VANISHED if self._close_reason is None else self._close_reason.code
        if code == VANISHED:
            return PeerGone("the connection broke without a close frame", code=VANISHED)
        said = self._close_reason.reason if self._close_reason is not None else None
        return PeerGone(f"the connection was closed with {code}" + (f": {said}" if said else ""), code=code)

    # What the socket's own task does.

    async def tend(self) -> None:
        """Read until the connection is over, then leave nothing behind. Never raises for what a peer does."""
        try:
            async with trio.open_nursery() as pipes:
                pipes.start_soon(self._watch, pipes.cancel_scope)
                await self._read()
                pipes.cancel_scope.cancel()
        finally:
            self._send_channel.close()
            self._close_handshake.set()
            self._gone.set()
            await trio.aclose_forcefully(self._guard)

    async def _read(self) -> None:
        try:
            await self._reader_task()
        except RemoteProtocolError as error:
            await self._dismiss(error)
        except (ConnectionClosed, WsprotoMisuse):
            # The peer left, or we began to close, between a frame and the library's answer to it.
            await trio.lowlevel.checkpoint()

    async def _dismiss(self, error: RemoteProtocolError) -> None:
        """Tell the peer why, then read and discard until it leaves: a reset would destroy the close frame."""
        self._parting.set()
        with contextlib.suppress(ConnectionClosed, WsprotoMisuse):
            await self._send(CloseConnection(code=error.close_code, reason=str(error)))
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with self._stream_lock:
                await self._guard.send_eof()
            while await self._guard.receive_some(self._limits.read_bytes):
                pass
        await trio.lowlevel.checkpoint()

    async def _watch(self, pipes: trio.CancelScope) -> None:
        """Ask a silent peer whether it is alive; once the connection closes, bound how long that may take."""
        while not self._parting.is_set():
            await self._listen_for_life()
        await trio.sleep(self._limits.close_seconds)
        pipes.cancel()

    async def _listen_for_life(self) -> None:
        since = self._guard.listening_since
        begin = trio.current_time() if since is None else since
        if await self._parts_before(begin + self._limits.ping_seconds) or self._guard.listening_since != since:
            return
        with contextlib.suppress(ConnectionClosed, WsprotoMisuse):
            await self._send(Ping())
        deadline = trio.current_time() + self._limits.pong_seconds
        if await self._parts_before(deadline) or since is None or self._guard.listening_since != since:
            return
        bound = self._limits.ping_seconds + self._limits.pong_seconds
        self._fault = PeerStalled(f"the peer sent nothing for {bound:g} s and answered no ping")
        await trio.aclose_forcefully(self._guard)

    async def _parts_before(self, deadline: float) -> bool:
        with trio.move_on_at(deadline):
            await self._parting.wait()
        return self._parting.is_set()

    # What the library's reader meets.

    async def _handle_message_event(self, event: BytesMessage | TextMessage) -> None:
        if isinstance(event, BytesMessage):
            raise self._fault_of_theirs("binary messages are not spoken here", UNSUPPORTED_DATA)
        self._fragments += event.frame_finished
        self._text_bytes += _octets(event.data)
        if self._text_bytes > self._limits.message_bytes:
            raise self._fault_of_theirs(f"a message of more than {self._limits.message_bytes} bytes", MESSAGE_TOO_BIG)
        if self._fragments > self._limits.fragments:
            raise self._fault_of_theirs(f"a message in more than {self._limits.fragments} fragments", MESSAGE_TOO_BIG)
        self._text.append(event.data)
        if not event.message_finished:
            await trio.lowlevel.checkpoint()  # a peer that cuts finely yields as often as one that does not
        else:
            await self._queue("".join(self._text), self._text_bytes)
            self._text.clear()
            self._fragments = self._text_bytes = 0

    def _fault_of_theirs(self, text: str, close_code: int) -> RemoteProtocolError:
        # Noted before it is raised: on its way up the library closes the queue, which wakes whoever receives.
        error = RemoteProtocolError(text, close_code=close_code)
        self._fault = error
        self._close_reason = CloseReason(close_code, text)
        return error

    async def _queue(self, message: str, size: int) -> None:
        while self._queued_bytes > 0 and self._queued_bytes + size > self._limits.queued_bytes:
            await self._space.park()
        self._queued_bytes += size
        try:
            await self._send_channel.send(message)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            self._queued_bytes -= size  # we are closing: what still comes is read and discarded
            await trio.lowlevel.checkpoint()

    def _forget_queue(self) -> None:
        self._recv_channel.close()
        self._queued_bytes = 0
        self._space.unpark_all()

    async def _handle_ping_event(self, event: Ping) -> None:
        if self._wsproto.state is ConnectionState.OPEN:  # no frame may follow our close frame (RFC 6455 section 5.5.1)
            await super()._handle_ping_event(event)
        await trio.lowlevel.checkpoint()

    async def _handle_close_connection_event(self, event: CloseConnection) -> None:
        if self._wsproto.state is ConnectionState.OPEN:
            # No close frame was received: this is how wsproto tells that it could not parse what was.
            raise self._fault_of_theirs(event.reason or "broken WebSocket framing", int(event.code))
        self._parting.set()
        if self._wsproto.state is ConnectionState.CLOSED:
            async with self._stream_lock:  # both closed at once: a server closes the stream next, so let ours out first
                await trio.lowlevel.checkpoint()
        await super()._handle_close_connection_event(event)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
