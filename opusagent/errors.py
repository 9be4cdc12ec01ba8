"""What can go wrong, divided by who is to blame.

Foreign exceptions (trio, h11, wsproto, msgspec, OSError) are translated into these once, at the seam where they
arise, so that the rest of the house catches by blame and never by library.
"""

from collections.abc import Sequence
from typing import Final

# RFC 6455 section 7.4.1, the status codes that this program sends.
NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
INVALID_PAYLOAD: Final = 1007
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011


class OpusagentError(Exception):
    """Everything this program raises on purpose."""


class RemoteProtocolError(OpusagentError):
    """The peer broke the protocol. `close_code` is what it is told (RFC 6455 section 7.4.1)."""

    def __init__(self, message: str, *, close_code: int = INVALID_PAYLOAD) -> None:
        super().__init__(message)
        self.close_code: Final = close_code


class LocalProtocolError(OpusagentError):
    """We broke the protocol: a bug of ours. The call ends with 1011 and one log line."""


class PeerGone(OpusagentError):
    """The peer closed, hung up or vanished. `code` is its close code, 1006 where there was none."""

    def __init__(self, message: str, *, code: int = 1006) -> None:
        super().__init__(message)
        self.code: Final = code


class PeerStalled(OpusagentError):
    """The peer is connected and does not take or give bytes within the bound."""


class PeerRefused(OpusagentError):
    """The peer could not be reached or did not agree to talk. `status` is its HTTP status, if it gave one.

    `retry_after`: in how many seconds it may be asked again, if it said that.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status: Final = status
        self.retry_after: Final = retry_after


class CannotBind(OpusagentError):
    """An address cannot be listened on. The text says which, why, and what to do."""


class ConfigError(OpusagentError):
    """The configuration cannot be used. `problems` holds every one of them, each with its path and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems: Final = tuple(problems)
