"""What peers do wrong on connections, to be counted. Who has become a call is judged by the call's own end."""

import enum
from collections.abc import Callable


class Fault(enum.Enum):
    """The value is the metric's label."""

    TOO_SLOW = "too_slow"
    LEFT = "left"
    """Before its first request was complete."""
    BAD_REQUEST = "bad_request"
    BAD_HANDSHAKE = "bad_handshake"
    BROKE_PROTOCOL = "broke_protocol"
    STALLED = "stalled"


Blame = Callable[[Fault], None]


def blame_nobody(fault: Fault) -> None:
    """Nobody counts."""
    del fault
