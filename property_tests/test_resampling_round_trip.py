"""Law: band-limited sound comes back from another rate, later by the two delays and within a stated error."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.pcm import samples_of
from opusagent.audio.resample import Resampler
from opusagent.units import Hz
from property_tests.strategies_audio import band_limited, directions

# Of 32768, for tones up to 3/4 of the lower Nyquist frequency (3 kHz at 8 kHz): twice the passband's ripple there is 2,
# each rounding on the way at most 1, images and aliases at -87 dB at most 1. What is met in practice is 3.
MOST_ERROR: Final = 5


@given(st.data(), directions())
def test_there_and_back(data: st.DataObject, direction: tuple[Hz, Hz]) -> None:
    """For all mixtures of tones in the band: away from the edges every sample is back within `MOST_ERROR`."""
    source, target = direction
    sound = data.draw(band_limited(source, 3 * min(direction) // 8))
    there, back = Resampler(source, target), Resampler(target, source)
    away = there.push(sound) + there.flush()
    returned = samples_of(back.push(away) + back.flush()).tolist()
    before = samples_of(sound).tolist()
    late = there.delay * source // target + back.delay
    assert len(returned) >= late + len(before)
    errors = [abs(old - new) for old, new in zip(before, returned[late:], strict=False)]
    # Nearer to an edge than both filters reach, the sound begins or ends abruptly and is not band-limited.
    assert max(errors[late:-late]) <= MOST_ERROR
