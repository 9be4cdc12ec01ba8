"""The calls that there are, whichever configuration they began with. Shared by all of them, counted in one place."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import attrs
import structlog
from structlog.typing import FilteringBoundLogger

from opusagent.call.bell import Bell
from opusagent.call.ending import Ending
from opusagent.call.reasons import EndReason
from opusagent.call.switch import RecordingSwitch
from opusagent.call.vitals import Vitals
from opusagent.daemon.admission import Admission, Complaints, Refusal, Rules, Slot
from opusagent.daemon.control import CallDetail, CallOnLine
from opusagent.daemon.life import STUCK_SECONDS
from opusagent.daemon.routing import DEFAULT_AGENT
from opusagent.daemon.seats import Elsewhere, Nowhere, Seats
from opusagent.daemon.spans import Parent
from opusagent.daemon.vigil import STILL_SECONDS, Vigil
from opusagent.platforms.dialect import CallStarted
from opusagent.platforms.twilio_ticket import SpentTickets
from opusagent.units import CallId, LoopTime

log: FilteringBoundLogger = structlog.get_logger()


@attrs.frozen(eq=False)
class Conversation:
    """A call that goes on: who calls, since when, by which configuration, and the ways to reach it from outside.

    `parent` is the span of somebody else's that it belongs under.
    """

    call_id: CallId
    platform: str
    who: CallStarted
    started: datetime
    began: LoopTime
    generation: int
    ending: Ending
    switch: RecordingSwitch
    parent: Parent | None = None
    agent: str = DEFAULT_AGENT

    def seen(self, now: LoopTime) -> CallOnLine:
        """As an operator sees it, with whom the platform has named since."""
        named = self.switch.named()
        return CallOnLine(
            call_id=self.call_id,
            platform=self.platform,
            platform_call_id=self.who.platform_call_id,
            caller=self.who.caller or named.caller,
            callee=self.who.callee or named.callee,
            started=self.started,
            seconds=round(now - self.began, 1),
            generation=self.generation,
            agent=self.agent,
            ending=self.ending.end_of_call is not None,
        )

    def detail(self, now: LoopTime) -> CallDetail:
        """All that an operator can see of it."""
        return CallDetail(call=self.seen(now), stream_id=self.who.stream_id, progress=self.switch.progress())


class Roster:
    """Who is on the line. `news` is rung when a call has gone; one task waits for it."""

    def __init__(self) -> None:
        self.news: Final = Bell()
        self.admission: Final = Admission()
        self.complaints: Final = Complaints()
        self.spent: Final = SpentTickets()
        self.seats: Final = Seats()
        """The seats that a socket may come back to."""
        self.elsewhere: Elsewhere = Nowhere()
        """Where else a call may live that a socket comes back for."""
        self.is_closing = False
        """Whether new calls are refused."""
        self.is_short_of_memory = False
        """The same, until there is more of it: as long as there are calls that would die of it."""
        self._calls: Final[dict[CallId, Conversation]] = {}
        self._ending_since: Final[dict[CallId, LoopTime]] = {}
        self._stuck: set[CallId] = set()
        self._vigil: Final = Vigil()
        self._is_over = False

    @property
    def connections(self) -> int:
        """Connections that are calls, will be, or were and are being filed."""
        return self.admission.taken

    @property
    def hanging(self) -> int:
        """Calls that hung at the last look."""
        return len(self._stuck)

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """The calls, the oldest first."""
        return tuple(self._calls.values())

    def conversation(self, call_id: CallId) -> Conversation | None:
        """The call of that name, if there is one."""
        return self._calls.get(call_id)

    def close_door(self) -> None:
        """New calls are refused from now on. Those that have been let in go on, and may be resumed."""
        self.is_closing = True

    def end_calls(self) -> None:
        """Every call says goodbye, and so does whichever begins nevertheless."""
        self.is_closing = self._is_over = True
        for call in self._calls.values():
            call.ending.shut_down()

    def hang_up(self, call_id: CallId) -> bool:
        """End one call; False if there is none of that name."""
        call = self.conversation(call_id)
        if call is None:
            return False
        call.ending.end(EndReason.OPERATOR)
        return True

    def record(self, call_id: CallId, *, on: bool) -> bool:
        """Pause or resume the recording of one call; False if there is none of that name."""
        call = self.conversation(call_id)
        if call is None:
            return False
        if on:
            call.switch.resume()
        else:
            call.switch.pause()
        return True

    def vacancy(self, rules: Rules) -> Refusal | None:
        """Why a call that came now would be refused; None if there is a place."""
        if self.is_closing:
            return Refusal.DRAINING
        if self._spares_memory:
            return Refusal.MEMORY
        return Refusal.FULL if self.admission.taken >= rules.calls else None

    def reserve(self, source: str, rules: Rules, now: LoopTime) -> Slot | Refusal:
        """A place for a call from `source`, for as long as a connection is a call; or why there is none, counted."""
        if self.is_closing:
            return self.admission.refuse(Refusal.DRAINING)
        if self._spares_memory:
            return self.admission.refuse(Refusal.MEMORY)
        return self.admission.reserve(source, rules, now)

    @property
    def _spares_memory(self) -> bool:
        """A process that is empty gives back little of what it once needed, and would refuse everybody for ever."""
        return self.is_short_of_memory and self.connections > 0

    def release(self, slot: Slot) -> None:
        """The connection is a call no more. Idempotent."""
        self.admission.release(slot)
        self.news.ring()

    @contextmanager
    def listed(self, call: Conversation) -> Generator[None]:
        """On the list from before the call's first word until it is filed."""
        self._calls[call.call_id] = call
        if self._is_over:
            call.ending.shut_down()
        try:
            yield
        finally:
            del self._calls[call.call_id]
            self._ending_since.pop(call.call_id, None)
            self.news.ring()

    def count_stuck(self, now: LoopTime) -> int:
        """How many calls hang, in their ends or while they talk. Ask every second: things are dated when they are seen.

        Each is logged once.
        """
        ending = {call.call_id for call in self._calls.values() if call.ending.end_of_call is not None}
        stuck = {each for each in ending if now - self._ending_since.setdefault(each, now) >= STUCK_SECONDS}
        for call_id in stuck - self._stuck:
            log.error("a call hangs in its end", call=call_id, seconds=STUCK_SECONDS)
        looks = {name: self._look_at(call) for name, call in self._calls.items() if name not in ending}
        hanging = self._vigil.look({name: vitals for name, vitals in looks.items() if vitals is not None}, now)
        for call_id in hanging.keys() - self._stuck:
            log.error("a call hangs while it talks", call=call_id, what=hanging[call_id], seconds=STILL_SECONDS)
        self._stuck = stuck | hanging.keys() | {name for name, vitals in looks.items() if vitals is None}
        return len(self._stuck)

    def _look_at(self, call: Conversation) -> Vitals | None:
        """None, told once, if the call has a bug that shows here: this task is everybody's, and no other call ends."""
        try:
            return call.switch.vitals()
        except Exception:
            if call.call_id not in self._stuck:
                log.exception("fault in a call: it cannot be looked at", call=call.call_id)
            return None
