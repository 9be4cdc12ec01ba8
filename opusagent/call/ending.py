"""How a call ends: one value with one owner. The first reason wins; nobody polls a flag."""

from types import TracebackType

import attrs
import trio

from opusagent.call.reasons import End, EndReason, LegReasons, end_of_leg
from opusagent.errors import GOING_AWAY, NORMAL_CLOSURE


class Ending:
    """The one place where a call is ended, by whoever comes first."""

    def __init__(self) -> None:
        self.end_of_call: End | None = None
        self._scope: trio.CancelScope | None = None

    def arm(self, talk: trio.CancelScope) -> None:
        """From now on, ending the call cancels `talk`; at once, if it has ended before it began."""
        self._scope = talk
        if self.end_of_call is not None:
            talk.cancel(reason=self.end_of_call.reason.value)

    def end(self, reason: EndReason, detail: str = "", close_code: int = NORMAL_CLOSURE) -> None:
        """End the call. Only the first end counts."""
        self.end_with(End(reason, detail, close_code))

    def end_with(self, end: End) -> None:
        """The same, by the whole value."""
        if self.end_of_call is not None:
            return
        self.end_of_call = end
        if self._scope is not None:
            self._scope.cancel(reason=end.reason.value)

    def shut_down(self) -> None:
        """End the call because the daemon stops."""
        self.end(EndReason.SHUTTING_DOWN, close_code=GOING_AWAY)

    def if_lost(self, leg: LegReasons) -> "LegWatch":
        """Around work on one leg's socket: losing that leg ends the call with the leg's reason."""
        return LegWatch(self, leg)


@attrs.frozen
class LegWatch:
    """Turns the loss of a leg into the end of the call. Everything else passes."""

    ending: Ending
    leg: LegReasons

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        """Whether `error` was the loss of the leg, and has ended the call."""
        end = end_of_leg(self.leg, error)
        if end is not None:
            self.ending.end_with(end)
        return end is not None
