"""Ending a call from our side: not before the goodbye has been heard, and not so late that nobody is there any more.

The time for a goodbye begins when it can be heard: behind what the caller still has to listen to, and not while their
line is away.
"""

import attrs

from opusagent.call.policy import Budget
from opusagent.call.reasons import End, EndReason
from opusagent.call.usage import Tokens
from opusagent.units import LoopTime


@attrs.define
class Farewell:
    """Whether the call is parting, and until when. Pure."""

    patience: float
    budget: Budget
    _deadline: LoopTime | None = attrs.field(default=None, init=False)
    _is_suspended: bool = attrs.field(default=False, init=False)
    _is_certain: bool = attrs.field(default=False, init=False)
    _last_words: End | None = attrs.field(default=None, init=False)

    @property
    def deadline(self) -> LoopTime | None:
        """When the call ends, heard or not; None while nobody wants it to end, or nobody is there to hear it."""
        return None if self._is_suspended and not self.is_final else self._deadline

    @property
    def is_parting(self) -> bool:
        """Whether somebody wants the call to end."""
        return self._deadline is not None

    def begin(self, now: LoopTime, *, after: LoopTime | None = None, certain: bool = True) -> None:
        """Somebody wants the call to end. The first wish sets the time. One that is not `certain` can be withdrawn.

        `after`: when the caller will have heard what comes before the goodbye, if anything does.
        """
        self._is_certain |= certain
        if self._deadline is None:
            self._deadline = LoopTime(max(now, after or now) + self.patience)

    def move(self, after: LoopTime) -> None:
        """What comes before the goodbye will have been heard at `after`, as is known now."""
        if self._deadline is not None and not self.is_final:
            self._deadline = LoopTime(after + self.patience)

    def hasten(self, now: LoopTime) -> None:
        """Nothing comes before the goodbye any more."""
        if self._deadline is not None and not self.is_final:
            self._deadline = LoopTime(min(self._deadline, now + self.patience))

    def suspend(self) -> None:
        """The caller's line is away: nothing can be heard."""
        self._is_suspended = True

    def resume(self, now: LoopTime) -> None:
        """It is back. What was being said is said on, or anew."""
        self._is_suspended = False
        self.move(now)

    def withdraw(self) -> None:
        """Whoever was not certain does not want it any more."""
        if not self._is_certain:
            self._deadline = None

    @property
    def is_final(self) -> bool:
        """Whether the call ends for a reason that no conversation changes."""
        return self._last_words is not None

    def give_up(self, end: End, now: LoopTime, seconds: float) -> None:
        """The call ends with `end`, as soon as what the caller is told about it was heard, or after `seconds`."""
        self._last_words, self._is_certain, self._deadline = end, True, LoopTime(now + seconds)

    def is_money_spent(self, tokens: Tokens) -> bool:
        """Whether the budget is used up, while the call is not parting yet."""
        return not self.is_parting and self.budget.is_spent(tokens.total, tokens.cost(self.budget.prices))

    def end(self, now: LoopTime, *, heard: bool) -> End | None:
        """The end, if it has come; `heard`: nothing more is being said, and all of it was heard."""
        if self.deadline is None or not (heard or now >= self.deadline):
            return None
        if self._last_words is not None:
            return self._last_words
        return End(EndReason.AGENT_DONE, "" if heard else "the goodbye was not heard to its end in time")
