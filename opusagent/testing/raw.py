"""WebSocket by hand, for peers that misbehave: frames with any bits, a handshake that may lie, a site that echoes."""

import base64
import hashlib
from typing import Final

import trio

from opusagent.errors import PeerGone
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import PLATFORM, SocketLimits
from opusagent.net.message_socket import MessageSocket

TEXT: Final = 0x1
BINARY: Final = 0x2
CONTINUATION: Final = 0x0
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

UPGRADE_REQUEST: Final = (
    b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""A well-formed opening handshake with the nonce of RFC 6455 section 1.3."""


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame (RFC 6455 section 5.2) with any bits; masked ones with the key 0, which changes nothing.

    >>> frame(TEXT, b"Hello", masked=False).hex()
    '810548656c6c6f'
    """
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        length = bytes([mask_bit | len(payload)])
    elif len(payload) < 1 << 16:
        length = bytes([mask_bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        length = bytes([mask_bit | 127]) + len(payload).to_bytes(8, "big")
    return first + length + (bytes(4) if masked else b"") + payload


def close_frame(code: int, reason: bytes = b"", *, masked: bool = True) -> bytes:
    """A close frame that says `code` and why."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason, masked=masked)


def accept_key(request: bytes) -> bytes:
    """The Sec-WebSocket-Accept that `request` asks for.

    >>> accept_key(UPGRADE_REQUEST)
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    (key,) = (line[19:] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def switching_protocols(request: bytes) -> bytes:
    """The 101 that answers `request`."""
    lines = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return lines + accept_key(request) + b"\r\n\r\n"


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    """What comes until it holds `end`, or until the stream ends."""
    got = bytearray()
    await trio.lowlevel.checkpoint()
    while end not in got and (data := await stream.receive_some()):
        got += data
    return bytes(got)


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything until the peer closes or resets."""
    got = bytearray()
    try:
        async for data in stream:
            got += data
    except trio.BrokenResourceError:
        got += b"<reset>"
    await trio.lowlevel.checkpoint()
    return bytes(got)


class EchoSite:
    """Says hello on any path in HTTP, and what it is told on a WebSocket."""

    def __init__(self, limits: SocketLimits = PLATFORM) -> None:
        self.limits: Final = limits

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        return Upgrade(echo, self.limits) if request.wants_websocket else Response(body=b"hello\n")


async def echo(socket: MessageSocket) -> None:
    """Send back each message until the peer leaves. Whatever else ends it comes out."""
    try:
        while True:
            await socket.send(await socket.receive())
    except PeerGone:
        await trio.lowlevel.checkpoint()
