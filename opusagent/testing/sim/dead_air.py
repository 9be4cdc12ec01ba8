"""Silence as the simulated callers hear it, and whose turn it was."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from opusagent.audio.media import MediaFormat
from opusagent.call.report import CallReport
from opusagent.testing.play_queue import Heard

Span = tuple[float, float]
"""From when to when, by the world's clock."""

OVER: Final = ("the model begins", "another session", "the model is ready")
"""How the lines of a report's story begin that end our turn."""

HEARING_SLACK: Final = 0.5
"""Seconds that a sound may take from the daemon to the ear: latency, jitter, and the platform's own delay."""


def spans(heard: Sequence[Heard], media: MediaFormat, answered: float, ended: float) -> Sequence[Span]:
    """When the sounds were heard.

    Until the platform reads that the call is taken it lets its caller hear the ringing of its own, and from the end of
    the line on there is nobody to hear silence.
    """
    per_second = media.rate * media.bytes_per_sample
    sounds = ((each.at, each.at + len(each.audio) / per_second) for each in heard)
    return [(-math.inf, answered), *sounds, (ended, math.inf)]


def our_turns(report: CallReport, began: float, floors: Sequence[float]) -> Iterator[Span]:
    """The times for which the caller waited for us: for an answer, or for a session of the model's, the first included.

    Each ends when the model begins to answer, is back, or somebody begins to speak.
    """
    ours: float | None = began
    for happening in report.story:
        at, what = began + happening.at, happening.what
        if ours is not None and what.startswith(OVER):
            yield ours, _until(ours, at, floors)
            ours = None
        elif what.startswith("the caller paused") or (ours is None and what.startswith("the model's session is lost")):
            ours = at
    if ours is not None:
        yield ours, _until(ours, began + report.seconds, floors)


def _until(begin: float, end: float, floors: Sequence[float]) -> float:
    return min((floor for floor in floors if begin < floor < end), default=end)


def longest_silence(heard: Sequence[Span], begin: float, end: float) -> float:
    """Of all silences between `begin` and `end`."""
    inside = [span for span in heard if span[1] > begin and span[0] < end]
    return max(later[0] - earlier[1] for earlier, later in pairwise([(begin, begin), *inside, (end, end)]))
