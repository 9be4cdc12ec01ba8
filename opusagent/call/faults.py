"""What the service's errors mean. Most are recoverable and the session stays open; a few say that none will work."""

from collections import Counter
from typing import Final

import attrs

from opusagent.call.reasons import End, EndReason
from opusagent.errors import INTERNAL_ERROR
from opusagent.realtime.events import ErrorDetail

FATAL_CODES: Final = frozenset({
    "account_deactivated",
    "beta_api_shape_disabled",
    "billing_hard_limit_reached",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_model",
    "missing_model",
    "model_not_found",
})  # fmt: skip
"""Error codes after which no session with these settings can work (OpenAI Realtime error codes)."""

MOST_CODES: Final = 32
"""Codes that are counted apart; a service that invents more has them counted together."""

ALREADY_ACTIVE: Final = "conversation_already_has_active_response"


def code_of(error: ErrorDetail) -> str:
    """What an error is counted as."""
    return error.code or error.type or "error"


@attrs.define
class Faults:
    """The errors of one session, by code."""

    counts: Counter[str] = attrs.field(factory=Counter[str], init=False)

    def judge(self, error: ErrorDetail, *, configured: bool) -> End | None:
        """Count `error`; the end of the call, if it means that.

        Before the session is configured, the only thing asked for is our session.update, which the service drops as a
        whole when it refuses a part: talking on would be talking to a model that nobody instructed.
        """
        code = code_of(error)
        self.counts[code if code in self.counts or len(self.counts) < MOST_CODES else "others"] += 1
        if configured and code not in FATAL_CODES:
            return None
        where = f" at {error.param}" if error.param else ""
        return End(EndReason.MODEL_REFUSED, f"{code}{where}: {error.message or ''}", INTERNAL_ERROR)
