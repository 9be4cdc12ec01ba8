"""The caller's line, which whoever asks first takes: a transfer, or keys that are pressed on it. One at a time.

A line that was passed on is nobody's: the platform ends our side of it, in its own time. Until then nobody has a second
telephone rung, whoever asks. If it is still here after `GONE_SECONDS`, it was not passed on after all. While the
platform is away, whoever asks waits: it would not hear what it is told.
"""

import math
from typing import Final

import attrs

from opusagent.units import LoopTime

GONE_SECONDS: Final = 8.0
"""How long a platform may take to pass a caller on, once it has said that it does."""


@attrs.define
class Line:
    """One caller's. Pure. `holder` names who uses it now, empty: nobody; `is_away`: the platform's socket is gone."""

    holder: str = attrs.field(default="", init=False)
    is_away: bool = attrs.field(default=False, init=False)
    _gone_at: LoopTime = attrs.field(default=LoopTime(-math.inf), init=False)

    def is_gone(self, now: LoopTime) -> bool:
        """Whether the caller has been passed on."""
        return now < self._gone_at + GONE_SECONDS

    def in_words(self, now: LoopTime) -> str:
        """What we had done with it, if it ends now: what the platform tells as a hang-up was perhaps none."""
        if self.is_gone(now):
            return "the caller had been put through"
        return "a transfer or keys for the other side were under way" if self.holder else ""

    @property
    def is_taken(self) -> bool:
        """Whether whoever wants it has to wait."""
        return bool(self.holder) or self.is_away

    def take(self, holder: str, now: LoopTime) -> bool:
        """Whether `holder` may use it now, and has it until it is given back."""
        if self.is_taken or self.is_gone(now):
            return False
        self.holder = holder
        return True

    def give_back(self, holder: str, now: LoopTime, *, gone: bool) -> None:
        """If it was `holder` who had it. `gone`: the caller was passed on."""
        if not self.holder or holder != self.holder:
            return
        self.holder = ""
        if gone:
            self._gone_at = now
