"""The model's leg: one session after the other, as long as the call goes on and another can be had.

A session that grows old gets a spare, which relieves it (`rollover`). A session that is lost is replaced: by its spare,
however far that is, or by one that is dialled then. Every session has a task of its own: none waits for another.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.breaker import Breaker
from opusagent.call.downlink import hear_model
from opusagent.call.ending import Ending
from opusagent.call.model_line import ModelLine
from opusagent.call.reasons import DIALLING, MODEL_LEG, End, EndReason
from opusagent.call.recovery import HOPELESS, RECOVERY_SECONDS, Recovery, spare_wait
from opusagent.call.rollover import ROLLOVER_SECONDS
from opusagent.call.seat import ModelSeat
from opusagent.call.uplink import tell_model
from opusagent.call.wiring import Call
from opusagent.errors import INTERNAL_ERROR
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.events import ServerEvent, SessionUpdated, UnknownEvent
from opusagent.units import LoopTime

log: FilteringBoundLogger = structlog.get_logger()

JITTER: Final = 0.2
"""Seconds over which the calls that waited for the breaker are spread."""

DOWN: Final = End(EndReason.MODEL_UNREACHABLE, "the calls before this one could not reach it", INTERNAL_ERROR)
"""Why a new call waits while the breaker is open."""

Dice = Callable[[], float]
"""Uniform in [0, 1)."""


@attrs.frozen
class Replacing:
    """How sessions are replaced. The breaker is shared by all calls to one service.

    `ready_seconds`: how long a service may take to configure a session; `recovery_seconds`: how long another session
    is tried for before the call is given up; `rollover_seconds`: the age at which a session gets a spare.
    """

    breaker: Breaker
    ready_seconds: float = 5.0
    recovery_seconds: float = RECOVERY_SECONDS
    rollover_seconds: float = ROLLOVER_SECONDS
    dice: Dice = random.random


class ModelLeg:
    """Carries one call's conversation."""

    def __init__(self, call: Call, seat: ModelSeat, replacing: Replacing) -> None:
        self._call: Final = call
        self._seat: Final = seat
        self._replacing: Final = replacing
        self._breaker: Final = replacing.breaker
        self._recovery: Final = Recovery(replacing.recovery_seconds)

    async def carry(self) -> None:
        """Both directions, until the call ends. Without a model the call is given up, and the caller told so."""
        try:
            async with trio.open_nursery() as sessions:
                self._call.give_up(await self._carry(sessions))
        finally:
            self._breaker.on_over(self._call.call_id)

    async def _carry(self, sessions: trio.Nursery) -> End:
        """One session after the other; why there is no other one in the end."""
        side, end = self._call.model, await self._await_turn()
        while end is None:
            line = side.line
            if not line.is_attended:
                self._begin(line, sessions)
            await self._serve(line, sessions)
            if side.line is line:  # nobody has relieved it
                end = await self._replace(line)
        return end

    async def _await_turn(self) -> End | None:
        """While the service is down, as other calls know, a new one waits as one does that has lost its model."""
        if self._breaker.is_closed:
            return None
        self._recovery.on_barred(DOWN, _now())
        return await self._wait(_now(), DOWN)

    async def _serve(self, line: ModelLine, sessions: trio.Nursery) -> None:
        """Until the session is lost or relieved. Whoever is to relieve it outlives it."""
        async with trio.open_nursery() as watch:
            watch.start_soon(self._keep_spare, line, sessions)
            await line.gone.wait()
            watch.cancel_scope.cancel()

    async def _replace(self, line: ModelLine) -> End | None:
        """Until another session may be tried, or is there; the end of the call if none will be."""
        side, lost = self._call.model, how_lost(line)
        side.lose(_now())
        self._call.on_model_lost(lost)
        due = self._recovery.on_lost(lost, self._replacing.dice(), _now())
        if isinstance(due, End) or not side.line.is_attended:
            return await self._wait(due, lost)
        if side.line.configured.is_set():
            self._call.perform(self._call.session.on_configured(_now()))
        return None

    async def _wait(self, due: LoopTime | End, lost: End) -> End | None:
        while not isinstance(due, End):
            await trio.sleep_until(due)
            now = _now()
            admitted = self._breaker.admits_at(self._call.call_id, now)
            if admitted <= now:
                return None
            due = self._recovery.deferred(LoopTime(admitted + self._replacing.dice() * JITTER), lost)
        return due

    # -- the spare -----------------------------------------------------------------------------------------------

    async def _keep_spare(self, line: ModelLine, sessions: trio.Nursery) -> None:
        """When `line` is old enough, have a spare for it, and another when that is lost."""
        side, tries = self._call.model, 0
        await line.seated.wait()
        due = line.opened + self._replacing.rollover_seconds
        while True:
            await self._until_admitted(due)
            spare = side.add_spare(_now())
            self._begin(spare, sessions)
            await spare.gone.wait()
            if side.spare is not spare:
                return
            side.spare = None
            lost, tries = how_lost(spare), tries + 1
            self._miss_spare(lost)
            due = _now() + (lost.retry_after or 0.0) + spare_wait(tries, self._replacing.dice())

    async def _until_admitted(self, due: float) -> None:
        """Until `due`, and then until the breaker lets this call dial."""
        while True:
            await trio.sleep_until(due)
            now = _now()
            admitted = self._breaker.admits_at(self._call.call_id, now)
            if admitted <= now:
                return
            due = admitted + self._replacing.dice() * JITTER

    # -- one session ---------------------------------------------------------------------------------------------

    def _begin(self, line: ModelLine, sessions: trio.Nursery) -> None:
        line.is_attended = True
        sessions.start_soon(self._attend, line)

    async def _attend(self, line: ModelLine) -> None:
        """One session, from dialling to its loss or its relief; then it is parted from.

        Nobody waits for that: a peer that is half alive does not answer.
        """
        model: MessageSocket | None = None
        with line.ending.if_lost(DIALLING):
            model = await self._seat.take()
            await self._use(model, line)
        if how_lost(line).reason in HOPELESS:
            self._breaker.on_answer()
        elif not line.configured.is_set():
            self._breaker.on_failure(_now())
        line.gone.set()
        if model is not None:
            await self._seat.part(model)

    async def _use(self, model: MessageSocket, line: ModelLine) -> None:
        async with trio.open_nursery() as session:
            line.arm(session.cancel_scope)
            session.start_soon(hear_model, model, partial(self._hear, line), self._call.on_garbage, line.ending)
            session.start_soon(steer_model, model, line, line.ending)
            await self._until_configured(line)
            await line.seated.wait()
            self._recovery.on_seated(_now())
            session.start_soon(tell_model, model, self._call.uplink, line.ending)

    async def _until_configured(self, line: ModelLine) -> None:
        seconds = self._replacing.ready_seconds
        with trio.move_on_after(seconds):
            await line.configured.wait()
        if line.configured.is_set():
            self._breaker.on_answer()
        else:
            line.ending.end(EndReason.MODEL_NOT_READY, f"no session within {seconds:g} s", INTERNAL_ERROR)

    def _hear(self, line: ModelLine, event: ServerEvent | UnknownEvent) -> None:
        """What a session says means what its place in the call makes of it; from one that was relieved, nothing."""
        if line is self._call.model.line:
            self._call.on_model(event)
        elif line is self._call.model.spare:
            if isinstance(event, SessionUpdated):
                line.configured.set()
            session = self._call.session
            self._call.perform(session.settled(session.rollover.on_spare(event, _now()), _now()))

    def _miss_spare(self, lost: End) -> None:
        log.warning("spare session lost", call=self._call.call_id, reason=lost.reason.value, detail=lost.detail)
        session = self._call.session
        self._call.perform(session.settled(session.rollover.on_spare_lost(lost, _now()), _now()))


def how_lost(line: ModelLine) -> End:
    """How a session that is gone was lost."""
    return line.ending.end_of_call or End(EndReason.MODEL_LOST, close_code=INTERNAL_ERROR)


async def steer_model(model: MessageSocket, line: ModelLine, ending: Ending) -> None:
    """Send control messages, beside the audio and not behind it."""
    with ending.if_lost(MODEL_LEG):
        async for texts in line.control:
            await model.send(*texts)


def _now() -> LoopTime:
    return LoopTime(trio.current_time())
