"""What may be done to one call from outside of it while it goes on, and how full it is."""

from typing import Protocol

import attrs

from opusagent.units import Ms


@attrs.frozen
class Backlog:
    """What waits in a call's buffers: the caller's frames for the model, the model's audio for the caller's ear."""

    uplink_frames: int = 0
    playout: Ms = Ms(0)
    control_messages: int = 0


class Recorded(Protocol):
    """What is being recorded."""

    def backlog(self) -> Backlog:
        """What waits in its buffers."""
        ...

    def pause_recording(self) -> None:
        """Record nothing until told otherwise."""
        ...

    def resume_recording(self) -> None:
        """Record again."""
        ...


@attrs.define(eq=False)
class RecordingSwitch:
    """Whoever may end a call by its `Ending` may pause its recording by this: an operator, a tool.

    Until the call has begun it does nothing.
    """

    _call: Recorded | None = attrs.field(default=None, init=False)

    def arm(self, call: Recorded) -> None:
        """The call has begun."""
        self._call = call

    def pause(self) -> None:
        """Record nothing until told otherwise."""
        if self._call is not None:
            self._call.pause_recording()

    def resume(self) -> None:
        """Record again."""
        if self._call is not None:
            self._call.resume_recording()

    def backlog(self) -> Backlog:
        """What waits in the call's buffers now."""
        return Backlog() if self._call is None else self._call.backlog()
