"""Who has the floor: whether the caller speaks, and whether that interrupts the model.

By the default policy every speech does, at once. A policy may wait (`AFTER`), or doubt: a cough is heard as speech, and
what was interrupted by it should be taken up again. Then an interruption is *suspected* from the first sound until it
has lasted long enough to be words; the model falls silent meanwhile, or goes on, as the policy says.

The end of speech is known only after some silence (`TurnPolicy.lag`), so a suspicion lasts that much longer: speech
that ended in time is told in time.
"""

import enum

import attrs

from opusagent.call.policy import Doubt, Interrupt, TurnPolicy
from opusagent.units import LoopTime


class Verdict(enum.Enum):
    """What the model's voice must do."""

    NOTHING = "goes on, or was silent anyway"
    HOLD = "falls silent, perhaps for a moment only"
    INTERRUPT = "is interrupted"
    RESUME = "goes on where it was held"
    GO_ON = "was interrupted by nothing and must begin anew"


@attrs.define
class Floor:
    """The caller's speech, as the service or our own ears report it. Pure."""

    policy: TurnPolicy
    is_speaking: bool = attrs.field(default=False, init=False)
    _is_turn: bool = attrs.field(default=True, init=False)
    _began: LoopTime = attrs.field(default=LoopTime(0.0), init=False)
    _suspected: LoopTime | None = attrs.field(default=None, init=False)
    _interrupted: bool = attrs.field(default=False, init=False)

    @property
    def deadline(self) -> LoopTime | None:
        """When a suspicion becomes a certainty."""
        return self._suspected

    def on_started(self, now: LoopTime, *, busy: bool) -> Verdict:
        """The caller begins to speak; `busy`: the model is being heard, or is about to be, and may be interrupted."""
        self.is_speaking, self._began, self._interrupted = True, now, False
        self._is_turn = True
        if not busy:
            return Verdict.NOTHING
        if self.policy.doubt is Doubt.RESUME:
            self._suspected = LoopTime(now + self.policy.shortest / 1000 + self.policy.lag)
            return Verdict.HOLD
        if self.policy.interrupt is Interrupt.AFTER and self.policy.after > 0:
            self._suspected = LoopTime(now + self.policy.after / 1000 + self.policy.lag)
            return Verdict.NOTHING
        self._interrupted = True
        return Verdict.INTERRUPT

    def on_time(self, now: LoopTime) -> Verdict:
        """A suspicion that has lasted until its deadline was right."""
        if self._suspected is None or now < self._suspected:
            return Verdict.NOTHING
        self._suspected, self._interrupted = None, True
        return Verdict.INTERRUPT

    def on_stopped(self, now: LoopTime) -> Verdict:
        """The caller has stopped, as is known after the silence."""
        self.is_speaking = False
        if self._suspected is not None:
            self._suspected = None
            self._is_turn = False
            return Verdict.RESUME if self.policy.doubt is Doubt.RESUME else Verdict.NOTHING
        spoken = now - self._began - self.policy.lag
        if self._interrupted and self.policy.doubt is Doubt.GO_ON and spoken < self.policy.shortest / 1000:
            self._is_turn = False
            return Verdict.GO_ON
        return Verdict.NOTHING

    def forget(self) -> None:
        """Nobody tells any more what the caller does; whoever tells next begins anew."""
        self.is_speaking, self._is_turn, self._suspected, self._interrupted = False, True, None, False

    def take_turn(self) -> bool:
        """Whether the speech that ended last is worth an answer. Whatever comes without speech before it is."""
        is_turn, self._is_turn = self._is_turn, True
        return is_turn
