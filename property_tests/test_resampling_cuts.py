"""Law: what comes out of a resampler does not depend on how the input was cut, to the bit."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.resample import Resampler, push_each
from opusagent.units import Hz
from property_tests.strategies_audio import directions, pcm, pieces, rates


@given(st.data(), directions(), pcm())
def test_cuts_do_not_matter(data: st.DataObject, direction: tuple[Hz, Hz], sound: bytes) -> None:
    """For all cuts of the input: the same bits, tail included."""
    whole, cut = Resampler(*direction), Resampler(*direction)
    expected = whole.push(sound) + whole.flush()
    assert b"".join([cut.push(piece) for piece in data.draw(pieces(sound, 2))]) + cut.flush() == expected


@given(directions(), pcm(), pcm())
def test_after_a_flush_it_is_fresh(direction: tuple[Hz, Hz], first: bytes, second: bytes) -> None:
    """For all streams: the one before a flush or a clear leaves no trace in the one after."""
    fresh, used, cleared = Resampler(*direction), Resampler(*direction), Resampler(*direction)
    used.push(first)
    used.flush()
    cleared.push(first)
    cleared.clear()
    expected = fresh.push(second) + fresh.flush()
    assert used.push(second) + used.flush() == expected
    assert cleared.push(second) + cleared.flush() == expected


@given(st.data(), rates(), pcm())
def test_equal_rates_touch_nothing(data: st.DataObject, rate: Hz, sound: bytes) -> None:
    """For all sound: at equal rates every piece comes back itself, at once, without a tail."""
    same = Resampler(rate, rate)
    for piece in data.draw(pieces(sound, 2)):
        assert same.push(piece) is piece
    assert same.flush() == b""


@given(st.data(), st.lists(st.tuples(directions() | rates().map(lambda rate: (rate, rate)), pcm()), max_size=5))
def test_streams_that_share_a_product_give_what_they_give_alone(
    data: st.DataObject, lines: list[tuple[tuple[Hz, Hz], bytes]]
) -> None:
    """For all streams at any place of theirs, and all pieces: the same bits, to the end."""
    alone = [Resampler(*direction) for direction, _ in lines]
    together = [Resampler(*direction) for direction, _ in lines]
    for _ in range(3):
        size = 2 * data.draw(st.integers(0, 400))
        fed = [
            sound if data.draw(st.booleans()) else (sound * (size // max(1, len(sound)) + 1))[:size]
            for _, sound in lines
        ]
        expected = [each.push(piece) for each, piece in zip(alone, fed, strict=True)]
        assert push_each(together, fed) == expected
    assert [each.flush() for each in together] == [each.flush() for each in alone]
