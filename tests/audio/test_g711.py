"""G.711 against the definition of the recommendation, code by code."""

import subprocess
import sys

import pytest

from opusagent.audio.g711 import alaw_decode, alaw_encode, decode, encode, mulaw_decode, mulaw_encode
from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.audio.pcm import samples_of
from opusagent.errors import LocalProtocolError

EVERY_CODE = bytes(range(256))


def mulaw_of_the_recommendation(code: int) -> int:
    """G.711 table 2: all bits inverted; ((2 * mantissa + 33) * 2**exponent - 33) in 14 bits, scaled to 16."""
    bits = ~code & 0xFF
    level = (2 * (bits & 15) + 33 << (bits >> 4 & 7)) - 33
    return 4 * (-level if bits & 0x80 else level)


def alaw_of_the_recommendation(code: int) -> int:
    """G.711 table 1: even bits inverted; the middle of one of 16 even steps in 8 segments, in 13 bits, scaled to 16."""
    bits = code ^ 0x55
    exponent, step = bits >> 4 & 7, 2 * (bits & 15) + 1
    level = step if exponent == 0 else step + 32 << exponent - 1
    return 8 * (level if bits & 0x80 else -level)


def test_every_mulaw_code_is_that_of_the_recommendation() -> None:
    """All 256 levels."""
    assert samples_of(mulaw_decode(EVERY_CODE)).tolist() == [mulaw_of_the_recommendation(code) for code in EVERY_CODE]


def test_every_alaw_code_is_that_of_the_recommendation() -> None:
    """All 256 levels."""
    assert samples_of(alaw_decode(EVERY_CODE)).tolist() == [alaw_of_the_recommendation(code) for code in EVERY_CODE]


def test_every_code_comes_back_but_negative_zero() -> None:
    """Mu-law 0x7F is negative zero and becomes 0xFF; A-law has no zero and all 256 come back."""
    assert mulaw_encode(mulaw_decode(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")
    assert alaw_encode(alaw_decode(EVERY_CODE)) == EVERY_CODE


@pytest.mark.parametrize(
    ("codes", "levels"),
    [(b"\xff", [0]), (b"\x7f", [0]), (b"\x80", [32124]), (b"\x00", [-32124])],
    ids=["silence", "negative zero", "loudest", "most negative"],
)
def test_mulaw_landmarks(codes: bytes, levels: list[int]) -> None:
    """0xFF is silence; 0x80, which looks like the middle, is full scale."""
    assert samples_of(mulaw_decode(codes)).tolist() == levels


@pytest.mark.parametrize(
    ("codes", "levels"),
    [(b"\xd5", [8]), (b"\x55", [-8]), (b"\xaa", [32256]), (b"\x2a", [-32256])],
    ids=["silence", "the other silence", "loudest", "most negative"],
)
def test_alaw_landmarks(codes: bytes, levels: list[int]) -> None:
    """0xD5 is half a step above zero, the quietest there is."""
    assert samples_of(alaw_decode(codes)).tolist() == levels


def test_full_scale_clips_and_keeps_its_sign() -> None:
    """Beyond the loudest code is the loudest code."""
    full_scale = bytes.fromhex("ff7f0080")
    assert samples_of(mulaw_decode(mulaw_encode(full_scale))).tolist() == [32124, -32124]
    assert samples_of(alaw_decode(alaw_encode(full_scale))).tolist() == [32256, -32256]


@pytest.mark.parametrize("media", [MULAW_8K, ALAW_8K, PCM16_24K])
def test_dispatch_by_format(media: MediaFormat) -> None:
    """`decode` and `encode` are those of the format's encoding; PCM16 is itself, not a copy."""
    silence = media.silence * 3
    sound = decode(media, silence)
    assert len(sound) == 6
    assert encode(media, sound) == silence
    if media is PCM16_24K:
        assert sound is silence
        assert encode(media, sound) is silence


@pytest.mark.parametrize("media", [MULAW_8K, ALAW_8K, PCM16_24K])
def test_half_a_sample_is_refused(media: MediaFormat) -> None:
    """By every encoder, and by the decoder of PCM16: G.711 has no half codes."""
    with pytest.raises(LocalProtocolError, match="3 bytes"):
        encode(media, b"abc")
    if media is PCM16_24K:
        with pytest.raises(LocalProtocolError, match="3 bytes"):
            decode(media, b"abc")


def test_importing_is_silent_where_warnings_are_errors() -> None:
    """The deprecation of audioop in Python 3.11 and 3.12 is provided for, so it is not passed on; others are."""
    program = (
        "import warnings, opusagent.audio.g711\n"
        "try: warnings.warn('another', DeprecationWarning)\n"
        "except DeprecationWarning: print('still an error')"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (written right here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still an error\n", "")
