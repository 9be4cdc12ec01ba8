"""Law: however a model delivers a response, the playout runs dry whenever the caller has heard all that came of it."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.media import MULAW_8K
from opusagent.call.playout import Playout
from opusagent.call.underruns import Underruns
from opusagent.units import ItemId, LoopTime, Ms

FRAMES = st.tuples(st.integers(0, 900), st.integers(1, 40))
"""One delivery: milliseconds after the one before, and how many whole frames."""


@given(st.lists(FRAMES, min_size=1, max_size=12), st.booleans())
def test_dry_is_what_the_ear_waited_for(deliveries: list[tuple[int, int]], marks: bool) -> None:  # noqa: FBT001 - drawn
    playout, now = Playout(MULAW_8K, MULAW_8K, marks=marks), 0
    ear, expected = None, Underruns()
    for wait, frames in deliveries:
        now += wait
        _play_until(playout, now - wait, now)
        if ear is not None and now > ear:
            expected = Underruns(expected.times + 1, Ms(expected.ms + now - ear))
        ear = max(ear or 0, now) + 20 * frames
        playout.push(ItemId("item"), 0, bytes(160 * frames))
        playout.pop_due(_at(now))
    playout.finish()
    _play_until(playout, now, now + 60_000)
    assert playout.underruns == expected


def _at(ms: float) -> LoopTime:
    return LoopTime(100 + ms / 1000)


def _play_until(playout: Playout, begun: float, until: float) -> None:
    now = _at(begun)
    while (due := playout.next_due(now)) is not None and due < _at(until):
        now = LoopTime(max(now, due))
        playout.pop_due(now)
