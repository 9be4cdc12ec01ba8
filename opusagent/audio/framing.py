"""Cutting a stream of bytes anew: exact frames out of any pieces, and whole samples out of split ones.

The law of both: what was pushed is what came out plus what is held, byte for byte, until `clear`.
"""

import attrs

from opusagent.errors import LocalProtocolError


def _at_least_one(_instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if value < 1:
        raise LocalProtocolError(f"{attribute.name} is {value}; it must be at least 1")


@attrs.define
class Framer:
    """Any pieces in, frames of exactly `frame_bytes` out. Holds less than one frame.

    Raises `LocalProtocolError` if `frame_bytes` is not at least 1.
    """

    frame_bytes: int = attrs.field(validator=_at_least_one, on_setattr=attrs.setters.frozen)
    _rest: bytearray = attrs.field(factory=bytearray, init=False)

    @property
    def held(self) -> int:
        """How many bytes wait for the rest of their frame: 0 to `frame_bytes` - 1."""
        return len(self._rest)

    def push(self, data: bytes) -> list[bytes]:
        """Take `data` and give every frame that is now complete, in order."""
        size = self.frame_bytes
        self._rest.extend(data)
        end = len(self._rest) // size * size
        stream = bytes(self._rest[:end])
        del self._rest[:end]
        return [stream[start : start + size] for start in range(0, end, size)]

    def flush(self, silence: bytes) -> bytes | None:
        """The bytes held, filled up with `silence` (one sample of it) to a whole frame; None if nothing is held.

        Only the end of a stream is padded, never its inside. Raises `LocalProtocolError`, and keeps what it holds,
        if whole samples of silence do not fill the frame exactly.
        """
        if not self._rest:
            return None
        missing = self.frame_bytes - self.held
        if not silence or missing % len(silence):
            raise LocalProtocolError(f"{missing} missing bytes cannot be filled with silence of {len(silence)} bytes")
        return self.take() + silence * (missing // len(silence))

    def take(self) -> bytes:
        """The bytes held, as they are: the unpadded end of a stream. Nothing is held afterwards."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def clear(self) -> None:
        """Forget what is held."""
        self._rest.clear()


@attrs.define
class WholeSamples:
    """Any pieces in, whole samples of `bytes_per_sample` out. Holds less than one sample.

    Raises `LocalProtocolError` if `bytes_per_sample` is not at least 1.
    """

    bytes_per_sample: int = attrs.field(validator=_at_least_one, on_setattr=attrs.setters.frozen)
    _rest: bytearray = attrs.field(factory=bytearray, init=False)

    @property
    def held(self) -> int:
        """How many bytes wait for the rest of their sample: 0 to `bytes_per_sample` - 1."""
        return len(self._rest)

    def push(self, data: bytes) -> bytes:
        """Take `data` and give all whole samples. `data` itself comes back, not copied, when nothing is split."""
        if not self._rest and not len(data) % self.bytes_per_sample:
            return data
        self._rest.extend(data)
        whole = len(self._rest) - len(self._rest) % self.bytes_per_sample
        stream = bytes(self._rest[:whole])
        del self._rest[:whole]
        return stream

    def clear(self) -> None:
        """Forget what is held: half a sample means nothing without its other half."""
        self._rest.clear()
