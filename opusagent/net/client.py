"""HTTP requests of ours: one at a time, bounded in time and size, to addresses that were judged. Nothing is followed.

A request is a connection: resolve once, judge every address, connect to one that was judged (the certificate and the
Host header still go by the name), ask, read one answer, close. No proxy is used, no redirect followed, no cookie or
connection kept, nothing compressed: each would be a way around a bound, or to somebody else.

Connecting may be tried again, because nothing was asked yet; a request never is, because nobody knows what it did.
"""

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import h11
import trio
from attrs import define, field, frozen

from opusagent.errors import (
    ConfigError,
    LocalProtocolError,
    PeerGone,
    PeerRefused,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.guard import tune
from opusagent.net.handshake import Endpoint
from opusagent.net.limits import KIB
from opusagent.net.reach import Reach, may_reach, numeric

DNS_THREADS: Final = 4
"""Threads that resolve names. A silent nameserver holds each for half a minute, and no other work waits."""

_READ_BYTES: Final = 16 * KIB

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The numeric addresses of a host. Raises OSError or UnicodeError where there are none."""

Headers: TypeAlias = Sequence[tuple[str, str]]


@frozen(kw_only=True)
class ClientLimits:
    """The bounds of one request. Seconds and bytes."""

    total_seconds: float = 5.0
    """From the name to the last byte. A caller waits meanwhile."""
    connect_seconds: float = 2.0
    """TCP and TLS with one address."""
    connect_tries: int = 2
    """How often the addresses are gone through."""
    pause_seconds: float = 0.25
    """Before they are gone through again: a server that is being restarted is back in about that time."""
    addresses: int = 4
    """How many of a name's addresses are tried."""
    header_bytes: int = 16 * KIB
    """Status line and headers of the answer."""
    body_bytes: int = 64 * KIB
    """The answer's body: four times what a model is given of it."""


@frozen
class ClientResponse:
    """An answer, whatever its status. Header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the header `name`; several are one list (RFC 9110 section 5.3).

        >>> ClientResponse(200, (("content-type", "text/plain"),), b"").header("Content-Type")
        'text/plain'
        """
        return ", ".join(value for key, value in self.headers if key == name.lower()) or None


def system_resolver() -> Resolve:
    """The system's resolver on threads of its own. An answer that nobody waits for any more is dropped."""
    threads = trio.CapacityLimiter(DNS_THREADS)

    def look_up(host: str, port: int) -> Sequence[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def resolve(host: str, port: int) -> Sequence[str]:
        return await trio.to_thread.run_sync(look_up, host, port, abandon_on_cancel=True, limiter=threads)

    return resolve


def http_endpoint(url: str) -> Endpoint:
    """Where an http:// or https:// URL is asked.

    >>> http_endpoint("https://hooks.example.net/a?b=c")
    Endpoint(host='hooks.example.net', port=443, target='/a?b=c', tls=True)

    Raises:
        ConfigError: it is not such a URL, names a user, or is not plain ASCII.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError([f"{url!r} cannot be asked: {error}"]) from None
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc or not url.isascii():
        raise ConfigError([f"{url!r} cannot be asked: write http://host[:port]/path or https://host[:port]/path"])
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(host, (443 if tls else 80) if port is None else port, target, tls)


@frozen(eq=False)
class HttpClient:
    """Makes requests. One serves the whole program: reading the trust store takes tens of milliseconds."""

    resolve: Resolve = field(factory=system_resolver)
    ssl_context: ssl.SSLContext = field(factory=ssl.create_default_context)

    async def request(
        self, method: str, url: str, headers: Headers, body: bytes, limits: ClientLimits, *, reach: Reach = Reach.PUBLIC
    ) -> ClientResponse:
        """Ask, and return the answer, redirects and refusals included.

        `Host`, `Content-Length`, `Connection` and `Accept-Encoding` are added to `headers`.

        Raises:
            ConfigError: the URL cannot be asked.
            LocalProtocolError: a header cannot be sent. The text repeats none: they carry secrets.
            PeerRefused: nothing was asked: no address, none that may be reached, nobody there, or a bad certificate.
            PeerStalled: there is no complete answer within `limits.total_seconds`.
            PeerGone: the connection broke before the answer was complete.
            RemoteProtocolError: the answer is not HTTP, is too large, is cut off, or is compressed.
        """
        endpoint = http_endpoint(url)
        exchange = Exchange.of(endpoint, method, headers, body, limits)
        with trio.move_on_after(limits.total_seconds):
            stream = await self._connect(endpoint, limits, reach)
            try:
                return await exchange.perform(stream)
            finally:
                await trio.aclose_forcefully(stream)
        raise PeerStalled(f"{endpoint.authority} did not answer within {limits.total_seconds:g} s")

    async def _connect(self, endpoint: Endpoint, limits: ClientLimits, reach: Reach) -> trio.abc.Stream:
        addresses = (await self._judged(endpoint, reach))[: limits.addresses]
        refused = PeerRefused(f"{endpoint.authority} was not tried")
        for turn in range(limits.connect_tries):
            await trio.sleep(limits.pause_seconds if turn else 0)
            for address in addresses:
                try:
                    return await self._open(endpoint, address, limits)
                except PeerRefused as error:
                    refused = error
        raise refused

    async def _judged(self, endpoint: Endpoint, reach: Reach) -> Sequence[str]:
        """The addresses, if every one of them may be reached: a name that mixes them is up to something."""
        host = endpoint.host
        try:
            addresses = [host] if numeric(host) else await self.resolve(host, endpoint.port)
        except (OSError, UnicodeError) as error:
            raise PeerRefused(f"{host} has no address: {error}") from None
        for address in addresses:
            if not may_reach(address, reach):
                raise PeerRefused(f"{host} is at {address}, where requests may not go")
        if not addresses:
            raise PeerRefused(f"{host} has no address")
        return addresses

    async def _open(self, endpoint: Endpoint, address: str, limits: ClientLimits) -> trio.abc.Stream:
        with _refusals(endpoint.authority), trio.move_on_after(limits.connect_seconds):
            async with contextlib.AsyncExitStack() as undo:
                tcp = await trio.open_tcp_stream(address, endpoint.port)
                undo.push_async_callback(trio.aclose_forcefully, tcp)
                tune(tcp, send_buffer_bytes=None)
                stream = await self._secured(tcp, endpoint.host) if endpoint.tls else tcp
                undo.pop_all()
                return stream
        raise PeerRefused(f"{endpoint.authority} did not connect within {limits.connect_seconds:g} s")

    async def _secured(self, tcp: trio.SocketStream, host: str) -> trio.abc.Stream:
        stream = trio.SSLStream(tcp, self.ssl_context, server_hostname=host, https_compatible=True)
        await stream.do_handshake()
        return stream


@contextlib.contextmanager
def _refusals(authority: str) -> Generator[None]:
    """Whatever goes wrong while connecting, in our words."""
    try:
        yield
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:  # ssl.SSLError is an OSError
        raise PeerRefused(f"{authority} cannot be reached: {_first_cause(error)}") from error


def _first_cause(error: BaseException) -> str:
    match error:
        case BaseExceptionGroup(exceptions=parts):
            return "; ".join(dict.fromkeys(map(_first_cause, parts)))
        case _:
            return str(error) if error.__cause__ is None else _first_cause(error.__cause__)


@define(eq=False)
class Exchange:
    """One request and its answer, on any stream. The time it may take is the caller's."""

    authority: str
    request: bytes
    limits: ClientLimits
    _machine: h11.Connection
    _received: int = field(default=0, init=False)

    @classmethod
    def of(cls, endpoint: Endpoint, method: str, headers: Headers, body: bytes, limits: ClientLimits) -> "Exchange":
        """What asks `endpoint`.

        Raises:
            LocalProtocolError: it cannot be written as HTTP.
        """
        machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.header_bytes)
        ours = [("content-length", str(len(body))), ("connection", "close"), ("accept-encoding", "identity")]
        try:
            lines = [(name.encode("ascii"), value.encode("latin-1")) for name, value in (*headers, *ours)]
            host = (b"host", endpoint.authority.encode("ascii"))
            head = h11.Request(method=method, target=endpoint.target, headers=[host, *lines])
            request = b"".join(
                [machine.send(event) or b"" for event in (head, h11.Data(data=body), h11.EndOfMessage())]
            )
        except (h11.LocalProtocolError, UnicodeError):
            text = f"the request to {endpoint.authority} holds a character that HTTP forbids, in its path or a header"
            raise LocalProtocolError(text) from None
        return cls(endpoint.authority, request, limits, machine)

    async def perform(self, stream: trio.abc.Stream) -> ClientResponse:
        """Ask on a connected stream. Raises as `HttpClient.request` does, once there is a connection."""
        try:
            await stream.send_all(self.request)
            return await self._answer(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise PeerGone(f"{self.authority} broke the connection before its answer was complete") from None
        except h11.RemoteProtocolError as error:
            raise RemoteProtocolError(f"{self.authority} does not answer in HTTP: {error}") from None

    async def _answer(self, stream: trio.abc.Stream) -> ClientResponse:
        head, body = await self._head(stream), bytearray()
        while isinstance(event := await self._event(stream), h11.Data):
            body += event.data
            if len(body) > self.limits.body_bytes:
                raise RemoteProtocolError(f"{self.authority} answers with more than {self.limits.body_bytes} bytes")
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
        response = ClientResponse(head.status_code, headers, bytes(body))
        if (response.header("content-encoding") or "identity").lower() != "identity":
            raise RemoteProtocolError(f"{self.authority} compresses its answer, which was not asked for")
        return response

    async def _head(self, stream: trio.abc.Stream) -> h11.Response:
        while True:
            match await self._event(stream):
                case h11.Response() as head:
                    return head
                case h11.InformationalResponse():
                    continue
                case other:
                    raise RemoteProtocolError(f"{self.authority} answers with {type(other).__name__}")

    async def _event(self, stream: trio.abc.Stream) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        # What is received is bounded as well as what it says: chunks of one byte may carry kilobytes of extensions.
        most = self.limits.header_bytes + 2 * self.limits.body_bytes
        while (event := self._machine.next_event()) is h11.NEED_DATA:
            data = await stream.receive_some(_READ_BYTES)
            self._received += len(data)
            if self._received > most:
                raise RemoteProtocolError(f"{self.authority} answers with more than {most} bytes in all")
            self._machine.receive_data(bytes(data))
        return event
