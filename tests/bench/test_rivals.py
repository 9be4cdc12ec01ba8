"""The other resamplers are held the right way round."""

import pytest

from opusagent.bench.figures import DIRECTIONS, tone_at
from opusagent.bench.rivals import ratecv, soxr_hq
from opusagent.units import Hz


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_ratecv_gives_the_target_s_length(source: Hz, target: Hz) -> None:
    """A quarter of a second in, a quarter of a second out, from one push to the next."""
    push = ratecv(source, target)
    tone = tone_at(source, 1000)
    out = push(tone) + push(tone)
    assert abs(len(out) - 2 * len(tone) * target // source) <= 8


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_soxr_gives_the_target_s_length_in_the_end(source: Hz, target: Hz) -> None:
    """After two seconds all but what it holds back has come out."""
    push = soxr_hq(source, target)
    if push is None:
        pytest.skip("soxr is not installed")
    tone = tone_at(source, 1000)
    out = b"".join(push(tone) for _ in range(8))
    assert 0.9 < len(out) / (8 * len(tone) * target / source) <= 1.01
