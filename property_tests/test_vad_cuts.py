"""For all audio, rates and cuts: an ear gives the same chunks, and gives each as soon as it is complete."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.vad.detector import CHUNK_SAMPLES, RATE
from opusagent.audio.vad.ear import Ear
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Pcm16
from property_tests.strategies_audio import pcm, pieces


@given(st.data(), st.sampled_from((HZ_8K, HZ_16K, HZ_24K)), st.lists(pcm(), min_size=1, max_size=8))
def test_chunks_do_not_depend_on_how_the_audio_is_cut(data: st.DataObject, rate: Hz, sounds: list[Pcm16]) -> None:
    whole = Pcm16(b"".join(sounds))
    once, again = Ear(rate), Ear(rate)
    cut = [chunk for piece in data.draw(pieces(whole, 2)) for chunk in again.push(Pcm16(piece))]
    assert cut == once.push(whole)


@given(st.sampled_from((HZ_8K, HZ_16K, HZ_24K)), st.integers(0, 3000))
def test_as_many_chunks_have_come_as_the_audio_fills(rate: Hz, samples: int) -> None:
    chunks = Ear(rate).push(Pcm16(bytes(2 * samples)))
    assert len(chunks) == -(-samples * RATE // rate) // CHUNK_SAMPLES
