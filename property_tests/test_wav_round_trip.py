"""Law: what the header says is what the reader reads, also while the file grows; and no bytes break the reader."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.pcm import samples_of
from opusagent.audio.wav import MOST_DATA_BYTES, WavAudio, header, interleave, parse_wav
from opusagent.errors import RemoteProtocolError
from opusagent.units import Hz
from property_tests.strategies_audio import pcm, rates


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Any bytes, or a good file with some bytes put out, put in or put over."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=80))
    good = header(draw(st.integers(1, 2)), draw(rates()), 8) + bytes(8)
    start = draw(st.integers(0, len(good)))
    return good[:start] + draw(st.binary(max_size=8)) + good[draw(st.integers(start, len(good))) :]


@given(st.integers(1, 2), rates(), pcm())
def test_header_and_samples_come_back(channels: int, rate: Hz, sound: bytes) -> None:
    """For all sound: a file of header and samples reads as those samples, up to the last whole frame."""
    whole = sound[: len(sound) // (2 * channels) * 2 * channels]
    assert parse_wav(header(channels, rate, len(whole)) + whole) == WavAudio(channels, rate, Encoding.PCM16, whole)


@given(rates(), pcm(), st.integers(0, 2 * MOST_DATA_BYTES), st.integers(0, 1400))
def test_a_file_that_is_being_written_reads(rate: Hz, sound: bytes, more: int, written: int) -> None:
    """For all promises of the header and every moment of writing: what is there so far, in whole frames."""
    file = header(2, rate, len(sound) + more) + sound[:written]
    there = min(written, len(sound))
    assert parse_wav(file) == WavAudio(2, rate, Encoding.PCM16, sound[: there // 4 * 4])


@given(damaged_files())
def test_any_bytes_give_audio_or_the_error(data: bytes) -> None:
    """For all bytes: audio in whole frames or `RemoteProtocolError`, nothing else."""
    try:
        audio = parse_wav(data)
    except RemoteProtocolError:
        return
    sample = MediaFormat(audio.encoding, audio.rate).bytes_per_sample
    assert audio.channels >= 1
    assert audio.rate >= 1
    assert len(audio.data) % (audio.channels * sample) == 0


@given(pcm(), pcm())
def test_interleaving_keeps_both_channels(left: bytes, right: bytes) -> None:
    """For all pairs: each channel comes back, the shorter one followed by silence."""
    stereo = samples_of(interleave(left, right)).tolist()
    for channel, sound in enumerate((left, right)):
        mono = stereo[channel::2]
        assert mono[: len(sound) // 2] == samples_of(sound).tolist()
        assert not any(mono[len(sound) // 2 :])
    assert len(stereo) == max(len(left), len(right))
