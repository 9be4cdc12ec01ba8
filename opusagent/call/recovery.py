"""What becomes of a call whose model was lost: another session is tried after a while, or the call is given up.

The first try comes at once, because most losses are of one socket and not of the service. Later ones wait twice as long
each, with jitter, so that the calls of one outage do not come back in step. A session that was lost again soon was no
replacement, and its loss counts as one more failed try of the same recovery. A service that says when it may be tried
again (Retry-After) is not tried before, and not at all if that is too late.

What no other session would mend is given up at once: a key, a quota, a model, settings that the service refuses.
"""

from typing import Final

import attrs

from opusagent.call.reasons import End, EndReason
from opusagent.units import LoopTime

RECOVERY_SECONDS: Final = 12.0
"""How long another session is tried for: as long as what the caller says meanwhile can be kept (`uplink.UPLINK`)."""

FIRST_WAIT: Final = 0.1
"""Seconds that the first try waits at the most."""

BASE_WAIT: Final = 0.25
"""Seconds before the second try, on average; each further one waits twice as long."""

LONGEST_WAIT: Final = 3.0

SOLID_SECONDS: Final = 5.0
"""A session that has lasted so long has worked."""

SPARE_WAIT: Final = 1.0
"""Seconds before a spare is tried again, on average; each further time twice as long. Nobody waits for it."""

LONGEST_SPARE_WAIT: Final = 30.0

HOPELESS: Final = frozenset({EndReason.MODEL_REFUSED})
"""Losses after which no session with these settings can work."""


@attrs.define
class Recovery:
    """One call's attempts to have a model. Pure: times and dice are given."""

    patience: float = RECOVERY_SECONDS
    tries: int = attrs.field(default=0, init=False)
    _first: End | None = attrs.field(default=None, init=False)
    _since: LoopTime = attrs.field(default=LoopTime(0.0), init=False)
    _seated: LoopTime | None = attrs.field(default=None, init=False)

    def on_barred(self, why: End, now: LoopTime) -> None:
        """The call is new, and may not dial yet."""
        self._first, self._since = why, now

    def on_seated(self, now: LoopTime) -> None:
        """A session takes over, from one that was lost or that it relieves."""
        self._forget_if_solid(self._seated, now)
        self._seated = now

    def on_lost(self, lost: End, dice: float, now: LoopTime) -> LoopTime | End:
        """When to try the next session, or how the call ends. `dice` is uniform in [0, 1)."""
        seated, self._seated = self._seated, None
        self._forget_if_solid(seated, now)
        if self._first is None:
            self._first, self._since, self.tries = lost, now, 0
        self.tries += 1
        if lost.reason in HOPELESS:
            return lost
        last, welcome = LoopTime(self._since + self.patience), LoopTime(now + (lost.retry_after or 0.0))
        if now >= last or welcome > last:
            return self._given_up(self._first, lost)
        return min(last, LoopTime(welcome + self._wait(dice)))

    def deferred(self, due: LoopTime, lost: End) -> LoopTime | End:
        """The next try at `due`, unless that is too late."""
        return self._given_up(self._first or lost, lost) if due > self._since + self.patience else due

    def _given_up(self, first: End, last: End) -> End:
        """The end of a call that no session was found for: for the reason why one was needed."""
        why = f"{first.detail}; no other session within {self.patience:g} s ({self.tries} losses"
        more = "" if last == first else f", the last: {last.reason.value}: {last.detail}"
        return attrs.evolve(first, detail=f"{why}{more})")

    def _forget_if_solid(self, seated: LoopTime | None, now: LoopTime) -> None:
        if seated is not None and now - seated >= SOLID_SECONDS:
            self._first = None

    def _wait(self, dice: float) -> float:
        if self.tries == 1:
            return FIRST_WAIT * dice
        return min(LONGEST_WAIT, BASE_WAIT * 2.0 ** (self.tries - 2)) * (0.5 + dice)


def spare_wait(tries: int, dice: float) -> float:
    """Seconds until a spare is tried again that could not be had, or did not last, `tries` times.

    >>> [spare_wait(tries, 0.5) for tries in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return min(LONGEST_SPARE_WAIT, SPARE_WAIT * 2.0 ** min(tries - 1, 10)) * (0.5 + dice)
