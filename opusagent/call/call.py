"""One call, whole. Its `with` lines, read down, are the opening order; read up, the order in which it ends.

    tape        opened first, finished last: everything else may go wrong, and the recording is complete
    plumbing    the model socket's own tasks; they outlive the talk, so that a close is a handshake and not a cut
    lifetime    no call is longer than its limit
    talk        the paired receive loops, the audio processor, the paced sender; ended by `Ending`, unwound first

The caller is heard from the first moment: the model is dialled inside the talk, while the uplink keeps what is said.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final, assert_never

import attrs
import structlog
import trio

from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.audio.vad.hysteresis import SpeechEvent, SpeechStopped
from opusagent.call.caller import Caller
from opusagent.call.downlink import Downlink, hear_model, tell_caller
from opusagent.call.ending import Ending
from opusagent.call.hearing import Hearing
from opusagent.call.moments import AnswerBegan, CallerPaused, Interrupted, LineBack, LineLost, ModelReady, Moment
from opusagent.call.playout import Batch, Playout
from opusagent.call.reasons import MODEL_LEG, End, EndReason
from opusagent.call.recorder import Recorder, Recording
from opusagent.call.report import MOST_HAPPENINGS, AudioAccount, CallReport, Happening, tell
from opusagent.call.seat import CallerSeat, DialModel, ModelSeat
from opusagent.call.session import (
    AcceptCaller,
    ClearCaller,
    Command,
    EndCall,
    FillSilence,
    Note,
    Session,
    TellCaller,
    TellModel,
)
from opusagent.call.turns import TurnLog
from opusagent.call.uplink import Uplink, hear_caller, tell_model
from opusagent.errors import INTERNAL_ERROR, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerEvent, CallerLeft, CallerNamed, Dialect
from opusagent.realtime.codec import render
from opusagent.realtime.events import ClientEvent, ServerEvent, SessionUpdate, UnknownEvent
from opusagent.units import CallId, LoopTime, Ms

log = structlog.get_logger()

MAY_COME_BACK: Final = frozenset({EndReason.CALLER_CLOSED, EndReason.CALLER_LOST, EndReason.CALLER_STALLED})
"""How a leg may be lost so that its platform may take the call up again. A goodbye is a goodbye."""

CONTROL_MESSAGES: Final = 64
"""How many control messages to the model may wait. More means that it takes none: it has stalled."""


@attrs.frozen
class Limits:
    """The bounds of a call, in seconds. `resume_seconds`: how long a caller whose socket broke is waited for."""

    call_seconds: float = 3600.0
    ready_seconds: float = 5.0
    goodbye_seconds: float = 5.0
    resume_seconds: float = 0.0


@attrs.frozen
class Profile:
    """Who answers: what the model is told, and how its audio is written."""

    opening: SessionUpdate
    instructions: str
    greeting: str | None = None
    model_media: MediaFormat = PCM16_24K


def watch_nothing(moment: Moment) -> None:
    """Nobody looks on while the call takes place."""


@attrs.frozen
class Exchange:
    """What the calls of a process share: the way to the model, the recorder, its ears if it has any, who looks on."""

    dial_model: DialModel
    recorder: Recorder
    hearing: Hearing | None = None
    watch: Callable[[Moment], None] = watch_nothing


class Call:
    """One call's parts, wired. `run_call` gives them their lifetime."""

    def __init__(
        self,
        call_id: CallId,
        caller: Caller,
        profile: Profile,
        recording: Recording,
        exchange: Exchange,
        ending: Ending,
    ) -> None:
        leg = caller.started.media
        self.call_id: Final = call_id
        self.caller: Final = caller
        self.ending: Final = ending
        self.recording: Final = recording
        self.began: Final = LoopTime(trio.current_time())
        self.playout: Final = Playout(
            profile.model_media, leg, lead=caller.started.lead, marks=caller.started.returns_marks
        )
        self.session: Final = Session(
            profile.opening, self.playout, instructions=profile.instructions, greeting=profile.greeting
        )
        self.tap: Final = exchange.hearing.new_tap(leg.rate, self.on_ear) if exchange.hearing else None
        self.uplink: Final = Uplink(caller.started, profile.model_media, recording.tape, self.tap)
        self.downlink: Final = Downlink(self.playout, caller.dialect, recording.tape, self._on_batch)
        self.ready: Final = trio.Event()
        self._media: Final = profile.model_media
        self._to_model, self.control = trio.open_memory_channel[ClientEvent](CONTROL_MESSAGES)
        self._watch: Final = exchange.watch
        self._story: list[Happening] = []
        self._turns: Final = TurnLog()
        self._answer_at: int | None = None
        self._ready_after: float | None = None
        self._unreadable = 0
        self._named = CallerNamed("", "", {})
        self._gaps: list[float] = []

    # -- what happens ------------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent) -> None:
        """The model said something."""
        self._perform(self.session.on_model(event, LoopTime(trio.current_time())))
        self.downlink.ring()

    def on_caller(self, event: CallerEvent) -> None:
        """The platform said something that is not audio."""
        self.downlink.say(self.caller.dialect.replies())
        if isinstance(event, CallerNamed):
            self._named = event
        self._perform(self.session.on_caller(event, LoopTime(trio.current_time())))
        self.downlink.ring()

    def on_line_lost(self) -> None:
        """The platform's socket is gone; it may come back."""
        now = LoopTime(trio.current_time())
        self.downlink.lose_line(now)
        self.uplink.restart()
        self._note(LineLost(now))

    def on_line_back(self, gap: float) -> None:
        """The platform has come back after `gap` seconds."""
        now = LoopTime(trio.current_time())
        self._gaps.append(round(gap, 3))
        self.downlink.say(self.caller.dialect.resume())
        self._perform(self.session.on_line_back(gap, now))
        self._note(LineBack(now, gap))

    def on_garbage(self, unreadable: RemoteProtocolError) -> None:
        """The model said something that cannot be read: counted, said once."""
        self._unreadable += 1
        if self._unreadable == 1:
            log.warning("unreadable message from the model", call=self.call_id, error=str(unreadable))

    def _perform(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case TellModel():
                    self._tell_model(command.event)
                case ClearCaller():
                    self.downlink.clear(command.at)
                case AcceptCaller():
                    self.ready.set()
                    self.downlink.say(self.caller.dialect.accept())
                case TellCaller():
                    self.downlink.say(self.caller.dialect.notify(command.notice))
                case FillSilence():
                    self.uplink.put_silence(command.ms)
                case EndCall():
                    self.ending.end(command.end.reason, command.end.detail, command.end.close_code)
                case Note():
                    self._note(command.moment)
                case _:
                    assert_never(command)

    def _tell_model(self, event: ClientEvent) -> None:
        try:
            self._to_model.send_nowait(event)
        except trio.WouldBlock:
            self.ending.end(
                EndReason.MODEL_STALLED, f"{CONTROL_MESSAGES} control messages wait for the model", INTERNAL_ERROR
            )

    def _note(self, moment: Moment) -> None:
        at = round(moment.at - self.began, 4)
        match moment:
            case AnswerBegan():
                self._answer_at = moment.position
                self._turns.on_first_delta(at)
            case CallerPaused():
                self._turns.on_service_stopped(at)
            case Interrupted(cuts=(first, *_)):
                self._turns.on_cut(first.heard, first.total)
            case ModelReady():
                self._ready_after = at
            case _:
                pass
        if len(self._story) < MOST_HAPPENINGS:
            self._story.append(tell(moment, self.began))
        self._watch(moment)

    def on_ear(self, event: SpeechEvent) -> None:
        """Our own ears heard the caller begin or end to speak, at a media time that began with the first frame."""
        if isinstance(event, SpeechStopped) and self.uplink.first_heard is not None:
            self._turns.on_ear_stopped(round(self.uplink.first_heard - self.began + event.at / 1000, 4))

    def _on_batch(self, batch: Batch) -> None:
        """Frames go to the platform; perhaps the first ones of an answer."""
        answer = self._answer_at
        sent = sum(map(len, batch.frames))
        if answer is None or answer >= batch.position + sent:
            return
        self._answer_at = None
        ahead = self.playout.leg.ms_of(max(0, answer - batch.position)) / 1000
        now = trio.current_time() - self.began
        self._turns.on_first_sent(round(now, 4), round(batch.plays_at - self.began + ahead, 4))

    # -- what remains -------------------------------------------------------------------------------------------

    def report(self, started: datetime) -> CallReport:
        """The account of the call as it stands."""
        now = LoopTime(trio.current_time())
        end = self.ending.end_of_call or End(EndReason.FAULT, "cancelled from outside")
        counts = self.session.statistics()
        who = self.caller.started
        return CallReport(
            call_id=self.call_id,
            platform_call_id=who.platform_call_id,
            stream_id=who.stream_id,
            caller=who.caller or self._named.caller,
            callee=who.callee or self._named.callee,
            started=started,
            seconds=round(now - self.began, 3),
            end=end.reason,
            end_detail=end.detail,
            setup_seconds=self._ready_after,
            turns=self._turns.all(),
            caller_turns=counts.turns,
            barge_ins=counts.barge_ins,
            audio=self._audio(now),
            line_gaps=tuple(self._gaps),
            model_errors=counts.model_errors,
            unknown_messages=counts.unknown,
            unreadable_messages=self._unreadable,
            recording=None if self.recording.path is None else str(self.recording.path),
            recording_fault=self.recording.fault,
            story=tuple(self._story),
        )

    def _audio(self, now: LoopTime) -> AudioAccount:
        ledger = self.playout.ledger(now)
        leg = self.playout.leg.ms_of
        discarded, held, pushed = leg(ledger.discarded), leg(ledger.held), leg(ledger.pushed)
        return AudioAccount(
            caller_received=leg(self.uplink.received_bytes),
            caller_dropped=leg(self.uplink.dropped_bytes),
            model_appended=self._media.ms_of(self.uplink.appended_bytes),
            model_pushed=pushed,
            model_heard=Ms(pushed - discarded - held),
            model_discarded=discarded,
            model_held=held,
            model_overflowed=leg(ledger.overflowed),
        )


async def run_call(
    call_id: CallId,
    caller: Caller,
    profile: Profile,
    exchange: Exchange,
    ending: Ending,
    *,
    started: datetime,
    limits: Limits,
) -> CallReport:
    """Carry one call from the caller's first frame to the last sample on the tape.

    Returns when both sockets are closed and the recording is finished. Losing a leg, a limit or the daemon's end are
    ends with a reason in the report; so is a fault of ours, which is logged with its traceback and the call's id.
    """
    async with exchange.recorder.open_tape(call_id, caller.started.media.rate, started) as recording:
        call = Call(call_id, caller, profile, recording, exchange, ending)
        async with trio.open_nursery() as plumbing:
            seat = ModelSeat(exchange.dial_model, plumbing)
            try:
                with ExitStack() as attention:
                    if exchange.hearing is not None and call.tap is not None:
                        attention.enter_context(exchange.hearing.attend(call.tap))
                    await _talk(call, seat, limits)
            finally:
                caller.seat.vacate()
                with trio.move_on_after(limits.goodbye_seconds, shield=True):
                    await _hang_up(call, seat, limits)
                plumbing.cancel_scope.cancel()
    return call.report(started)


async def _talk(call: Call, seat: ModelSeat, limits: Limits) -> None:
    try:
        with trio.move_on_after(limits.call_seconds) as lifetime:
            async with trio.open_nursery() as talk:
                call.ending.arm(talk.cancel_scope)
                talk.start_soon(_attend_caller, call, limits)
                talk.start_soon(_converse, call, seat, limits)
        if lifetime.cancelled_caught:
            call.ending.end(EndReason.TOO_LONG, f"{limits.call_seconds:g} s")
    except* Exception:
        # The one broad handler of a call: a bug of ours ends this call, is told with its traceback, and no other
        # call notices.
        call.ending.end(EndReason.FAULT, close_code=INTERNAL_ERROR)
        log.exception("fault in a call", call=call.call_id)


async def _attend_caller(call: Call, limits: Limits) -> None:
    """Carry the caller's leg over one socket after the other, as long as the platform comes back in time."""
    seat = call.caller.seat
    while True:
        lost = await _serve_line(call, seat)
        if lost.reason not in MAY_COME_BACK or not limits.resume_seconds:
            break
        call.on_line_lost()
        since = trio.current_time()
        with trio.move_on_after(limits.resume_seconds) as grace:
            await seat.newcomer()
        if grace.cancelled_caught:
            break
        await seat.change()
        call.on_line_back(trio.current_time() - since)
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


async def _converse(call: Call, seat: ModelSeat, limits: Limits) -> None:
    """Seat the model, then carry both directions."""
    with call.ending.if_lost(MODEL_LEG):
        model = await seat.take()
        async with trio.open_nursery() as conversation:
            conversation.start_soon(hear_model, model, call.on_model, call.on_garbage, call.ending)
            conversation.start_soon(steer_model, model, call.control, call.ending)
            with trio.move_on_after(limits.ready_seconds):
                await call.ready.wait()
            if not call.ready.is_set():
                call.ending.end(
                    EndReason.MODEL_NOT_READY, f"no session within {limits.ready_seconds:g} s", INTERNAL_ERROR
                )
            conversation.start_soon(tell_model, model, call.uplink, call.ending)


async def steer_model(model: MessageSocket, control: trio.MemoryReceiveChannel[ClientEvent], ending: Ending) -> None:
    """Send control messages, beside the audio and not behind it."""
    with ending.if_lost(MODEL_LEG):
        async for event in control:
            await model.send(render(event))


async def _hang_up(call: Call, seat: ModelSeat, limits: Limits) -> None:
    """Close both sockets, the model's first: it is the one that costs money."""
    end = call.ending.end_of_call or End(EndReason.FAULT, close_code=INTERNAL_ERROR)
    if seat.socket is not None:
        await seat.socket.close()
    caller = call.caller.seat.line.socket
    with trio.move_on_after(limits.goodbye_seconds / 2):
        await _part(caller, call.caller.dialect, end)
    await caller.close(end.close_code, end.reason.value)


async def _part(caller: MessageSocket, dialect: Dialect, end: End) -> None:
    """Tell the platform in its own words that the call is over, and hear it agree."""
    words = dialect.hang_up(end.reason.value)
    if not words:
        return
    try:
        await caller.send(*words)
        while not isinstance(dialect.parse(await caller.receive()), CallerLeft):
            pass
    except (PeerGone, PeerStalled, RemoteProtocolError):
        return
