"""What may be done to one call from outside of it while it goes on, and how it goes."""

from typing import Protocol

import attrs

from opusagent.call.progress import Progress
from opusagent.call.vitals import Vitals
from opusagent.platforms.dialect import CallerNamed


class Recorded(Protocol):
    """What is being recorded."""

    def named(self) -> CallerNamed:
        """What the platform has said of the caller since the start."""
        ...

    def progress(self) -> Progress:
        """What it has come to so far."""
        ...

    def vitals(self) -> Vitals:
        """What is due in it, and what was done."""
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

    def named(self) -> CallerNamed:
        """What the platform has said of the caller since the start."""
        return CallerNamed("", "", {}) if self._call is None else self._call.named()

    def progress(self) -> Progress:
        """What the call has come to so far."""
        return Progress() if self._call is None else self._call.progress()

    def vitals(self) -> Vitals:
        """What is due in it, and what was done."""
        return Vitals() if self._call is None else self._call.vitals()
