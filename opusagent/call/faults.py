"""What the service's errors mean. Most are recoverable and the session stays open; a few say that none will work."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import attrs

from opusagent.call.commands import Command, DropModel, Note, TellModel
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import ModelErred
from opusagent.call.reasons import End, EndReason
from opusagent.errors import INTERNAL_ERROR
from opusagent.realtime.events import ErrorDetail
from opusagent.units import LoopTime

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

EXPIRED: Final = "session_expired"
"""The service's longest session is over. Nothing is wrong, and another one may begin."""

TRANSIENT: Final = frozenset({EXPIRED, "rate_limit_exceeded", "server_error"})
"""What is over by itself: instead of a session, they say that another one may be had."""

MOST_KINDS: Final = 32
"""Kinds of unknown messages that are counted apart."""

ALREADY_ACTIVE: Final = "conversation_already_has_active_response"


def code_of(error: ErrorDetail) -> str:
    """What an error is counted as."""
    return error.code or error.type or "error"


@attrs.define
class Faults:
    """The errors of one call's model by code, and the messages of both legs that nobody knows, by kind."""

    gate: ResponseGate = attrs.field(factory=ResponseGate)
    counts: Counter[str] = attrs.field(factory=Counter[str], init=False)
    unknown: Counter[str] = attrs.field(factory=Counter[str], init=False)

    def on_unknown(self, kind: str) -> None:
        """Kinds are invented by peers, so only so many are told apart."""
        known = kind in self.unknown or len(self.unknown) < MOST_KINDS
        self.unknown[kind[:80] if known else "others"] += 1

    def on_error(self, error: ErrorDetail, *, configured: bool, now: LoopTime) -> Sequence[Command]:
        """What follows from `error`: most often that it is noted; at worst that the session is of no use."""
        end, note = self.loss_by(error, configured=configured), noted(error, now)
        if end is not None:
            return (note, DropModel(end))
        if code_of(error) == ALREADY_ACTIVE:
            self.gate.on_refused(error.event_id, now)
            return (note,)
        return (note, *map(TellModel, self.gate.on_rejected(error.event_id, now)))

    def loss_by(self, error: ErrorDetail, *, configured: bool) -> End | None:
        """Count `error`; how its session is lost, if it is, and whether another one may be had."""
        end, code = self.judge(error, configured=configured), code_of(error)
        if code in TRANSIENT and (code == EXPIRED or not configured):
            reason = EndReason.MODEL_EXPIRED if code == EXPIRED else EndReason.MODEL_NOT_READY
            return End(reason, f"{code}: {error.message or ''}", INTERNAL_ERROR)
        return end

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


def noted(error: ErrorDetail, now: LoopTime) -> Note:
    """An error as something that people want to see."""
    return Note(ModelErred(now, code_of(error), error.message or "", error.param))
