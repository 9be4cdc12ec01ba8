"""How the embedded backend misbehaves on request: what it does, when, and how often. Deciding only; `server` performs.

A `ShutDoor` answers dials with an HTTP status. A `Mishap` befalls a session: a deed, some seconds after an event that
the session was to tell for the n-th time. Either happens a number of times, or for good.
"""

import enum
from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

from opusagent.local.refusals import Refusal
from opusagent.realtime.events import ErrorDetail, ServerEvent
from opusagent.units import LoopTime


class Misdeed(enum.Enum):
    """What a backend may do that no service should. The value is what is told."""

    VANISH = "the model's socket is reset"
    HALF_CLOSE = "the model ends its half of the connection and listens on"
    FREEZE = "the model reads nothing, says nothing and answers no ping"
    STALL = "the model says nothing more, but answers pings"
    BABBLE = "the model says what cannot be read"


@attrs.frozen
class Err:
    """The service says an `error` event. `closes`: and ends the session with this close code."""

    code: str
    message: str
    closes: int | None = None

    @property
    def value(self) -> str:
        """What is told."""
        return f"the model says {self.code}" + ("" if self.closes is None else f" and closes with {self.closes}")

    @property
    def detail(self) -> ErrorDetail:
        """What the event holds."""
        return Refusal(self.code, self.message).detail(None)


Deed: TypeAlias = Misdeed | Err


@attrs.frozen
class At:
    """A moment of a session: `seconds` after it told, or was to tell, the `nth` event of this `kind`."""

    kind: str = "session.created"
    nth: int = 1
    seconds: float = 0.0


@attrs.frozen
class Mishap:
    """A deed, at a moment of each of the next `times` sessions that come to it; None: of every one.

    The first `after` sessions of the backend are spared.
    """

    deed: Deed
    at: At = At()
    times: int | None = 1
    after: int = 0


@attrs.frozen
class ShutDoor:
    """Dials are answered with `status`: `times` of them behind the first `after`; None: every further one.

    `retry_after`: in how many seconds they may come again, as the header of that name says.
    """

    status: int
    retry_after: int | None = None
    after: int = 0
    times: int | None = 1


Fault: TypeAlias = Mishap | ShutDoor

GARBAGE: Final = (
    "{",
    "",
    "null",
    "[]",
    '"a string"',
    '{"type":7}',
    '{"type":"response.output_audio.delta","delta":"@@"}',
    '{"type":"response.done","response":' + "[" * 2000,
    '{"type":"error","error":1e400}',
    "not JSON \x00\x7f",
)
"""What `Misdeed.BABBLE` says, in turn: none of it can be read, and none of it breaks WebSocket."""

MOST_GARBAGE: Final = 20
"""How much of it: as much as a bridge bears in one session (`call.downlink`)."""


@attrs.define(eq=False)
class Mischief:
    """What a backend has yet to do, over all of its sessions. Pure."""

    faults: Sequence[Fault] = ()
    _dials: int = attrs.field(default=0, init=False)
    _sessions: int = attrs.field(default=0, init=False)
    _done: Counter[int] = attrs.field(factory=Counter[int], init=False)

    def on_dial(self) -> ShutDoor | None:
        """Somebody is at the door: how they are turned away, if they are."""
        self._dials += 1
        shut = (each for each in self.faults if isinstance(each, ShutDoor) and self._dials > each.after)
        return next((each for each in shut if each.times is None or self._dials <= each.after + each.times), None)

    def session(self) -> "Prank":
        """What befalls a session that begins."""
        self._sessions += 1
        return Prank(self, self._sessions)

    def awaits(self, number: int) -> bool:
        """Whether the fault of this number may still happen."""
        fault = self.faults[number]
        return isinstance(fault, Mishap) and (fault.times is None or self._done[number] < fault.times)

    def do(self, number: int) -> Deed | None:
        """The deed of this number, if other sessions have left it to be done; it is done then."""
        fault = self.faults[number]
        if not isinstance(fault, Mishap) or not self.awaits(number):
            return None
        self._done[number] += 1
        return fault.deed


@attrs.define(eq=False)
class Prank:
    """What befalls one session, the `number`-th. Pure."""

    mischief: Mischief
    number: int
    _told: Counter[str] = attrs.field(factory=Counter[str], init=False)
    _due: list[tuple[LoopTime, int]] = attrs.field(factory=list[tuple[LoopTime, int]], init=False)

    @property
    def next_due(self) -> LoopTime | None:
        """When `take` has something."""
        return min((due for due, _ in self._due), default=None)

    def notice(self, events: Sequence[ServerEvent], now: LoopTime) -> None:
        """The session tells `events`."""
        for event in events:
            self._told[event.type] += 1
            self._due += [(LoopTime(now + at.seconds), number) for number, at in self._waiting_for(event.type)]

    def take(self, now: LoopTime) -> Deed | None:
        """A deed that is due, and left to be done."""
        for entry in sorted(self._due):
            if entry[0] <= now:
                self._due.remove(entry)
                if (deed := self.mischief.do(entry[1])) is not None:
                    return deed
        return None

    def _waiting_for(self, kind: str) -> Sequence[tuple[int, At]]:
        """The faults that wait for the event of this kind which was told last."""
        moments = [
            (number, each.at)
            for number, each in enumerate(self.mischief.faults)
            if isinstance(each, Mishap) and self.number > each.after and self.mischief.awaits(number)
        ]
        return [(number, at) for number, at in moments if (at.kind, at.nth) == (kind, self._told[kind])]
