"""When a figure is worth telling somebody: once when it has become bad, once when it is good again."""

import enum
from typing import Final

import attrs

from opusagent.units import Ms

RAISE_AFTER: Final = 2
"""Seconds in a row that must be bad. One may be a door."""
CLEAR_AFTER: Final = 3
MARGIN: Final = 0.1
"""How much better than the limit counts as good again, as a part of it."""


class Concern(enum.Enum):
    """What an alert is about."""

    SNR = "snr"
    THD = "thd"
    CLIPPING = "clipping"
    SCORE = "score"
    ONE_WAY = "one_way"


@attrs.frozen
class QualityAlert:
    """A concern changed its state at media time `at`: `raised`, or over. `value` against `limit`, in its own unit."""

    concern: Concern
    raised: bool
    value: float
    limit: float
    at: Ms


@attrs.define
class Watch:
    """One concern's state. `at_least` says which side of the limit is good."""

    concern: Concern
    limit: float
    at_least: bool
    raise_after: int = RAISE_AFTER
    clear_after: int = CLEAR_AFTER
    raised: bool = attrs.field(default=False, init=False)
    _against: int = attrs.field(default=0, init=False)

    def push(self, value: float | None, at: Ms) -> QualityAlert | None:
        """Take the next second's figure; the alert if the state changed. What is not available changes nothing."""
        if value is None:
            return None
        changing = self._is_good(value) if self.raised else self._is_bad(value)
        self._against = self._against + 1 if changing else 0
        if self._against < (self.clear_after if self.raised else self.raise_after):
            return None
        self.raised = not self.raised
        self._against = 0
        return QualityAlert(self.concern, self.raised, value, self.limit, at)

    def _is_bad(self, value: float) -> bool:
        return value < self.limit if self.at_least else value > self.limit

    def _is_good(self, value: float) -> bool:
        """Not only not bad, but better by the margin."""
        part = MARGIN * abs(self.limit)
        return value >= self.limit + part if self.at_least else value <= self.limit - part
