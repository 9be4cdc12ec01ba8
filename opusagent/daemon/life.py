"""The state that an operator sees: starting, ready, reloading, draining, stopping. A value; `steward` acts on it.

    starting -> ready -> (reloading -> ready)* -> draining -> stopping

Draining closes the door and nothing else: a call that goes on may dial its model again and be resumed. Its deadline
moves in one direction, towards now, whoever asks: no later order gives a drain more time than it was promised.
"""

import enum
from typing import Final

import attrs

from opusagent.errors import LocalProtocolError
from opusagent.units import LoopTime

SMOOTH_SECONDS: Final = 2.0
"""A loop that is later than this does not turn. Audio is cut up long before."""

STUCK_SECONDS: Final = 30.0
"""A call that has been told to end and is still there after so long hangs: its goodbyes and its tape are bounded, and
their bounds add up to half of it."""


class Phase(enum.Enum):
    """Where the daemon is in its life. The value is what STATUS, the log and the control channel say."""

    STARTING = "starting"
    READY = "ready"
    RELOADING = "reloading"
    DRAINING = "draining"
    STOPPING = "stopping"


@attrs.frozen
class Life:
    """The phase, since when, and until when a drain waits for calls."""

    phase: Phase
    since: LoopTime
    deadline: LoopTime | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a load balancer should send calls here."""
        return self.phase in {Phase.READY, Phase.RELOADING}

    @property
    def is_ending(self) -> bool:
        """Whether this ends with the process, whatever comes."""
        return self.phase in {Phase.DRAINING, Phase.STOPPING}

    def ready(self, now: LoopTime) -> "Life":
        """The start, or a reload, is over. A drain that has begun meanwhile goes on."""
        return self if self.is_ending else Life(Phase.READY, now)

    def reloading(self, now: LoopTime) -> "Life":
        """A new configuration is being read.

        Raises:
            LocalProtocolError: not from `READY`; who may reload asks `is_ready` first.
        """
        if self.phase is not Phase.READY:
            raise LocalProtocolError(f"a daemon that is {self.phase.value} does not reload")
        return Life(Phase.RELOADING, now)

    def draining(self, now: LoopTime, seconds: float) -> "Life":
        """No new calls, and `seconds` for those that there are. An order to drain that comes later can only hasten it.

        >>> Life(Phase.READY, LoopTime(0)).draining(LoopTime(5), 60).draining(LoopTime(6), 600).deadline
        65
        """
        wanted = LoopTime(now + seconds)
        if self.phase is Phase.STOPPING:
            return self
        if self.phase is Phase.DRAINING and self.deadline is not None:
            return Life(Phase.DRAINING, self.since, min(self.deadline, wanted))
        return Life(Phase.DRAINING, now, wanted)

    def stopping(self, now: LoopTime) -> "Life":
        """The calls that there still are say goodbye now."""
        return self if self.phase is Phase.STOPPING else Life(Phase.STOPPING, now)


def is_alive(lateness: float, calls: int, stuck: int) -> bool:
    """Whether the service manager may be told that all is well.

    Not if the loop turned `lateness` seconds late, and not if most calls hang. A single call that hangs is a bug that
    is logged; the others must not die for it.

    >>> is_alive(0.1, 50, 1), is_alive(0.1, 50, 26), is_alive(2.5, 50, 0)
    (True, False, False)
    """
    return lateness < SMOOTH_SECONDS and 2 * stuck <= calls
