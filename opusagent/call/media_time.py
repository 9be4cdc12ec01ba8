"""From media time to call time: where on the call's own clock a millisecond of somebody's audio lies.

Media time counts the audio that was taken and no clock: it stands still while a platform sends nothing, and runs ahead
by silence that was put in. So the two clocks differ by an offset that jumps at every gap. Each jump is remembered where
it happens; between two of them the clocks run alike.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from opusagent.units import LoopTime, Ms

CallClock = Callable[[Ms], float | None]
"""Seconds of the call at a media time; None where nothing was heard."""

JUMP: Final = 0.1
"""Seconds. Arrival is uneven by less, and a gap that matters is longer."""

MOST_JUMPS: Final = 2000
"""Gaps that are remembered. A call that has more has no times worth keeping."""


class MediaTime:
    """One stream's map. Pure; `at` is when its last audio arrived."""

    def __init__(self) -> None:
        self._from: list[int] = []
        self._offsets: list[float] = []

    def mark(self, media: Ms, at: LoopTime) -> None:
        """The audio before `media` had arrived by `at`."""
        offset = at - media / 1000
        if self._offsets and abs(offset - self._offsets[-1]) <= JUMP:
            return
        if len(self._offsets) < MOST_JUMPS:
            self._from.append(media)
            self._offsets.append(offset)

    def call_time(self, media: Ms) -> LoopTime | None:
        """When the audio at `media` was said, on the loop's clock; None before there was any."""
        if not self._offsets:
            return None
        place = max(0, bisect_right(self._from, media) - 1)
        return LoopTime(media / 1000 + self._offsets[place])


def steady(began: float) -> CallClock:
    """The clock of a caller whose audio never paused and began `began` seconds after the call.

    >>> steady(0.5)(Ms(250))
    0.75
    """
    return lambda media: began + media / 1000


def timeless(media: Ms) -> float | None:
    """The clock of a caller who was never heard."""
    del media
    return None
