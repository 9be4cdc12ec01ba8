"""The model's leg: one session after the other, as long as the call goes on and another can be had."""

import random
from collections.abc import Callable
from typing import Final

import attrs
import trio

from opusagent.call.breaker import Breaker
from opusagent.call.downlink import hear_model
from opusagent.call.ending import Ending
from opusagent.call.model_side import Texts
from opusagent.call.reasons import DIALLING, MODEL_LEG, End, EndReason
from opusagent.call.recovery import RECOVERY_SECONDS, Recovery
from opusagent.call.seat import ModelSeat
from opusagent.call.uplink import tell_model
from opusagent.call.wiring import Call
from opusagent.errors import GOING_AWAY, INTERNAL_ERROR
from opusagent.net.message_socket import MessageSocket
from opusagent.units import LoopTime

JITTER: Final = 0.2
"""Seconds over which the calls that waited for the breaker are spread."""

FAREWELL_SECONDS: Final = 2.5
"""What parting from a lost session may cost a call that ends: a close handshake takes two seconds at most."""

Dice = Callable[[], float]
"""Uniform in [0, 1)."""


@attrs.frozen
class Replacing:
    """How sessions are replaced. The breaker is shared by all calls to one service.

    `ready_seconds`: how long a service may take to configure a session; `recovery_seconds`: how long another session
    is tried for before the call is given up.
    """

    breaker: Breaker
    ready_seconds: float = 5.0
    recovery_seconds: float = RECOVERY_SECONDS
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
        async with trio.open_nursery() as farewells:
            end: End | None = None
            while end is None:
                lost = await self._serve()
                self._call.on_model_lost(lost)
                if self._seat.socket is not None:
                    # In a task of its own: a peer that is half alive does not answer, and the caller waits.
                    farewells.start_soon(_part_from, self._seat.socket)
                    self._seat.socket = None
                end = await self._wait(lost)
            self._call.give_up(end)

    async def _wait(self, lost: End) -> End | None:
        """Until another session may be tried; the end of the call if none will be."""
        due = self._recovery.on_lost(lost, self._replacing.dice(), _now())
        while not isinstance(due, End):
            await trio.sleep_until(due)
            admitted = self._breaker.admits_at(_now())
            if admitted <= _now():
                return None
            due = self._recovery.deferred(LoopTime(admitted + self._replacing.dice() * JITTER), lost)
        return due

    async def _serve(self) -> End:
        """One session, from dialling to its loss."""
        line = Ending()
        self._breaker.on_dial(_now())
        with line.if_lost(DIALLING):
            model = await self._seat.take()
            async with trio.open_nursery() as session:
                line.arm(session.cancel_scope)
                session.start_soon(hear_model, model, self._call.on_model, self._call.on_garbage, line)
                session.start_soon(steer_model, model, self._call.model.open(line), line)
                await self._until_seated(line)
                session.start_soon(tell_model, model, self._call.uplink, line)
        if not self._call.model.seated.is_set():
            self._breaker.on_failure(_now())
        self._call.model.close()
        return line.end_of_call or End(EndReason.MODEL_LOST, close_code=INTERNAL_ERROR)

    async def _until_seated(self, line: Ending) -> None:
        seconds = self._replacing.ready_seconds
        with trio.move_on_after(seconds):
            await self._call.model.seated.wait()
        if self._call.model.seated.is_set():
            self._breaker.on_success()
            self._recovery.on_seated(_now())
        else:
            line.end(EndReason.MODEL_NOT_READY, f"no session within {seconds:g} s", INTERNAL_ERROR)


async def _part_from(model: MessageSocket) -> None:
    """Close a session that is lost, also while the call ends."""
    with trio.move_on_after(FAREWELL_SECONDS, shield=True):
        await model.close(GOING_AWAY, "the call goes on in another session")


async def steer_model(model: MessageSocket, control: trio.MemoryReceiveChannel[Texts], line: Ending) -> None:
    """Send control messages, beside the audio and not behind it."""
    with line.if_lost(MODEL_LEG):
        async for texts in control:
            await model.send(*texts)


def _now() -> LoopTime:
    return LoopTime(trio.current_time())
