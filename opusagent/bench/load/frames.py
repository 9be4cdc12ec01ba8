"""WebSocket frames (RFC 6455), as much of it as a load generator needs, and as little work as that takes.

Whole text messages only. What else a peer may rightly send (pings, a close) is told apart by its opcode; what it may
not send to us (fragments, extensions) is refused.
"""

import base64
import hashlib
from typing import Final, NamedTuple

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NORMAL_CLOSURE: Final = (1000).to_bytes(2, "big")

_FIN: Final = 0x80
_MASKED: Final = 0x80
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = bytes.fromhex("a35c09f1")
"""One for all: masks are against middleboxes that a loopback interface does not have (RFC 6455, 10.3)."""


class BrokenFrame(Exception):
    """The peer sends what it must not, or what nobody asked it for."""


class Frame(NamedTuple):
    """One message, or one control frame."""

    opcode: int
    payload: bytes


def accept_of(key: bytes) -> bytes:
    """What a server answers to a client's `Sec-WebSocket-Key` (RFC 6455, 1.3).

    >>> accept_of(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def frame(payload: bytes, *, masked: bool, opcode: int = TEXT) -> bytes:
    r"""One final frame on the wire; a client's are masked.

    >>> frame(b"hi", masked=False)
    b'\x81\x02hi'
    """
    size, bit = len(payload), _MASKED if masked else 0
    if size < 126:
        head = bytes((_FIN | opcode, bit | size))
    elif size < 65536:
        head = bytes((_FIN | opcode, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, bit | 127)) + size.to_bytes(8, "big")
    return head + _KEY + _xor(payload, _KEY) if masked else head + payload


def _xor(payload: bytes, key: bytes) -> bytes:
    """`payload` with the repeated key on it, as one long number: far faster than byte by byte."""
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


class Unframer:
    """A peer's bytes, cut into frames however they came."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        r"""All frames that are whole now. Raises `BrokenFrame`.

        >>> unframer = Unframer()
        >>> unframer.feed(frame(b"hi", masked=True)[:5]), unframer.feed(frame(b"hi", masked=True)[5:])
        ([], [Frame(opcode=1, payload=b'hi')])
        """
        data = self._rest + data if self._rest else data
        found: list[Frame] = []
        at = 0
        while (head := _head(data, at)) is not None:
            start, size, masked = head
            if start + size > len(data):
                break
            payload = data[start : start + size]
            found.append(Frame(data[at] & 0x0F, _xor(payload, data[start - 4 : start]) if masked else payload))
            at = start + size
        self._rest = data[at:]
        return found


def _head(data: bytes, at: int) -> tuple[int, int, bool] | None:
    """Where the payload of the frame at `at` begins, its size and whether it is masked; None if that has not come."""
    if len(data) < at + 2:
        return None
    if not data[at] & _FIN or data[at] & 0x70:
        raise BrokenFrame(f"a fragment, or an extension that was not agreed on: first byte {data[at]:#04x}")
    masked, size, start = bool(data[at + 1] & _MASKED), data[at + 1] & 0x7F, at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
    return start + 4 * masked, size, masked
