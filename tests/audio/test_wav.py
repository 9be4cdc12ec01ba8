"""WAV headers, byte by byte, and files as they are found in the world."""

import io
import struct
import wave

import pytest

from opusagent.audio.media import Encoding
from opusagent.audio.wav import HEADER_BYTES, MOST_DATA_BYTES, WavAudio, header, interleave, parse_wav
from opusagent.errors import INVALID_PAYLOAD, UNSUPPORTED_DATA, LocalProtocolError, RemoteProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz

MULAW_FORMAT = struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)
PCM_FORMAT = struct.pack("<HHIIHH", 1, 2, 8000, 32000, 4, 16)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_the_canonical_header() -> None:
    """All 44 bytes of one second of 8 kHz stereo."""
    assert header(2, HZ_8K, 32000) == bytes.fromhex(
        "52494646 247d0000 57415645"  # RIFF, 32036 bytes follow, WAVE
        "666d7420 10000000 0100 0200 401f0000 007d0000 0400 1000"  # fmt, PCM, 2 channels, 8000, 32000 a second, 4, 16
        "64617461 007d0000"  # data, 32000 bytes
    )
    assert len(header(1, HZ_8K, 0)) == HEADER_BYTES


def test_the_standard_library_reads_it() -> None:
    """An independent reader finds what was written."""
    sound = bytes(range(96))
    with wave.open(io.BytesIO(header(2, HZ_24K, len(sound)) + sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (2, 2, 24000, 24)
        assert file.readframes(99) == sound


def test_the_standard_library_is_read() -> None:
    """And what an independent writer wrote is found."""
    sound = bytes(range(96))
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(sound)
    assert parse_wav(target.getvalue()) == WavAudio(1, HZ_16K, Encoding.PCM16, sound)


@pytest.mark.parametrize("promised", [MOST_DATA_BYTES, 2**32 - 1, 2**40])
def test_four_gigabytes_is_the_most_a_header_says(promised: int) -> None:
    """Beyond it the sizes stay at whole frames that fit into 32 bits, RIFF's own among them."""
    head = header(2, HZ_8K, promised)
    data = int.from_bytes(head[40:44], "little")
    assert data == 0xFFFF_FFD8
    assert int.from_bytes(head[4:8], "little") == data + 36


def test_a_file_that_is_being_written_is_read_up_to_its_end() -> None:
    """The header promises gigabytes; three and a half frames are there; three are read."""
    assert parse_wav(header(2, HZ_8K, MOST_DATA_BYTES) + b"abcdefghijklmn") == WavAudio(
        2, HZ_8K, Encoding.PCM16, b"abcdefghijkl"
    )


def test_other_chunks_are_passed_over() -> None:
    """LIST before the format, an odd-sized one before the data with its pad byte, and one behind it."""
    file = riff(
        chunk(b"LIST", b"INFOabcd"),
        chunk(b"fmt ", MULAW_FORMAT + b"\x00\x00"),
        chunk(b"fact", b"xyz"),
        chunk(b"data", b"\xff\xfe\xfd"),
        chunk(b"id3 ", b"tail"),
    )
    assert parse_wav(file) == WavAudio(1, HZ_8K, Encoding.MULAW, b"\xff\xfe\xfd")


def test_alaw_is_read_too() -> None:
    """Format tag 6."""
    file = riff(chunk(b"fmt ", struct.pack("<HHIIHH", 6, 1, 8000, 8000, 1, 8)), chunk(b"data", b"\xd5"))
    assert parse_wav(file) == WavAudio(1, HZ_8K, Encoding.ALAW, b"\xd5")


@pytest.mark.parametrize(
    ("file", "says", "close_code"),
    [
        (b"", "not a WAV file: it begins with b''", INVALID_PAYLOAD),
        (b"OggS" + bytes(40), "not a WAV file: it begins with b'OggS", INVALID_PAYLOAD),
        (riff(), "no data chunk in 12 bytes", INVALID_PAYLOAD),
        (riff(chunk(b"fmt ", PCM_FORMAT)), "no data chunk in 36 bytes", INVALID_PAYLOAD),
        (riff(chunk(b"data", b"abcd")), "the data at byte 12 comes before its format", INVALID_PAYLOAD),
        (riff(chunk(b"fmt ", PCM_FORMAT[:14])), "the format at byte 12 has 14 bytes, not 16", INVALID_PAYLOAD),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32))),
            "format tag 3 with 32 bits is not read here",
            UNSUPPORTED_DATA,
        ),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8))),
            "format tag 1 with 8 bits is not read here",
            UNSUPPORTED_DATA,
        ),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16))),
            "0 channels at 8000 Hz in frames of 0 bytes cannot be",
            INVALID_PAYLOAD,
        ),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16))),
            "1 channels at 0 Hz in frames of 2 bytes cannot be",
            INVALID_PAYLOAD,
        ),
        (
            riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 8000, 16000, 2, 16))),
            "2 channels at 8000 Hz in frames of 2 bytes cannot be",
            INVALID_PAYLOAD,
        ),
    ],
)
def test_what_is_wrong_is_said(file: bytes, says: str, close_code: int) -> None:
    """The message says what and where, the close code whether it is damaged or of another kind."""
    with pytest.raises(RemoteProtocolError) as refusal:
        parse_wav(file)
    assert says in str(refusal.value)
    assert refusal.value.close_code == close_code


@pytest.mark.parametrize(
    ("channels", "rate", "data_bytes"),
    [(0, HZ_8K, 0), (-1, HZ_8K, 0), (32768, HZ_8K, 0), (1, Hz(0), 0), (2, Hz(2**30), 0), (1, HZ_8K, -2)],
)
def test_headers_that_cannot_be_are_refused(channels: int, rate: Hz, data_bytes: int) -> None:
    """Before a number is cut to the bits that its field has."""
    with pytest.raises(LocalProtocolError, match=f"no WAV has {channels} channels at {rate} Hz in {data_bytes} bytes"):
        header(channels, rate, data_bytes)


def test_the_caller_is_left_and_the_model_right() -> None:
    """Samples side by side; the shorter channel ends in silence, whichever it is."""
    assert interleave(b"aabb", b"AABBCC") == b"aaAAbbBB\x00\x00CC"
    assert interleave(b"aabb", b"") == b"aa\x00\x00bb\x00\x00"
    assert interleave(b"", b"") == b""


def test_half_a_sample_is_not_interleaved() -> None:
    """On either side."""
    with pytest.raises(LocalProtocolError, match="1 bytes"):
        interleave(b"a", b"")
    with pytest.raises(LocalProtocolError, match="3 bytes"):
        interleave(b"", b"abc")
