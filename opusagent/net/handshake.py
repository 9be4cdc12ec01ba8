"""The opening handshake of RFC 6455, both sides, as pure machines: bytes and headers in, a verdict out.

wsproto does the protocol. No extension is ever offered or accepted: a compressed frame of 4 KiB inflates to 4 MiB
before anyone can count it.
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import h11
from attrs import define, field, frozen
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, RejectConnection, RejectData, Request
from wsproto.utilities import RemoteProtocolError as WsprotoError

from opusagent.errors import ConfigError, LocalProtocolError, PeerRefused

EXCERPT_BYTES: Final = 4096
"""What is read of a refusal's body: a backend's error document is under 1 KiB."""

_EXCERPT_CHARACTERS: Final = 500

_MOST_DIGITS: Final = 6
"""Of a Retry-After: more is more than eleven days."""

_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")


@frozen
class Endpoint:
    """Where a WebSocket is dialled: what a ws:// or wss:// URL says."""

    host: str
    port: int
    target: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Take `url` apart.

        >>> Endpoint.parse("wss://api.example.net/v1?model=x")
        Endpoint(host='api.example.net', port=443, target='/v1?model=x', tls=True)

        Raises:
            ConfigError: it is not a WebSocket URL that can be dialled.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            (host or "").encode("idna")
        except ValueError as error:
            raise ConfigError([f"{url!r} cannot be dialled: {error}"]) from None
        if parts.scheme not in {"ws", "wss"} or not host or "@" in parts.netloc:
            raise ConfigError([f"{url!r} cannot be dialled: write ws://host[:port]/path or wss://host[:port]/path"])
        tls = parts.scheme == "wss"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, (443 if tls else 80) if port is None else port, target, tls)

    @property
    def authority(self) -> str:
        """The Host header (RFC 9110 section 7.2): brackets around IPv6, no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@define
class Greeting:
    """Our half of a client's handshake: send `request`, feed the answer until `settled`, then ask for the `verdict`."""

    endpoint: Endpoint
    request: bytes
    _machine: WSConnection
    status: int | None = field(default=None, init=False)
    accepted: bool = field(default=False, init=False)
    _answer: bytearray = field(factory=bytearray, init=False)
    _location: str = field(default="", init=False)
    _retry_after: float | None = field(default=None, init=False)
    _body: bytearray = field(factory=bytearray, init=False)
    _body_finished: bool = field(default=False, init=False)

    @classmethod
    def to(cls, endpoint: Endpoint, headers: Sequence[tuple[str, str]]) -> "Greeting":
        """A greeting for `endpoint` that carries `headers` besides those of the handshake.

        Raises:
            LocalProtocolError: it cannot be written as HTTP. The text repeats no header: they carry secrets.
        """
        machine = WSConnection(ConnectionType.CLIENT)
        try:
            extra = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
            hello = Request(host=endpoint.authority, target=endpoint.target, extra_headers=extra)
            return cls(endpoint, machine.send(hello), machine)
        except (h11.LocalProtocolError, UnicodeError):
            text = f"the request to {endpoint.authority} holds a character that HTTP forbids, in its path or a header"
            raise LocalProtocolError(text) from None

    @property
    def settled(self) -> bool:
        """Nothing more needs to be read for a verdict."""
        return self.accepted or self._body_finished or len(self._body) >= EXCERPT_BYTES

    def feed(self, data: bytes | bytearray) -> None:
        """Take what the peer sent; b"" for its end of stream, after which the greeting is settled.

        Raises:
            PeerRefused: this is no HTTP answer to a WebSocket request.
        """
        self._answer += data
        try:
            self._machine.receive_data(bytes(data) or None)
        except (WsprotoError, UnicodeError) as error:
            self._listen()
            self._give_up(error, at_end=not data)
        else:
            self._listen()

    def verdict(self) -> bytes:
        """The connection is open: what the server sent behind its 101.

        Raises:
            PeerRefused: with the peer's status, where it points, and the beginning of what it said.
        """
        if self.accepted:
            return _behind_the_head(self._answer)
        text = self._body[:EXCERPT_BYTES].decode("utf-8", "replace").strip()[:_EXCERPT_CHARACTERS]
        pointed = f" and pointed to {self._location[:200]!r} (redirects are not followed)" if self._location else ""
        said = f": {text!r}" if text else ""
        answered = f"{self.endpoint.authority} answered {self.status}{pointed}{said}"
        raise PeerRefused(answered, status=self.status, retry_after=self._retry_after)

    def _listen(self) -> None:
        if self._machine.connection is not None:
            self.accepted = True
            return
        for event in self._machine.events():
            self._hear(event)

    def _hear(self, event: Event) -> None:
        match event:
            case RejectConnection(status_code=status, headers=headers, has_body=has_body):
                self.status = status
                self._location = dict(headers).get(b"location", b"").decode("latin-1")
                self._retry_after = _seconds(dict(headers).get(b"retry-after", b""))
                self._body_finished = not has_body
            case RejectData(data=data, body_finished=finished):
                self._body += data
                self._body_finished = finished
            case _:
                pass

    def _give_up(self, error: Exception, *, at_end: bool) -> None:
        if self.status is not None:  # cut off or broken inside the body: what matters has been said
            self._body_finished = True
        elif at_end:
            raise PeerRefused(f"{self.endpoint.authority} closed the connection before it answered")
        else:
            raise PeerRefused(f"{self.endpoint.authority} does not answer like a WebSocket server: {error}")


def _seconds(retry_after: bytes) -> float | None:
    """What a Retry-After says in seconds (RFC 9110 section 10.2.3); None for a date, which another clock has written.

    >>> _seconds(b"20"), _seconds(b"Fri, 31 Dec 2027 23:59:59 GMT"), _seconds(b"")
    (20.0, None, None)
    """
    return float(retry_after) if retry_after.isdigit() and len(retry_after) <= _MOST_DIGITS else None


def _behind_the_head(answer: bytearray) -> bytes:
    """What follows the empty line, which h11 accepts with and without a carriage return."""
    head = _EMPTY_LINE.search(answer)
    return b"" if head is None else bytes(answer[head.end() :])


@frozen
class Accepted:
    """A client's handshake is right: send `reply` and the connection is open. `glued`: sent behind the request."""

    reply: bytes
    glued: bytes


@frozen
class Refused:
    """A client's handshake is wrong: `status`, `headers` and `text` say how, in HTTP."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def answer_handshake(request: h11.Request, glued: bytes) -> Accepted | Refused:
    """Judge a client's handshake (RFC 6455 section 4.2); `glued` is what it sent behind the request."""
    if request.method != b"GET":
        return Refused(400, "a WebSocket handshake is a GET request")
    machine = WSConnection(ConnectionType.SERVER)
    try:
        machine.initiate_upgrade_connection(list(request.headers), request.target)
        reply = machine.send(AcceptConnection())
    except WsprotoError as error:
        return _refused(error)
    except UnicodeError:
        return Refused(400, "a header of the WebSocket handshake is not ASCII")
    return Accepted(reply, glued)


def _refused(error: WsprotoError) -> Refused:
    hint = error.event_hint
    if not isinstance(hint, RejectConnection):
        return Refused(400, str(error))
    headers = tuple((name.decode("ascii"), value.decode("ascii")) for name, value in hint.headers)
    return Refused(hint.status_code, str(error), headers)
