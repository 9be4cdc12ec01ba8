"""Law: silence in, silence out; a constant stays the same constant."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.pcm import samples_of
from opusagent.audio.resample import Resampler
from opusagent.units import Hz
from property_tests.strategies_audio import MOST_SAMPLES, directions, packed, samples


@given(directions(), st.integers(0, MOST_SAMPLES))
def test_silence_stays_silence(direction: tuple[Hz, Hz], length: int) -> None:
    """For all lengths: no sample but zero, tail included: no dither, no offset."""
    resampler = Resampler(*direction)
    out = resampler.push(packed([0] * length)) + resampler.flush()
    assert out == bytes(len(out))


@given(directions(), samples())
def test_a_constant_stays_itself(direction: tuple[Hz, Hz], level: int) -> None:
    """For all levels: once the filter is full, every output is the input, at every place in the period."""
    resampler = Resampler(*direction)
    out = samples_of(resampler.push(packed([level] * 400))).tolist()
    assert {*out[2 * resampler.delay :]} == {level}
