"""One call's front end: chunks with their media times, and what they decided."""

import pytest

from opusagent.audio.vad.ear import CHUNK_BYTES, Ear, Heard
from opusagent.audio.vad.hysteresis import SpeechStarted, SpeechStopped
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Ms, Pcm16, samples_of_ms


def silence(ms: int, rate: Hz) -> Pcm16:
    return Pcm16(bytes(2 * samples_of_ms(Ms(ms), rate)))


@pytest.mark.parametrize("rate", [HZ_8K, HZ_16K, HZ_24K])
@pytest.mark.parametrize("block", [10, 20, 40, 200])
def test_ten_chunks_come_out_of_320_ms_whatever_the_rate_and_the_blocks(rate: Hz, block: int) -> None:
    ear = Ear(rate)
    chunks = [chunk for _ in range(320 // block) for chunk in ear.push(silence(block, rate))]
    assert [len(chunk.pcm) for chunk in chunks] == [CHUNK_BYTES] * (320 // block * block // 32)


@pytest.mark.parametrize("rate", [HZ_8K, HZ_16K, HZ_24K])
def test_a_chunk_comes_with_the_block_that_completes_it(rate: Hz) -> None:
    """Nothing is held back beyond the chunk itself."""
    ear = Ear(rate)
    assert [len(ear.push(silence(16, rate))) for _ in range(6)] == [0, 1, 0, 1, 0, 1]


def test_times_are_those_of_the_audio_that_went_in() -> None:
    """8 kHz comes out of the resampler 3.75 ms later, 24 kHz 1.875 ms, and 16 kHz at once."""
    times = {rate: [chunk.at for chunk in Ear(rate).push(silence(96, rate))] for rate in (HZ_8K, HZ_16K, HZ_24K)}
    assert times == {HZ_8K: [0, 28, 60], HZ_16K: [0, 32, 64], HZ_24K: [0, 30, 62]}


def test_a_stream_can_begin_at_any_media_time_and_go_on_at_another() -> None:
    ear = Ear(HZ_16K, at=Ms(1000))
    first = ear.push(silence(50, HZ_16K))
    ear.resume(Ms(5000))
    later = ear.push(silence(50, HZ_16K))
    assert [chunk.at for chunk in (*first, *later)] == [1000, 5000]


def test_nothing_from_before_a_gap_is_heard_after_it() -> None:
    ear = Ear(HZ_8K)
    ear.push(Pcm16(b"\x00\x40" * 250))
    ear.resume(Ms(100))
    [chunk] = ear.push(silence(32, HZ_8K))
    assert chunk.pcm == bytes(CHUNK_BYTES)


def test_verdicts_become_events_and_totals() -> None:
    ear = Ear(HZ_16K)
    verdicts = (0.0, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0)
    events = [ear.judge(probability, Ms(32 * index)) for index, probability in enumerate(verdicts)]
    assert [event for event in events if event] == [SpeechStarted(Ms(32)), SpeechStopped(Ms(128))]
    assert ear.statistics() == Heard(audio=Ms(7 * 32), speech=Ms(4 * 32), starts=1)


def test_half_a_sample_is_refused_and_nothing_of_it_is_taken() -> None:
    ear = Ear(HZ_8K)
    with pytest.raises(LocalProtocolError):
        ear.push(Pcm16(bytes(333)))
    assert len(ear.push(silence(32, HZ_8K))) == 1


def test_other_rates_are_refused() -> None:
    with pytest.raises(LocalProtocolError):
        Ear(Hz(44100))
