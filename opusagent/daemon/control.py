"""What an operator may ask of a running daemon, whichever way it is asked: signal, Unix socket or port.

`Control` is the seam: `steward` answers it, and `control_site` puts it behind HTTP.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from opusagent.call.progress import Progress
from opusagent.daemon.life import Phase
from opusagent.daemon.routing import DEFAULT_AGENT
from opusagent.units import CallId


@attrs.frozen(kw_only=True)
class Verdict:
    """What has become of an order. With `problems` nothing has changed.

    `generation` is the one in force afterwards, `changed` the keys that differ from the one before, as `table.key`.
    """

    generation: int
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether it was carried out."""
        return not self.problems


@attrs.frozen(kw_only=True)
class CallOnLine:
    """A call that goes on. `generation` is the configuration that it began with and keeps, `agent` who takes it."""

    call_id: CallId
    platform: str
    platform_call_id: str
    caller: str
    callee: str
    started: datetime
    seconds: float
    generation: int
    ending: bool
    agent: str = DEFAULT_AGENT


@attrs.frozen(kw_only=True)
class CallDetail:
    """A call that goes on, with what it has come to so far. `stream_id` is the platform's name for its stream."""

    call: CallOnLine
    stream_id: str
    progress: Progress


@attrs.frozen(kw_only=True)
class Status:
    """How the daemon is now. `connections` counts calls from before their first word until they are filed.

    `hanging`: calls that have been told to end and do not, or owe somebody something and do not move.
    """

    phase: Phase
    generation: int
    calls: int
    connections: int
    max_calls: int
    uptime_seconds: float
    hanging: int = 0
    drain_seconds_left: float | None = None
    last_refusal: tuple[str, ...] = ()
    """Why the last reload or upgrade was refused; empty once one has succeeded."""


class Control(Protocol):
    """The orders and the questions. None raises; what cannot be done is said in the `Verdict`."""

    def status(self) -> Status:
        """How the daemon is."""
        ...

    def calls(self) -> Sequence[CallOnLine]:
        """The calls that there are, the oldest first."""
        ...

    def call(self, call_id: CallId) -> CallDetail | None:
        """One call; None if there is none of that name."""
        ...

    def hang_up(self, call_id: CallId) -> bool:
        """End one call in order. False if there is none of that name."""
        ...

    def record(self, call_id: CallId, *, on: bool) -> bool:
        """Pause or resume the recording of one call. False if there is none of that name."""
        ...

    def drain(self, seconds: float | None = None) -> None:
        """Take no new calls, and end when the last is over or after `seconds` (the configuration's by default)."""
        ...

    async def reload(self) -> Verdict:
        """Read the configuration anew, for the calls that come from now on."""
        ...

    async def upgrade(self) -> Verdict:
        """Start the program that is installed now in place of this one, which then drains."""
        ...
