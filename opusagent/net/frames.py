"""The frames of RFC 6455 as a pure machine: bytes in, messages out, and every broken rule told with its close code.

Most of a call's traffic is one short text message in one frame, so that is the straight way through `FrameReader`:
look at two bytes of head, unmask, decode. Whatever else a frame may be is looked at beside it, in `_refuse` for the
rules and in `_heard` for the fragments and the control frames.

Invariants:

* A frame that is too long is refused by its head, before its payload is waited for: what is held is never more than
  one frame that is allowed, and what the last read brought.
* Text is decoded frame by frame (RFC 6455 section 8.1): a message whose first fragment is no UTF-8 is refused with it,
  and a character may be cut by a frame's end.
* No extension was agreed upon, so no reserved bit has a meaning (section 5.2).
"""

import codecs
import enum
import struct
from typing import Final

import attrs
import numpy as np

from opusagent.errors import (
    INVALID_PAYLOAD,
    MESSAGE_TOO_BIG,
    NORMAL_CLOSURE,
    PROTOCOL_ERROR,
    UNSUPPORTED_DATA,
    RemoteProtocolError,
)
from opusagent.net.limits import SocketLimits

NO_STATUS: Final = 1005
"""RFC 6455 section 7.1.5: what the close code is considered to be where a close frame has none."""

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_WHOLE_TEXT: Final = _FIN | 0x1
_LONGEST_CONTROL: Final = 125
_KEY_BYTES: Final = 4

_ASSIGNED: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""The close codes that may be sent, of those below 3000 (RFC 6455 section 7.4.1 and IANA's registry)."""


class Opcode(enum.IntEnum):
    """What a frame is (RFC 6455 section 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_KNOWN: Final = frozenset(Opcode)


@attrs.frozen
class Ping:
    """The peer asks whether we are there; a pong with the same payload answers."""

    payload: bytes


@attrs.frozen
class Goodbye:
    """The peer's close frame."""

    code: int = NO_STATUS
    reason: str = ""


def write_frame(opcode: Opcode, payload: bytes, key: bytes) -> bytes:
    """One whole frame, masked with `key` (four bytes; b"": not masked, as a server writes).

    >>> (
    ...     write_frame(Opcode.TEXT, b"Hello", b"").hex(),
    ...     write_frame(Opcode.TEXT, b"Hello", bytes.fromhex("37fa213d")).hex(),
    ... )
    ('810548656c6c6f', '818537fa213d7f9f4d5158')
    """
    size, first = len(payload), _FIN | opcode
    mask = _MASKED if key else 0
    if size < 126:
        head = bytes((first, mask | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    return head + key + unmasked(payload, key) if key else head + payload


def write_goodbye(code: int, reason: str, key: bytes) -> bytes:
    """A close frame. `NO_STATUS` is said by saying nothing; a reason over 123 bytes is cut (section 5.5)."""
    if code == NO_STATUS:
        return write_frame(Opcode.CLOSE, b"", key)
    said = reason.encode("utf-8", "replace")[: _LONGEST_CONTROL - 2].decode("utf-8", "ignore")
    return write_frame(Opcode.CLOSE, code.to_bytes(2, "big") + said.encode(), key)


_NUMPY_PAYS_FROM: Final = 1024  # bytes: below, the fixed cost of numpy's calls is more than long integers take


def unmasked(payload: bytes, key: bytes) -> bytes:
    """`payload` with `key` over it, again and again (section 5.3): the same way there and back.

    >>> unmasked(unmasked(b"x" * 2000, b"abcd"), b"abcd") == b"x" * 2000
    True
    """
    size = len(payload)
    whole = key * (size // _KEY_BYTES + 1)
    if size < _NUMPY_PAYS_FROM:
        return (int.from_bytes(payload, "little") ^ int.from_bytes(whole[:size], "little")).to_bytes(size, "little")
    mixed = np.frombuffer(payload, np.uint8) ^ np.frombuffer(whole, np.uint8, size)
    return mixed.tobytes()


class FrameReader:
    """What one peer sends. `masked`: it is a client, so every frame must be masked, and none otherwise."""

    def __init__(self, limits: SocketLimits, *, masked: bool) -> None:
        self._limits: Final = limits
        self._mask: Final = _MASKED if masked else 0
        self._key_bytes: Final = _KEY_BYTES if masked else 0
        self._held = bytearray()
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text: list[str] = []
        self._fragments = 0
        self._text_bytes = 0

    def push(self, data: bytes | bytearray) -> None:
        """Take what the peer sent, cut anywhere."""
        if self._at:
            del self._held[: self._at]
            self._at = 0
        self._held += data

    @property
    def holds_any(self) -> bool:
        """Whether some of what was pushed has not been taken, be it a message or a part of one."""
        return self._at < len(self._held)

    def next(self) -> str | Ping | Goodbye | None:
        """What the peer said next; None: not before more is pushed. A pong says nothing.

        Raises:
            RemoteProtocolError: it broke RFC 6455, sent binary, or more than the limits allow. Nothing follows that.
        """
        while (frame := self._frame()) is not None:
            first, payload = frame
            if first == _WHOLE_TEXT and not self._fragments:
                return _decoded(payload)
            heard = self._heard(Opcode(first & 0xF), payload, last=first >= _FIN)
            if heard is not None:
                return heard
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame, its first byte and its payload, if it is there and allowed."""
        held, at = self._held, self._at
        have = len(held) - at
        if have < 2:
            return None
        first, size = held[at], held[at + 1] ^ self._mask
        if first != _WHOLE_TEXT or size > 127 or self._fragments:
            self._refuse(first, size)
        start = at + 2
        if size > 125:
            start += 2 if size == 126 else 8
            if len(held) < start:
                return None
            size = _extended(size, held[at + 2 : start])
        if size + self._text_bytes > self._limits.message_bytes and not first & Opcode.CLOSE:
            raise RemoteProtocolError(
                f"a message of more than {self._limits.message_bytes} bytes", close_code=MESSAGE_TOO_BIG
            )
        body = start + self._key_bytes
        end = body + size
        if len(held) < end:
            return None
        self._at = end
        payload = bytes(held[body:end])
        return first, unmasked(payload, bytes(held[start:body])) if self._key_bytes else payload

    def _refuse(self, first: int, size: int) -> None:
        """Raise what is wrong with a frame that begins like this, if anything is."""
        opcode, last = first & 0xF, first >= _FIN
        if first & _RESERVED:
            raise _broken("a reserved bit is set, and no extension was agreed upon")
        if opcode not in _KNOWN:
            raise _broken(f"a frame has the reserved opcode {opcode}")
        if size > 127:
            raise _broken("a frame is not masked" if self._mask else "a frame is masked")
        if opcode >= Opcode.CLOSE:
            if not last:
                raise _broken("a control frame is fragmented")
            if size > _LONGEST_CONTROL:
                raise _broken(f"a control frame has more than {_LONGEST_CONTROL} bytes")
        elif (opcode == Opcode.CONTINUATION) != bool(self._fragments):
            raise _broken("a message begins within another" if self._fragments else "a fragment continues no message")
        elif opcode == Opcode.BINARY:
            raise RemoteProtocolError("binary messages are not spoken here", close_code=UNSUPPORTED_DATA)

    def _heard(self, opcode: Opcode, payload: bytes, *, last: bool) -> str | Ping | Goodbye | None:
        """What a frame other than a whole message means."""
        match opcode:
            case Opcode.PING:
                return Ping(payload)
            case Opcode.PONG:
                return None
            case Opcode.CLOSE:
                return _goodbye(payload)
            case _:
                return self._joined(payload, last=last)

    def _joined(self, payload: bytes, *, last: bool) -> str | None:
        """The message that this fragment completes."""
        self._fragments += 1
        self._text_bytes += len(payload)
        if self._fragments > self._limits.fragments:
            raise RemoteProtocolError(
                f"a message in more than {self._limits.fragments} fragments", close_code=MESSAGE_TOO_BIG
            )
        try:
            self._text.append(self._decoder.decode(payload, last))
        except UnicodeDecodeError as error:
            raise _not_text(error) from None
        if not last:
            return None
        text = "".join(self._text)
        self._text.clear()
        self._fragments = self._text_bytes = 0
        return text


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise _not_text(error) from None


def _extended(size: int, length: bytearray) -> int:
    """The length that does not fit into the head's seven bits. It takes no more bytes than it needs (section 5.2)."""
    found = int.from_bytes(length, "big")
    if found >> 63:
        raise _broken("a frame's length has its highest bit set")
    if found < (126 if size == 126 else 1 << 16):
        raise _broken("a frame's length is written longer than it needs to be")
    return found


def _goodbye(payload: bytes) -> Goodbye:
    """What a close frame says (section 5.5.1)."""
    if not payload:
        return Goodbye()
    if len(payload) == 1:
        raise _broken("a close frame holds half a code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _ASSIGNED and not 3000 <= code < 5000:
        raise _broken(f"a close frame holds the code {code}, which is never sent")
    return Goodbye(code, _decoded(payload[2:]))


def answer_to(goodbye: Goodbye) -> int:
    """The code of the close frame that answers the peer's: the same, or a plain one where it gave none.

    >>> answer_to(Goodbye(1001)), answer_to(Goodbye())
    (1001, 1000)
    """
    return NORMAL_CLOSURE if goodbye.code == NO_STATUS else goodbye.code


def _broken(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"broken WebSocket framing: {what}", close_code=PROTOCOL_ERROR)


def _not_text(error: UnicodeDecodeError) -> RemoteProtocolError:
    return RemoteProtocolError(f"a text message is not UTF-8: {error.reason}", close_code=INVALID_PAYLOAD)
