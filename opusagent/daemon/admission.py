"""Who gets one of the places that there are. A place is reserved before a platform is told 101, or it is told no.

Pure: it takes the loop's clock, and answers with a `Slot` or with the reason why not. Every refusal is counted, that of
callers who were not believed as well, whoever has found it out.
"""

import enum
import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from opusagent.units import LoopTime

MOST_SOURCES: Final = 4096
"""Addresses whose rate is remembered. Beyond that a new address waits until one is forgotten, within seconds."""


class Refusal(enum.Enum):
    """Why a call was refused. The values are for metrics and logs."""

    FULL = "full"
    DRAINING = "draining"
    MEMORY = "memory"
    TOO_FAST = "too_fast"
    SOURCE_FULL = "source_full"
    SOURCE_TOO_FAST = "source_too_fast"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    NO_BEARER = "no_bearer"
    WRONG_BEARER = "wrong_bearer"
    WEB_PAGE = "web_page"
    TICKET_MISSING = "ticket_missing"
    TICKET_FORGED = "ticket_forged"
    TICKET_EXPIRED = "ticket_expired"
    TICKET_SPENT = "ticket_spent"
    UNKNOWN_CONVERSATION = "unknown_conversation"
    NO_AGENT = "no_agent"


@attrs.frozen
class Rules:
    """How many calls there may be and begin: at all, and from one address. None: any number."""

    calls: int
    calls_per_second: float | None = None
    calls_per_source: int | None = None
    calls_per_second_per_source: float | None = None


@attrs.frozen(eq=False)
class Slot:
    """One of the places. It is kept from before the 101 until the call is filed."""

    source: str


@attrs.frozen
class Pace:
    """A bucket of tokens that fills at a rate and holds one second's worth, at least one: `level` tokens at `at`."""

    level: float
    at: LoopTime

    def level_at(self, now: LoopTime, rate: float) -> float:
        """How many tokens there are now."""
        return min(max(1.0, rate), self.level + max(0.0, now - self.at) * rate)


COMPLAINT_SECONDS: Final = 10.0
"""Between two lines of the log about refusals for one reason: anybody on the Internet can be refused, at will."""


class Complaints:
    """When a refusal is worth a line of the log."""

    def __init__(self) -> None:
        self._untold: Final[Counter[Refusal]] = Counter()
        self._told_at: Final[dict[Refusal, LoopTime]] = {}

    def due(self, reason: Refusal, now: LoopTime) -> int:
        """How many refusals for that reason a line shall tell of, this one included; 0: none now, a later one will."""
        self._untold[reason] += 1
        last = self._told_at.get(reason)
        if last is not None and now - last < COMPLAINT_SECONDS:
            return 0
        self._told_at[reason] = now
        return self._untold.pop(reason)


class Admission:
    """The places of one process, for the calls of all generations."""

    def __init__(self) -> None:
        self._slots: Final[set[Slot]] = set()
        self._by_source: Final[Counter[str]] = Counter()
        self._refused: Final[Counter[Refusal]] = Counter()
        self._pace = Pace(math.inf, LoopTime(0.0))
        self._paces: dict[str, Pace] = {}

    @property
    def taken(self) -> int:
        """Places that are not free."""
        return len(self._slots)

    def refusals(self) -> Mapping[Refusal, int]:
        """How many were refused, by every reason that there is."""
        return {reason: self._refused[reason] for reason in Refusal}

    def refuse(self, reason: Refusal) -> Refusal:
        """Count one that is refused."""
        self._refused[reason] += 1
        return reason

    def reserve(self, source: str, rules: Rules, now: LoopTime) -> Slot | Refusal:
        """Take a place for a call from `source` (a numeric address), or say why there is none, and count that."""
        why_not = self._why_not(source, rules, now)
        if why_not is not None:
            return self.refuse(why_not)
        self._pass(source, rules, now)
        slot = Slot(source)
        self._slots.add(slot)
        self._by_source[source] += 1
        return slot

    def release(self, slot: Slot) -> None:
        """Give a place back. Idempotent."""
        if slot in self._slots:
            self._slots.discard(slot)
            self._by_source[slot.source] -= 1
            if not self._by_source[slot.source]:
                del self._by_source[slot.source]

    def _why_not(self, source: str, rules: Rules, now: LoopTime) -> Refusal | None:
        if self.taken >= rules.calls:
            return Refusal.FULL
        if rules.calls_per_source is not None and self._by_source[source] >= rules.calls_per_source:
            return Refusal.SOURCE_FULL
        if rules.calls_per_second is not None and self._pace.level_at(now, rules.calls_per_second) < 1:
            return Refusal.TOO_FAST
        rate = rules.calls_per_second_per_source
        if rate is not None and self._level_of(source, now, rate) < 1:
            return Refusal.SOURCE_TOO_FAST
        return None

    def _pass(self, source: str, rules: Rules, now: LoopTime) -> None:
        """Take a token of each bucket."""
        if rules.calls_per_second is not None:
            self._pace = Pace(self._pace.level_at(now, rules.calls_per_second) - 1, now)
        rate = rules.calls_per_second_per_source
        if rate is not None:
            self._paces[source] = Pace(self._level_of(source, now, rate) - 1, now)

    def _level_of(self, source: str, now: LoopTime, rate: float) -> float:
        """The bucket of one source: full for one that is not known, empty while no more can be known."""
        pace, full = self._paces.get(source), max(1.0, rate)
        if pace is not None:
            return pace.level_at(now, rate)
        if len(self._paces) >= MOST_SOURCES:
            self._paces = {name: each for name, each in self._paces.items() if each.level_at(now, rate) < full}
        return full if len(self._paces) < MOST_SOURCES else 0.0
