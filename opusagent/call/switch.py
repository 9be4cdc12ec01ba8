"""Pauses and resumes the recording of one call, from outside of it."""

from typing import Protocol

import attrs


class Recorded(Protocol):
    """What is being recorded."""

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
