"""How the samples of one leg are written: encoding and rate, and the arithmetic that follows from them."""

import enum
from typing import Final, assert_never

import attrs

from opusagent.units import HZ_8K, HZ_24K, Hz, Ms


class Encoding(enum.Enum):
    """How one sample is written."""

    MULAW = "mulaw"
    ALAW = "alaw"
    PCM16 = "pcm16"


_SAMPLE: Final = {Encoding.MULAW: 1, Encoding.ALAW: 1, Encoding.PCM16: 2}


@attrs.frozen
class MediaFormat:
    """Mono audio of one encoding at one rate."""

    encoding: Encoding
    rate: Hz
    bytes_per_sample: int = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda self: _SAMPLE[self.encoding], takes_self=True)
    )
    """One for G.711, two for PCM16. It is asked for many times in each frame, so it is no property."""

    @property
    def silence(self) -> bytes:
        """One sample of silence. Mu-law silence is 0xFF and A-law 0xD5 (ITU-T G.711); 0x80 would be a bang."""
        match self.encoding:
            case Encoding.MULAW:
                return b"\xff"
            case Encoding.ALAW:
                return b"\xd5"
            case Encoding.PCM16:
                return b"\x00\x00"
        assert_never(self.encoding)

    def bytes_of(self, ms: Ms) -> int:
        """How many bytes `ms` takes.

        >>> MULAW_8K.bytes_of(Ms(20)), PCM16_24K.bytes_of(Ms(20))
        (160, 960)
        """
        return ms * self.rate // 1000 * self.bytes_per_sample

    def ms_of(self, count: int) -> Ms:
        """The whole milliseconds that `count` bytes last.

        >>> MULAW_8K.ms_of(161)
        20
        """
        return Ms(count // self.bytes_per_sample * 1000 // self.rate)


MULAW_8K: Final = MediaFormat(Encoding.MULAW, HZ_8K)
ALAW_8K: Final = MediaFormat(Encoding.ALAW, HZ_8K)
PCM16_24K: Final = MediaFormat(Encoding.PCM16, HZ_24K)
