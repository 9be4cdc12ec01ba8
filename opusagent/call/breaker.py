"""The circuit breaker: calls that lose their model in one outage do not storm the service that is coming back.

closed      every call may dial
open        too many sessions in a row could not be had, by whichever calls: nobody dials for a while
half open   the while is over: one call tries, the others wait for what becomes of it
"""

from typing import Final

import attrs

from opusagent.units import LoopTime

TRIPS: Final = 5
"""Sessions in a row that could not be had."""

OPEN_SECONDS: Final = 2.0
"""How long it is open at first; every failed try doubles it."""

LONGEST_OPEN: Final = 30.0

PROBE_SECONDS: Final = 10.0
"""After which a call that tries for all has taken too long: dialling and configuring take five seconds each."""

ASK_AGAIN: Final = 0.25
"""Seconds after which a call that waits for another's try looks how it went."""


@attrs.define
class Breaker:
    """What the calls of one configuration know of their service. Pure."""

    _failures: int = attrs.field(default=0, init=False)
    _opens_for: float = attrs.field(default=OPEN_SECONDS, init=False)
    _open_until: LoopTime | None = attrs.field(default=None, init=False)
    _probe: LoopTime | None = attrs.field(default=None, init=False)

    @property
    def is_closed(self) -> bool:
        """Whether everybody may dial."""
        return self._open_until is None

    def admits_at(self, now: LoopTime) -> LoopTime:
        """When a call may dial, or should ask again."""
        if self._open_until is None:
            return now
        if now < self._open_until:
            return self._open_until
        is_probed = self._probe is not None and now < self._probe + PROBE_SECONDS
        return LoopTime(now + ASK_AGAIN) if is_probed else now

    def on_dial(self, now: LoopTime) -> None:
        """A call that was admitted dials."""
        if self._open_until is not None:
            self._probe = now

    def on_success(self) -> None:
        """A session was configured."""
        self._failures, self._opens_for = 0, OPEN_SECONDS
        self._open_until = self._probe = None

    def on_failure(self, now: LoopTime) -> None:
        """A session could not be had."""
        self._failures += 1
        if self._failures < TRIPS:
            return
        if self._open_until is not None:
            self._opens_for = min(LONGEST_OPEN, self._opens_for * 2)
        self._open_until, self._probe = LoopTime(now + self._opens_for), None
