"""G.711: telephone speech, one byte a sample, to and from PCM16 (ITU-T G.711, 11/1988).

A code is a logarithm: sign, three bits of exponent, four of mantissa. Mu-law spans 14 bits and A-law 13; both are
scaled to 16 here, so the quietest steps are 8 (mu-law, around zero) and 16 (A-law).

Decoding is exact. Encoding may differ from other encoders on inputs that lie just between two codes: they round to
14 bits first or they do not. So audio from two encoders is compared after decoding, within one step, never by bytes.

The work is C: `audioop` of the standard library up to Python 3.12, the same code from audioop-lts afterwards.
"""

import sys
import warnings
from typing import Final, assert_never

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.pcm import BYTES_PER_SAMPLE, check_whole
from opusagent.units import Alaw, Mulaw, Pcm16

with warnings.catch_warnings():
    # PEP 594 announces that audioop leaves the standard library. pyproject.toml names what follows it, so only that
    # one notice is silenced, and only while this import runs.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop

# audioop reads and writes the machine's byte order; PCM16 here is little-endian by definition.
_SWAP: Final = sys.byteorder == "big"


def mulaw_decode(codes: bytes) -> Pcm16:
    """The samples of mu-law `codes` (G.711 table 2), any number of them.

    Both zeros decode to 0, and the code of all noughts is the loudest negative sample:

    >>> mulaw_decode(bytes.fromhex("ff7f8000")).hex(" ", 2)
    '0000 0000 7c7d 8482'
    """
    return _little_endian(audioop.ulaw2lin(codes, BYTES_PER_SAMPLE))


def mulaw_encode(pcm: bytes) -> Mulaw:
    """The nearest mu-law codes, clipped at 32124. Raises `LocalProtocolError` on half a sample.

    >>> mulaw_encode(bytes.fromhex("0000ff7f0080")).hex()
    'ff8000'
    """
    check_whole(pcm)
    return Mulaw(audioop.lin2ulaw(_little_endian(pcm), BYTES_PER_SAMPLE))


def alaw_decode(codes: bytes) -> Pcm16:
    """The samples of A-law `codes` (G.711 table 1), any number of them. A-law has no zero: silence is 8 or -8.

    >>> alaw_decode(bytes.fromhex("d555aa2a")).hex(" ", 2)
    '0800 f8ff 007e 0082'
    """
    return _little_endian(audioop.alaw2lin(codes, BYTES_PER_SAMPLE))


def alaw_encode(pcm: bytes) -> Alaw:
    """The nearest A-law codes, clipped at 32256. Raises `LocalProtocolError` on half a sample.

    >>> alaw_encode(bytes.fromhex("0000ff7f0080")).hex()
    'd5aa2a'
    """
    check_whole(pcm)
    return Alaw(audioop.lin2alaw(_little_endian(pcm), BYTES_PER_SAMPLE))


def decode(media: MediaFormat, audio: bytes) -> Pcm16:
    """The samples of `audio`, at `media.rate`. PCM16 comes back as it is, not copied.

    Raises `LocalProtocolError` on half a sample of PCM16.
    """
    match media.encoding:
        case Encoding.MULAW:
            return mulaw_decode(audio)
        case Encoding.ALAW:
            return alaw_decode(audio)
        case Encoding.PCM16:
            check_whole(audio)
            return Pcm16(audio)
    assert_never(media.encoding)


def encode(media: MediaFormat, pcm: bytes) -> bytes:
    """`pcm` as `media` writes it, at `media.rate`. PCM16 comes back as it is, not copied.

    Raises `LocalProtocolError` on half a sample.
    """
    match media.encoding:
        case Encoding.MULAW:
            return mulaw_encode(pcm)
        case Encoding.ALAW:
            return alaw_encode(pcm)
        case Encoding.PCM16:
            check_whole(pcm)
            return pcm
    assert_never(media.encoding)


def _little_endian(pcm: bytes) -> Pcm16:
    """Between PCM16 and the machine's order: the same step both ways, and nothing at all on little-endian machines."""
    return Pcm16(audioop.byteswap(pcm, BYTES_PER_SAMPLE) if _SWAP else pcm)
