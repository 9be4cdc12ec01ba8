"""One call, whole. Its `with` lines, read down, are the opening order; read up, the order in which it ends.

    tape        opened first, finished last: everything else may go wrong, and the recording is complete
    plumbing    the model socket's own tasks; they outlive the talk, so that a close is a handshake and not a cut
    lifetime    no call is longer than its limit
    talk        the paired receive loops, the audio processor, the paced sender; ended by `Ending`, unwound first

The caller is heard from the first moment: the model is dialled inside the talk, while the uplink keeps what is said.
"""

from contextlib import ExitStack
from datetime import datetime
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.caller import Caller, part
from opusagent.call.downlink import tell_caller
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange, Profile
from opusagent.call.model_leg import ModelLeg, Replacing
from opusagent.call.quality import MEASURE_SECONDS
from opusagent.call.reasons import End, EndReason
from opusagent.call.recorder import TRANSCRIPT_FILE
from opusagent.call.recovery import RECOVERY_SECONDS
from opusagent.call.report import CallReport
from opusagent.call.rollover import ROLLOVER_SECONDS
from opusagent.call.seat import CallerSeat, ModelSeat
from opusagent.call.switch import RecordingSwitch
from opusagent.call.uplink import hear_caller
from opusagent.call.wiring import Call
from opusagent.call.words import to_json_lines
from opusagent.errors import GOING_AWAY, INTERNAL_ERROR
from opusagent.units import CallId, LoopTime

log: FilteringBoundLogger = structlog.get_logger()

OUR_WISH: Final = frozenset({EndReason.AGENT_DONE, EndReason.TOO_LONG, EndReason.OPERATOR})
"""Ends after which the platform has nothing more to do with the caller."""

MAY_COME_BACK: Final = frozenset({EndReason.CALLER_CLOSED, EndReason.CALLER_LOST, EndReason.CALLER_STALLED})
"""How a leg may be lost so that its platform may take the call up again. A goodbye is a goodbye."""


@attrs.frozen
class Limits:
    """The bounds of a call, in seconds.

    `resume_seconds`: how long a caller whose socket broke is waited for; `recovery_seconds`: how long another session
    is tried for when the model was lost; `rollover_seconds`: the age at which a session gets a spare that relieves it.
    """

    call_seconds: float = 3600.0
    ready_seconds: float = 5.0
    goodbye_seconds: float = 5.0
    resume_seconds: float = 0.0
    recovery_seconds: float = RECOVERY_SECONDS
    rollover_seconds: float = ROLLOVER_SECONDS


async def run_call(
    call_id: CallId,
    caller: Caller,
    profile: Profile,
    exchange: Exchange,
    ending: Ending,
    *,
    started: datetime,
    limits: Limits,
    switch: RecordingSwitch | None = None,
) -> CallReport:
    """Carry one call from the caller's first frame to the last sample on the tape.

    Returns when both sockets are closed and the recording is finished. Losing a leg, a limit or the daemon's end are
    ends with a reason in the report; so is a fault of ours, which is logged with its traceback and the call's id.
    `switch` pauses the recording.
    """
    async with exchange.recorder.open_tape(call_id, caller.started.media.rate, started) as recording:
        call = Call(call_id, caller, profile, recording, exchange, ending)
        if switch is not None:
            switch.arm(call)
        async with trio.open_nursery() as plumbing:
            seat = ModelSeat(exchange.dial_model, plumbing)
            try:
                with ExitStack() as attention:
                    if exchange.hearing is not None and call.tap is not None:
                        attention.enter_context(exchange.hearing.attend(call.tap))
                    await _talk(call, seat, limits)
            finally:
                try:
                    with trio.move_on_after(limits.goodbye_seconds, shield=True):
                        await _hang_up(call, seat, limits)
                except* Exception:
                    # What stands behind the hands is foreign: its faults take no report and no recording with them.
                    log.exception("fault while hanging up", call=call_id)
                finally:
                    caller.seat.vacate()  # after the goodbye: whoever owns the socket closes it then
                    plumbing.cancel_scope.cancel()
    report = call.report(started)
    await exchange.recorder.keep(call_id, started, TRANSCRIPT_FILE, to_json_lines(call.transcript()))
    return report


async def _talk(call: Call, seat: ModelSeat, limits: Limits) -> None:
    replacing = Replacing(call.breaker, limits.ready_seconds, limits.recovery_seconds, limits.rollover_seconds)
    try:
        with trio.move_on_after(limits.call_seconds) as lifetime:
            async with trio.open_nursery() as talk:
                call.ending.arm(talk.cancel_scope)
                call.begin()
                talk.start_soon(_attend_caller, call, limits)
                talk.start_soon(_keep_time, call)
                talk.start_soon(call.work.run)
                talk.start_soon(_measure, call)
                talk.start_soon(ModelLeg(call, seat, replacing).carry)
        if lifetime.cancelled_caught:
            call.ending.end(EndReason.TOO_LONG, f"{limits.call_seconds:g} s")
    except* Exception:
        # The one broad handler of a call: a bug of ours ends this call, is told with its traceback, and no other
        # call notices.
        call.ending.end(EndReason.FAULT, close_code=INTERNAL_ERROR)
        log.exception("fault in a call", call=call.call_id)


async def _keep_time(call: Call) -> None:
    """Wake the session at its deadlines."""
    while True:
        await call.timer.wait(call.deadline())
        if call.is_due():
            call.on_time()


async def _measure(call: Call) -> None:
    """Look at the caller's line, time and again."""
    while call.monitor is not None:
        await trio.sleep(MEASURE_SECONDS)
        call.monitor.measure(LoopTime(trio.current_time()))


async def _attend_caller(call: Call, limits: Limits) -> None:
    """Carry the caller's leg over one socket after the other, as long as the platform comes back in time."""
    seat = call.caller.seat
    async with trio.open_nursery() as farewells:
        while True:
            lost = await _serve_line(call, seat)
            if lost.reason not in MAY_COME_BACK or not limits.resume_seconds:
                break
            seat.lose()
            call.on_line_lost()
            # In a task of its own: the peer of a socket that is half alive does not answer, and a newcomer may be here.
            farewells.start_soon(seat.line.socket.close, GOING_AWAY, "the call goes on over another socket")
            since = trio.current_time()
            with trio.move_on_after(limits.resume_seconds) as grace:
                await seat.newcomer()
            if grace.cancelled_caught:
                lost = attrs.evolve(lost, detail=f"{lost.detail}; not back within {limits.resume_seconds:g} s")
                break
            seat.change()
            call.on_line_back(trio.current_time() - since)
        if call.model.is_seated:  # else nobody is there to take the last words
            await call.uplink.drain()
        call.ending.end(lost.reason, lost.detail, lost.close_code)


async def _serve_line(call: Call, seat: CallerSeat) -> End:
    """Both loops of the caller's leg on the socket that sits there, until it is lost, replaced or done with."""
    socket, line = seat.line.socket, Ending()
    async with trio.open_nursery() as leg:
        line.arm(leg.cancel_scope)
        leg.start_soon(hear_caller, socket, call.caller.dialect, call.uplink, call.on_caller, line)
        leg.start_soon(tell_caller, socket, call.downlink, line)
        await seat.newcomer()
        line.end(EndReason.CALLER_LOST, "the platform came back on another socket")
    return line.end_of_call or End(EndReason.CALLER_LOST)


async def _hang_up(call: Call, seat: ModelSeat, limits: Limits) -> None:
    """Close all sockets, the model's first: they are the ones that cost money.

    Where the platform has to be asked to end the call, it is asked while the caller's socket is open: behind a socket
    that we close, it goes on with whatever comes next. A platform that does not answer holds the socket only for a
    third of the time there is, and is still waited for when the socket is closed.
    """
    end = call.ending.end_of_call or End(EndReason.FAULT, close_code=INTERNAL_ERROR)
    await seat.close()
    caller, asked = call.caller.seat.line.socket, trio.Event()
    async with trio.open_nursery() as goodbyes:
        if end.reason in OUR_WISH:
            goodbyes.start_soon(_end_at_platform, call, limits, asked)
            with trio.move_on_after(limits.goodbye_seconds / 3):
                await asked.wait()
        with trio.move_on_after(limits.goodbye_seconds / 3):
            await part(caller, call.caller.dialect, end.reason.value, call.downlink.unsaid)
        await caller.close(end.close_code, end.reason.value)


async def _end_at_platform(call: Call, limits: Limits, asked: trio.Event) -> None:
    """Have the platform end the call, and say when that has been tried."""
    try:
        with trio.move_on_after(limits.goodbye_seconds * 0.9) as patience:
            await call.work.hands.hang_up()
    except Exception:
        # What stands behind the hands is foreign: its faults take no goodbye with them.
        log.exception("fault while hanging up", call=call.call_id)
        return
    finally:
        asked.set()
    if patience.cancelled_caught:
        log.warning("the platform did not confirm that it hung up: the call may go on there", call=call.call_id)
