"""Why calls end: the reasons, and what losing a leg means. Values only; `ending` acts on them."""

import enum
from typing import Final

import attrs

from opusagent.errors import (
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
    CALLER_CLOSED = "caller's socket closed"
    CALLER_LOST = "caller's socket lost"
    CALLER_STALLED = "caller's platform took no audio"
    CALLER_BROKE_PROTOCOL = "caller's platform broke the protocol"
    CALLER_SILENT = "no audio came from the caller's platform"
    MODEL_UNREACHABLE = "model could not be reached"
    MODEL_NOT_READY = "model did not get ready in time"
    MODEL_LEFT = "model closed the session"
    MODEL_LOST = "model's socket lost"
    MODEL_STALLED = "model took no audio"
    MODEL_REFUSED = "model refused the session"
    MODEL_BROKE_PROTOCOL = "model broke the protocol"
    MODEL_EXPIRED = "model's session reached its longest time"
    MODEL_SILENT = "model did not answer"
    DEAD_AIR = "caller heard nothing for too long"
    AGENT_DONE = "agent said goodbye"
    TOO_LONG = "longest call duration reached"
    OPERATOR = "ended by an operator"
    SHUTTING_DOWN = "daemon shut down"
    FAULT = "fault in the bridge"


@attrs.frozen
class End:
    """A reason, what is known about it, and the WebSocket code that the caller's platform is told.

    `retry_after`: in how many seconds another try is welcome, if a service that is lost has said so.
    """

    reason: EndReason
    detail: str = ""
    close_code: int = NORMAL_CLOSURE
    retry_after: float | None = None


HOPELESS_STATUS: Final = frozenset({400, 401, 403, 404})
"""HTTP statuses at the model's door that no second try changes: the request, the key, the permission, the address."""


@attrs.frozen
class LegReasons:
    """What each way of losing a leg is called. `left` is an orderly close, `gone` a socket that vanished."""

    left: EndReason
    gone: EndReason
    stalled: EndReason
    broke: EndReason
    refused: EndReason


CALLER_LEG: Final = LegReasons(
    left=EndReason.CALLER_CLOSED,
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


DIALLING: Final = LegReasons(
    left=EndReason.MODEL_UNREACHABLE,
    gone=EndReason.MODEL_UNREACHABLE,
    stalled=EndReason.MODEL_UNREACHABLE,
    broke=EndReason.MODEL_UNREACHABLE,
    refused=EndReason.MODEL_UNREACHABLE,
)
"""However it fails, a model that was never there was not reached."""


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
            hopeless = error.status in HOPELESS_STATUS and not ours
            reason = EndReason.MODEL_REFUSED if hopeless else leg.refused
            return End(reason, str(error), INTERNAL_ERROR, error.retry_after)
        case _:
            return None
