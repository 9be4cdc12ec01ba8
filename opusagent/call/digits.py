"""Telephone keys: single ones, or a sequence that ends with a terminator, a length, or a pause."""

from typing import Final

import attrs

from opusagent.units import LoopTime

KEYS: Final = frozenset("0123456789*#ABCD")
"""What a telephone can send (ITU-T Q.23)."""

MOST_DIGITS: Final = 64
"""Keys of one sequence. A card number has 19."""


@attrs.frozen
class DigitRules:
    """How keys make a sequence: `collect` False takes each key by itself."""

    collect: bool = False
    terminator: str = "#"
    pause_seconds: float = 3.0
    most: int = MOST_DIGITS


@attrs.define
class DigitCollector:
    """The keys of one caller. Pure; `deadline` is when a pause completes what is there."""

    rules: DigitRules
    _keys: str = attrs.field(default="", init=False)
    _deadline: LoopTime | None = attrs.field(default=None, init=False)

    @property
    def deadline(self) -> LoopTime | None:
        """When the caller is taken to have finished, None while nothing waits."""
        return self._deadline

    def push(self, digits: str, now: LoopTime) -> list[str]:
        """The sequences that `digits` complete. What is no key of a telephone is left out."""
        keys = [key for key in digits.upper() if key in KEYS]
        if not self.rules.collect:
            return keys
        done: list[str] = []
        for key in keys:
            if key == self.rules.terminator:
                done += self._take()
                continue
            self._keys += key
            if len(self._keys) >= min(self.rules.most, MOST_DIGITS):
                done += self._take()
        self._deadline = LoopTime(now + self.rules.pause_seconds) if self._keys else None
        return done

    def on_time(self, now: LoopTime) -> list[str]:
        """The sequence that a pause has completed, if one has."""
        if self._deadline is None or now < self._deadline:
            return []
        return self._take()

    def _take(self) -> list[str]:
        keys, self._keys, self._deadline = self._keys, "", None
        return [keys] if keys else []


def masked(digits: str, *, mask: bool) -> str:
    """What may be shown of keys.

    >>> masked("1234#", mask=True), masked("1234#", mask=False)
    ('*****', '1234#')
    """
    return "*" * len(digits) if mask else digits
