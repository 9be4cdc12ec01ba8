"""The line that the playout is tried on: it delays, keeps the order, and loses nothing."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.media import MULAW_8K
from opusagent.call.playout import Playout
from opusagent.units import ItemId, LoopTime, Ms
from property_tests.strategies_line import Delays, Line, delays


@given(delays(Ms(250)))
def test_delays_are_seconds_within_the_bound(drawn: Delays) -> None:
    """At least one, so that they can be gone through over and over."""
    assert drawn
    assert all(0 <= each <= 0.25 for each in drawn)


@given(late=delays(Ms(500)), echo=delays(Ms(500)), ms=st.integers(20, 2000))
def test_everything_is_heard_in_the_end_and_in_order(late: Delays, echo: Delays, ms: int) -> None:
    """However late it came."""
    line = Line(Playout(MULAW_8K, MULAW_8K), itertools.cycle(late), itertools.cycle(echo))
    audio = bytes(at // 160 % 255 for at in range(8 * ms // 160 * 160))
    line.playout.push(ItemId("item"), 0, audio)
    line.playout.finish()
    line.listen(10)
    assert b"".join(piece.audio for piece in line.platform.heard(line.now)) == audio
    assert line.platform.next_echo() > line.now


def test_a_message_arrives_as_late_as_the_line_is_long() -> None:
    """100 ms of sound on a line of 50 ms: after 80 ms, 30 have been heard."""
    line = Line(Playout(MULAW_8K, MULAW_8K), itertools.repeat(0.05))
    line.playout.push(ItemId("item"), 0, bytes(800))
    line.listen(0.08)
    assert line.now == LoopTime(100.08)
    assert line.heard_bytes == 240
