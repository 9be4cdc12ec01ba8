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
"""How long it is open, and again after every failed try: one call that dials every two seconds is no storm, and whoever
waits for it has twelve (`recovery.RECOVERY_SECONDS`)."""

PROBE_SECONDS: Final = 10.0
"""After which a call that tries for all has taken too long: dialling and configuring take five seconds each."""

ASK_AGAIN: Final = 0.25
"""Seconds after which a call that waits for another's try looks how it went."""


@attrs.define
class Breaker:
    """What the calls of one configuration know of their service. Pure."""

    _failures: int = attrs.field(default=0, init=False)
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
        """A call dials. Whoever does while it is open, because their call is new, tries for themselves alone."""
        if self._open_until is not None and now >= self._open_until:
            self._probe = now

    def on_success(self) -> None:
        """A session was configured."""
        self._failures, self._open_until, self._probe = 0, None, None

    def on_failure(self, now: LoopTime) -> None:
        """A session could not be had. While it is open that is no news: the tries of one moment fail together."""
        self._failures += 1
        if self._failures < TRIPS or (self._open_until is not None and now < self._open_until):
            return
        self._open_until, self._probe = LoopTime(now + OPEN_SECONDS), None
