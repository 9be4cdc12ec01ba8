"""Ending a call from our side: not before the goodbye has been heard, and not so late that nobody is there any more."""

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
    _is_certain: bool = attrs.field(default=False, init=False)
    _last_words: End | None = attrs.field(default=None, init=False)

    @property
    def deadline(self) -> LoopTime | None:
        """When the call ends, heard or not; None while nobody wants it to end."""
        return self._deadline

    @property
    def is_parting(self) -> bool:
        """Whether somebody wants the call to end."""
        return self._deadline is not None

    def begin(self, now: LoopTime, *, certain: bool = True) -> None:
        """Somebody wants the call to end. The first wish sets the time. One that is not `certain` can be withdrawn."""
        self._is_certain |= certain
        if self._deadline is None:
            self._deadline = LoopTime(now + self.patience)

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
        if self._deadline is None or not (heard or now >= self._deadline):
            return None
        if self._last_words is not None:
            return self._last_words
        return End(EndReason.AGENT_DONE, "" if heard else "the goodbye was not heard to its end in time")
