"""Law: after n input samples exactly ceil(n * target / source) have come out; a flush adds exactly the delay."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.resample import Resampler
from opusagent.units import Hz
from property_tests.strategies_audio import directions, pcm, pieces


@given(st.data(), directions(), pcm())
def test_nothing_is_held_back(data: st.DataObject, direction: tuple[Hz, Hz], sound: bytes) -> None:
    """For all cuts, after every piece: all that is due has come out, and nothing else."""
    source, target = direction
    resampler = Resampler(source, target)
    taken = given_out = 0
    for piece in data.draw(pieces(sound, 2)):
        given_out += len(resampler.push(piece)) // 2
        taken += len(piece) // 2
        assert given_out == ceil(Fraction(taken * target, source))
    assert len(resampler.flush()) // 2 == (resampler.delay if taken else 0)
