"""Law: G.711 codes survive decoding and encoding; and sound comes back within half a step."""

from hypothesis import example, given

from opusagent.audio.g711 import alaw_decode, alaw_encode, decode, encode, mulaw_decode, mulaw_encode
from opusagent.audio.media import MediaFormat
from opusagent.audio.pcm import samples_of
from property_tests.strategies_audio import codes, media_formats, packed, pcm, samples

MULAW_LOUDEST = 32124
ALAW_LOUDEST = 32256


@given(codes())
def test_mulaw_codes_come_back_but_for_negative_zero(sent: bytes) -> None:
    """For all codes: encoding what was decoded is the identity; 0x7F (negative zero) becomes 0xFF (zero)."""
    assert mulaw_encode(mulaw_decode(sent)) == sent.replace(b"\x7f", b"\xff")


@given(codes())
def test_alaw_codes_come_back(sent: bytes) -> None:
    """For all codes: encoding what was decoded is the identity."""
    assert alaw_encode(alaw_decode(sent)) == sent


@given(samples())
@example(-121)  # its 14 bits are -124, where two steps meet
def test_mulaw_is_within_half_a_step(sample: int) -> None:
    """For all samples: at most half a step off, 1/32 of the level above the bias, from the 14 bits that are coded."""
    level = max(-MULAW_LOUDEST, min(sample, MULAW_LOUDEST)) & ~3
    heard = samples_of(mulaw_decode(mulaw_encode(packed([sample])))).item()
    assert abs(heard - level) <= (abs(level) + 132) / 32


@given(samples())
def test_alaw_is_within_half_a_step(sample: int) -> None:
    """For all samples: at most half a step off, 1/32 of the level and 8 near silence; and three bits dropped before."""
    level = max(-ALAW_LOUDEST, min(sample, ALAW_LOUDEST))
    heard = samples_of(alaw_decode(alaw_encode(packed([sample])))).item()
    assert abs(heard - level) <= max(8, abs(level) / 32) + 7


@given(media_formats(), pcm())
def test_a_second_pass_changes_nothing(media: MediaFormat, sound: bytes) -> None:
    """For all formats and sound: once through a codec is as good as twice."""
    once = decode(media, encode(media, sound))
    assert decode(media, encode(media, once)) == once
    assert len(once) == len(sound)


@given(media_formats())
def test_the_silence_of_a_format_is_silence(media: MediaFormat) -> None:
    """For all formats: silence decodes to the quietest level there is, and quiet encodes to it."""
    assert samples_of(decode(media, media.silence)).tolist() == ([8] if media.silence == b"\xd5" else [0])
    assert encode(media, packed([0])) == media.silence
