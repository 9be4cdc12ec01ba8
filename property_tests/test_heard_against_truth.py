"""What the playout says the caller has heard, beside a platform that knows.

The bridge sees a line from one end only: audio arrives up to A after it was sent, a mark comes back up to E after the
caller heard what lies before it. So at the moment of an interruption it may believe too much by A, because what it
sent may not have arrived, and too little by E, because news is late; and nothing is worse than that. Between marks the
clock knows the time, so their distance costs no precision.
"""

import itertools
from typing import Final

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from opusagent.audio.media import MULAW_8K
from opusagent.call.playout import Cut, Playout
from opusagent.units import ItemId, Ms
from property_tests.strategies_line import Delays, Line, delays

MOST_LATE: Final = Ms(400)
ROUNDING: Final = Ms(2)
"""Truth is known to the sample. A truncation is told in whole milliseconds, and an item may begin within one."""

WITHIN_LEAD: Final = Ms(200)
"""A platform always has this much, or all there is: 300 ms of lead less a step of 100."""

NO_HOLE: Final = 0.001


@attrs.frozen
class Utterance:
    """Items in deltas of `delta` ms, `pause` seconds apart; the caller interrupts after `patience` seconds."""

    items: tuple[Ms, ...]
    delta: int
    pause: float
    ends: bool
    patience: float


def utterances() -> st.SearchStrategy[Utterance]:
    """From one word to a few sentences, faster than real time or slower, complete or not when it is interrupted."""
    return st.builds(
        Utterance,
        items=st.lists(st.integers(20, 3000).map(Ms), min_size=1, max_size=3).map(tuple),
        delta=st.sampled_from((20, 50, 200, 1000)),
        pause=st.sampled_from((0.0, 0.0, 0.02, 0.1, 0.4)),
        ends=st.booleans(),
        patience=st.integers(0, 4000).map(lambda ms: ms / 1000),
    )


def talk(line: Line, name: str, said: Utterance) -> list[tuple[ItemId, Ms]]:
    """Say it, and give the items as far as they were said when the caller's patience ended."""
    until = line.now + said.patience
    spoken: list[tuple[ItemId, Ms]] = []
    for number, length in enumerate(said.items):
        item, done = ItemId(f"{name}-{number}"), 0
        while done < length and line.now <= until:
            piece = min(said.delta, length - done)
            line.playout.push(item, 0, bytes(8 * piece))
            done += piece
            line.listen(min(said.pause, max(0.0, until - line.now)))
            if line.now >= until:
                break
        spoken.append((item, Ms(done)))
    if said.ends:
        line.playout.finish()
    line.listen(max(0.0, until - line.now))
    return spoken


def true_heard(spoken: list[tuple[ItemId, Ms]], heard_ms: float) -> dict[ItemId, float]:
    """How much of each item lies before `heard_ms` of the stream."""
    starts = itertools.accumulate((length for _, length in spoken), initial=0)
    return {
        item: min(max(0.0, heard_ms - start), length) for (item, length), start in zip(spoken, starts, strict=False)
    }


def told_heard(spoken: list[tuple[ItemId, Ms]], cuts: tuple[Cut, ...]) -> dict[ItemId, float]:
    """How much of each item the model is told was heard; those that are not cut were heard to their end."""
    told = {cut.item_id: float(cut.heard) for cut in cuts}
    return {item: told.get(item, float(length)) for item, length in spoken}


@settings(max_examples=5000)  # ten thousand interruptions and more
@given(
    late=delays(MOST_LATE),
    echo=delays(MOST_LATE),
    talks=st.lists(utterances(), min_size=1, max_size=4),
)
def test_what_was_heard_of_an_interrupted_item_is_the_truth_within_the_line(
    late: Delays, echo: Delays, talks: list[Utterance]
) -> None:
    """For every line and every moment: too much by its lateness at most, and never beyond the item."""
    line = Line(Playout(MULAW_8K, MULAW_8K), itertools.cycle(late), itertools.cycle(echo))
    for number, said in enumerate(talks):
        before = line.settled_bytes
        spoken = talk(line, f"talk-{number}", said)
        truth = true_heard(spoken, (line.heard_bytes - before) / 8)
        cuts = line.interrupt()
        told = told_heard(spoken, cuts)
        for cut in cuts:
            assert 0 <= cut.heard < cut.total == dict(spoken)[cut.item_id]
        for item, length in spoken:
            assert told[item] <= length
            assert told[item] - truth[item] <= 1000 * max(late) + ROUNDING
            assert truth[item] - told[item] <= 1000 * max(echo) + ROUNDING


@given(late=delays(WITHIN_LEAD), echo=delays(Ms(900)), lengths=st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_no_line_within_the_lead_tears_a_hole_into_speech(late: Delays, echo: Delays, lengths: list[int]) -> None:
    """Marks may come back as late as they like: what came in one burst is heard in one piece."""
    line = Line(Playout(MULAW_8K, MULAW_8K), itertools.cycle(late), itertools.cycle(echo))
    for number, frames in enumerate(lengths):
        line.playout.push(ItemId(f"item-{number}"), 0, bytes(160 * frames))
    line.playout.finish()
    line.listen(10)
    pieces = line.platform.heard(line.now)
    assert sum(len(piece.audio) for piece in pieces) == 160 * sum(lengths)
    for before, after in itertools.pairwise(pieces):
        assert after.at - before.at <= len(before.audio) / 8000 + NO_HOLE
