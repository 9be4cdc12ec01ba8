"""One WebSocket of the generator, as callbacks.

The generator runs on asyncio's protocols, not on trio: it has to time other programs from within one process, and a
callback for each read, without a task that wakes, leaves it idle most of the time with a hundred and sixty sockets.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from typing_extensions import override

from opusagent.bench.load.frames import (
    CLOSE,
    NORMAL_CLOSURE,
    PING,
    PONG,
    TEXT,
    BrokenFrame,
    Unframer,
    accept_of,
    frame,
)

_END_OF_HEAD: Final = b"\r\n\r\n"
_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="


class Listener(Protocol):
    """Who is told what happens on a line."""

    def opened(self, line: "Line") -> None:
        """Both sides may speak now."""

    def heard(self, text: bytes) -> None:
        """A message came."""

    def gone(self) -> None:
        """Nothing more will come."""


class Line(asyncio.Protocol):
    """A WebSocket at its client's end (`path` is asked for), or at its server's (None)."""

    def __init__(self, listener: Listener, path: str | None) -> None:
        """Not connected yet."""
        self._listener = listener
        self._path = path
        self._is_open = False
        self._head = b""
        self._frames = Unframer()
        self._transport: asyncio.Transport | None = None

    @property
    def _masked(self) -> bool:
        return self._path is not None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport if isinstance(transport, asyncio.Transport) else None
        if self._path is not None:
            self._write(
                b"GET %b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % (self._path.encode(), _KEY)
            )

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._listener.gone()

    @override
    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._head += data
            if _END_OF_HEAD not in self._head:
                return
            head, _, data = self._head.partition(_END_OF_HEAD)
            self._shake_hands(head)
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self._listener.heard(payload)
            elif opcode == PING:
                self._write(frame(payload, masked=self._masked, opcode=PONG))
            elif opcode == CLOSE:
                self._write(frame(payload[:2], masked=self._masked, opcode=CLOSE))
                self.drop()

    def say(self, *texts: bytes) -> None:
        """Send messages in one write; into the void if the peer has left."""
        self._write(b"".join([frame(text, masked=self._masked) for text in texts]))

    def close(self) -> None:
        """Say goodbye; the peer closes."""
        self._write(frame(NORMAL_CLOSURE, masked=self._masked, opcode=CLOSE))

    def drop(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _shake_hands(self, head: bytes) -> None:
        if self._path is None:
            self._write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(_header(head.split(b"\r\n"), b"sec-websocket-key"))
            )
        elif not head.startswith(b"HTTP/1.1 101"):
            raise BrokenFrame(f"no WebSocket: {head[:200]!r}")
        self._is_open = True
        self._listener.opened(self)


def _header(lines: Sequence[bytes], name: bytes) -> bytes:
    """The value of a header, empty if it is not there."""
    for line in lines:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return b""
