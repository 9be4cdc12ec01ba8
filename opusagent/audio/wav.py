"""WAV: a header to write before samples, and a small strict reader (RIFF/WAVE, Microsoft and IBM, 1991 and 1994).

The header is the canonical one of 44 bytes, with nothing after the samples. So a recorder can append samples and
rewrite the first 44 bytes from time to time, and the file is playable at every moment in between: readers take a data
chunk that claims more than the file holds up to the end of the file, and so does the one here.
"""

import struct
from typing import Final

import attrs
import numpy as np

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.pcm import SAMPLE, pcm_of, samples_of
from opusagent.errors import UNSUPPORTED_DATA, LocalProtocolError, RemoteProtocolError
from opusagent.units import Hz

HEADER_BYTES: Final = 44

# RIFF counts in 32 bits what follows its first eight bytes: 36 bytes of header, then the samples.
MOST_DATA_BYTES: Final = 0xFFFF_FFFF - (HEADER_BYTES - 8)
"""What one file can count: 37 hours of 8 kHz stereo. Beyond it the header stays at the most that it can say."""

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")

# Where a `fmt ` chunk keeps its tag, channels, rate, bytes of a frame and bits of a sample.
_FORMAT_BYTES: Final = 16
_FORMAT_FIELDS: Final = ((0, 2), (2, 4), (4, 8), (12, 14), (14, 16))

# The format tags of RFC 2361 that telephony uses, each with the bits of one sample.
_ENCODINGS: Final = {(1, 16): Encoding.PCM16, (6, 8): Encoding.ALAW, (7, 8): Encoding.MULAW}
_TAGS: Final = {encoding: tag for tag, encoding in _ENCODINGS.items()}


@attrs.frozen
class WavAudio:
    """What a WAV file says: `data` holds whole frames, the channels of one moment side by side."""

    channels: int
    rate: Hz
    encoding: Encoding
    data: bytes


def header(channels: int, rate: Hz, data_bytes: int, encoding: Encoding = Encoding.PCM16) -> bytes:
    """The 44 bytes before `data_bytes` of interleaved samples, PCM16 unless said otherwise.

    More than `MOST_DATA_BYTES`, or a length that nobody knows yet, is written as the most that is whole frames.
    Raises `LocalProtocolError` on numbers that the header has no room for.
    """
    tag, bits = _TAGS[encoding]
    frame = channels * bits // 8
    if not (0 < frame <= 0xFFFF and 0 < rate * frame <= 0xFFFF_FFFF and data_bytes >= 0):
        raise LocalProtocolError(f"no WAV has {channels} channels at {rate} Hz in {data_bytes} bytes")
    size = min(data_bytes, MOST_DATA_BYTES // frame * frame)
    riff = (b"RIFF", HEADER_BYTES - 8 + size, b"WAVE")
    form = (b"fmt ", _FORMAT_BYTES, tag, channels, rate, rate * frame, frame, bits)
    return _HEADER.pack(*riff, *form, b"data", size)


def parse_wav(data: bytes) -> WavAudio:
    """The audio of a WAV file, whole or still being written: PCM16, mu-law or A-law.

    Chunks other than `fmt ` and `data` are passed over. A data chunk that claims more than is there is taken up to
    the last whole frame. Raises `RemoteProtocolError` that says what is wrong and where: 1003 for a kind of WAV that
    is not read here, 1007 for one that is damaged.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise RemoteProtocolError(f"not a WAV file: it begins with {data[:12]!r}")
    form: WavAudio | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], _number(data[at + 4 : at + 8])
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = _parse_format(body, at)
        elif name == b"data":
            if form is None:
                raise RemoteProtocolError(f"WAV: the data at byte {at} comes before its format")
            frame = form.channels * MediaFormat(form.encoding, form.rate).bytes_per_sample
            return attrs.evolve(form, data=body[: len(body) // frame * frame])
        at += 8 + size + size % 2  # chunks begin at even bytes
    raise RemoteProtocolError(f"WAV: no data chunk in {len(data)} bytes")


def interleave(left: bytes, right: bytes) -> bytes:
    """Stereo from two mono PCM16 channels; the shorter one ends in silence.

    Raises `LocalProtocolError` on half a sample.

    >>> interleave(bytes.fromhex("01000200"), bytes.fromhex("0a00")).hex(" ", 2)
    '0100 0a00 0200 0000'
    """
    channels = samples_of(left), samples_of(right)
    stereo = np.zeros((max(map(len, channels)), len(channels)), SAMPLE)
    for column, channel in enumerate(channels):
        stereo[: len(channel), column] = channel
    return pcm_of(stereo)


def _parse_format(body: bytes, at: int) -> WavAudio:
    """What the `fmt ` chunk at byte `at` says, without samples yet."""
    if len(body) < _FORMAT_BYTES:
        raise RemoteProtocolError(f"WAV: the format at byte {at} has {len(body)} bytes, not {_FORMAT_BYTES}")
    tag, channels, rate, frame, bits = (_number(body[start:end]) for start, end in _FORMAT_FIELDS)
    encoding = _ENCODINGS.get((tag, bits))
    if encoding is None:
        message = f"WAV: format tag {tag} with {bits} bits is not read here; PCM of 16 bits and G.711 are"
        raise RemoteProtocolError(message, close_code=UNSUPPORTED_DATA)
    if not channels or not rate or frame != channels * bits // 8:
        raise RemoteProtocolError(f"WAV: {channels} channels at {rate} Hz in frames of {frame} bytes cannot be")
    return WavAudio(channels, Hz(rate), encoding, b"")


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")
