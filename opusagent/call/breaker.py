"""The circuit breaker: the calls of one outage, new ones and old, do not storm the service that is coming back.

closed      every call may dial
open        too many sessions in a row could not be had, by whichever calls: nobody dials for a while
half open   the while is over: one call tries, the others wait for what becomes of it
"""

from typing import Final

import attrs

from opusagent.units import CallId, LoopTime

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
    _prober: CallId | None = attrs.field(default=None, init=False)
    _probe: LoopTime = attrs.field(default=LoopTime(0.0), init=False)

    @property
    def is_closed(self) -> bool:
        """Whether everybody may dial."""
        return self._open_until is None

    def admits_at(self, call: CallId, now: LoopTime) -> LoopTime:
        """When `call` may dial, or should ask again. The one that may while it is half open tries for all."""
        if self._open_until is None:
            return now
        if now < self._open_until:
            return self._open_until
        if self._prober is not None and now < self._probe + PROBE_SECONDS:
            return LoopTime(now + ASK_AGAIN)
        self._prober, self._probe = call, now
        return now

    def on_answer(self) -> None:
        """The service has answered: a session was configured, or it refuses what it was asked for. It is no outage."""
        self._failures, self._open_until, self._prober = 0, None, None

    def on_failure(self, now: LoopTime) -> None:
        """A session could not be had. While it is open that is no news: the tries of one moment fail together."""
        self._failures += 1
        if self._failures < TRIPS or (self._open_until is not None and now < self._open_until):
            return
        self._open_until, self._prober = LoopTime(now + OPEN_SECONDS), None

    def on_over(self, call: CallId) -> None:
        """The call is over. If it was trying for all, another one has to."""
        if self._prober == call:
            self._prober = None
