"""How a call ends: one value with one owner. The first reason wins; nobody polls a flag."""

import enum
from types import TracebackType
from typing import Final

import attrs
import trio

from opusagent.errors import (
    GOING_AWAY,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    POLICY_VIOLATION,
    PeerGone,
    PeerRefused,
    PeerStalled,
    RemoteProtocolError,
)

ORDERLY: Final = frozenset({1000, 1001, 1005})
"""Close codes of a peer that said goodbye (RFC 6455 section 7.4.1; 1005 is a close frame without a code)."""


class EndReason(enum.Enum):
    """Why a call ended. The value is what reports, logs and operators read."""

    CALLER_HUNG_UP = "caller hung up"
    CALLER_LOST = "caller's socket lost"
    CALLER_STALLED = "caller's platform took no audio"
    CALLER_BROKE_PROTOCOL = "caller's platform broke the protocol"
    MODEL_UNREACHABLE = "model could not be reached"
    MODEL_NOT_READY = "model did not get ready in time"
    MODEL_LEFT = "model closed the session"
    MODEL_LOST = "model's socket lost"
    MODEL_STALLED = "model took no audio"
    MODEL_REFUSED = "model refused the session"
    MODEL_BROKE_PROTOCOL = "model broke the protocol"
    TOO_LONG = "longest call duration reached"
    SHUTTING_DOWN = "daemon shut down"
    FAULT = "fault in the bridge"


@attrs.frozen
class End:
    """A reason, what is known about it, and the WebSocket code that the caller's platform is told."""

    reason: EndReason
    detail: str = ""
    close_code: int = NORMAL_CLOSURE


@attrs.frozen
class LegReasons:
    """What each way of losing a leg is called. `left` is an orderly close, `gone` a socket that vanished."""

    left: EndReason
    gone: EndReason
    stalled: EndReason
    broke: EndReason
    refused: EndReason


CALLER_LEG: Final = LegReasons(
    left=EndReason.CALLER_HUNG_UP,
    gone=EndReason.CALLER_LOST,
    stalled=EndReason.CALLER_STALLED,
    broke=EndReason.CALLER_BROKE_PROTOCOL,
    refused=EndReason.CALLER_LOST,
)
MODEL_LEG: Final = LegReasons(
    left=EndReason.MODEL_LEFT,
    gone=EndReason.MODEL_LOST,
    stalled=EndReason.MODEL_STALLED,
    broke=EndReason.MODEL_BROKE_PROTOCOL,
    refused=EndReason.MODEL_UNREACHABLE,
)


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
        """End the call. Only the first call of this method counts."""
        if self.end_of_call is not None:
            return
        self.end_of_call = End(reason, detail, close_code)
        if self._scope is not None:
            self._scope.cancel(reason=reason.value)

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
            self.ending.end(end.reason, end.detail, end.close_code)
        return end is not None


def end_of_leg(leg: LegReasons, error: BaseException | None) -> End | None:
    """The end that losing `leg` by `error` means, or None if `error` is something else.

    A platform that broke the protocol is told which rule, by its close code. What the model did is not the
    platform's fault: it reads 1011 (RFC 6455 section 7.4.1).
    """
    ours = leg is CALLER_LEG
    match error:
        case PeerGone():
            reason = leg.left if error.code in ORDERLY else leg.gone
            return End(reason, str(error), NORMAL_CLOSURE if ours else INTERNAL_ERROR)
        case PeerStalled():
            return End(leg.stalled, str(error), POLICY_VIOLATION if ours else INTERNAL_ERROR)
        case RemoteProtocolError():
            return End(leg.broke, str(error), error.close_code if ours else INTERNAL_ERROR)
        case PeerRefused():
            return End(leg.refused, str(error), INTERNAL_ERROR)
        case _:
            return None
