"""How a call is taken: from a platform's socket to the report. The one place that names a concrete platform."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.call.call import Limits, run_call
from opusagent.call.caller import PART_SECONDS, Caller, answer, hear_whom, part
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange, Profile
from opusagent.call.report import CallReport, slow_turns, to_json
from opusagent.call.switch import RecordingSwitch
from opusagent.daemon.admission import Refusal, Rules, Slot
from opusagent.daemon.config import AudioCodes, Config
from opusagent.daemon.generation import Generation
from opusagent.daemon.observer import Observer
from opusagent.daemon.profile import profile_of
from opusagent.daemon.roster import Conversation, Roster
from opusagent.daemon.routing import Inbound, Routed, awaits_number, choose
from opusagent.daemon.seats import Nowhere
from opusagent.daemon.site import Arrival, about_call
from opusagent.daemon.tickets import Tickets
from opusagent.errors import GOING_AWAY, POLICY_VIOLATION, RemoteProtocolError
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.platforms.audiocodes import SessionResume, render
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.dialect import CallResumed
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.platforms.twilio_ticket import PARAMETER, TicketFault
from opusagent.units import HZ_16K, CallId, LoopTime, Ms
from opusagent.wire import printable

log: FilteringBoundLogger = structlog.get_logger()

CHUNKS: Final = MediaFormat(Encoding.PCM16, HZ_16K)
"""What `[audio]` counts in, whatever a leg's own format."""


NO_AGENT: Final = "no agent for this call"

TICKET_REFUSALS: Final[Mapping[TicketFault, Refusal]] = {
    TicketFault.MISSING: Refusal.TICKET_MISSING,
    TicketFault.FORGED: Refusal.TICKET_FORGED,
    TicketFault.EXPIRED: Refusal.TICKET_EXPIRED,
    TicketFault.SPENT: Refusal.TICKET_SPENT,
}


def rules_of(config: Config) -> Rules:
    """How many calls `config` allows."""
    limits = config.limits
    return Rules(
        config.server.max_calls, limits.calls_per_second, limits.calls_per_source, limits.calls_per_second_per_source
    )


class Desk:
    """Takes the calls that one generation lets in. Each is carried by that generation to its end."""

    def __init__(self, generation: Generation, roster: Roster, observer: Observer) -> None:
        self._generation: Final = generation
        self._config: Final = generation.config
        self._roster: Final = roster
        self._observer: Final = observer
        self._rules: Final = rules_of(self._config)
        self._tickets: Final = Tickets(self._config.twilio)

    def vacancy(self) -> Refusal | None:
        """Connections count from the moment they are let in, whether or not their call has started."""
        return self._roster.vacancy(self._rules)

    def reserve(self, source: str) -> Slot | Refusal:
        """A place, before the platform is told 101; or none, which is counted and logged as any refusal is."""
        answer = self._roster.reserve(source, self._rules, LoopTime(trio.current_time()))
        if isinstance(answer, Refusal):
            self._tell(answer, {"peer": source})
        return answer

    def release(self, slot: Slot) -> None:
        """Its connection is over, with all that the call has left."""
        self._roster.release(slot)

    def refuse(self, reason: Refusal, about: Mapping[str, str]) -> None:
        """Count it, and log it unless the log has just told of another for the same reason."""
        self._tell(self._roster.admission.refuse(reason), about)

    def _tell(self, reason: Refusal, about: Mapping[str, str]) -> None:
        count = self._roster.complaints.due(reason, LoopTime(trio.current_time()))
        if count:
            log.warning("refused", why=reason.value, times=count, **about)

    def may_resume(self, token: str, conversation: str | None) -> bool:
        """Whoever names a conversation of ours, with the token that it came with: no place, and no rate, is in the way.

        While there is no place for anybody: if it names none, one of ours must miss its socket; and where a call may
        live in another process, whoever is known is heard, because it may have come back for that.
        """
        seats = self._roster.seats
        if conversation is not None and (token, conversation) in seats:
            return True
        if self.vacancy() is None:
            return False
        return not isinstance(self._roster.elsewhere, Nowhere) or (conversation is None and seats.awaits(token))

    async def take_twilio_call(self, arrival: Arrival, socket: MessageSocket) -> None:
        """One media stream, from its first message to its end."""
        caller = await answer(socket, TwilioDialect())
        if isinstance(caller, CallResumed):
            raise RemoteProtocolError("Twilio does not resume streams", close_code=POLICY_VIOLATION)
        caller = self._with_ticket_taken(caller)
        who = caller.started
        call = Inbound("twilio", arrival.path, who.callee, who.parameters)
        routed = self._routed(call, who.platform_call_id)
        if routed is None:
            raise RemoteProtocolError(NO_AGENT, close_code=POLICY_VIOLATION)
        await self._call(call, routed, caller, self._limits(), arrival)

    def _routed(self, call: Inbound, platform_call: str) -> Routed | None:
        """Whose the call is; None, and counted, if it is nobody's."""
        choice = choose(self._config.routes, call)
        if isinstance(choice, Routed):
            return choice
        self.refuse(Refusal.NO_AGENT, about_call(platform_call, call))
        return None

    def _with_ticket_taken(self, caller: Caller) -> Caller:
        """The caller whose ticket is right and used. Nothing behind this sees it; no model is dialled without it."""
        who = caller.started
        fault = self._tickets.fault(who.parameters.get(PARAMETER), who.platform_call_id, self._roster.spent)
        if fault is not None:
            reason = TICKET_REFUSALS[fault]
            self.refuse(reason, {"platform_call": printable(who.platform_call_id)})
            raise RemoteProtocolError(f"the call's ticket is {fault.value}", close_code=POLICY_VIOLATION)
        parameters = {name: value for name, value in who.parameters.items() if name != PARAMETER}
        return attrs.evolve(caller, started=attrs.evolve(who, parameters=parameters))

    async def take_audiocodes_call(
        self, arrival: Arrival, token: str, slot: Slot | None, socket: MessageSocket
    ) -> None:
        """One conversation, or one more socket for a conversation that goes on."""
        platform = self._config.audiocodes or AudioCodes()
        dialect = self._audiocodes_dialect()
        caller = await answer(socket, dialect)
        if isinstance(caller, CallResumed):
            if slot is not None:
                self.release(slot)  # its call has one
            name = (token, caller.platform_call_id)
            if name in self._roster.seats or not await self._roster.elsewhere.carry(name, resume(name[1]), socket):
                await self._resume(caller, token, socket, dialect)
            return
        name, seats = (token, caller.started.platform_call_id), self._roster.seats
        if name in seats:
            await socket.send(*dialect.hang_up("this conversation is already here"))
            return
        if slot is None:
            self.refuse(self.vacancy() or Refusal.FULL, {"platform_call": printable(caller.started.platform_call_id)})
            await socket.send(*dialect.hang_up("no room for a further call"))
            return
        limits = attrs.evolve(self._limits(), resume_seconds=platform.resume_seconds)
        with seats.kept(name, caller.seat):
            call = Inbound("audiocodes", arrival.path, bot=caller.started.account)
            if awaits_number(self._config.routes, call):
                caller = await hear_whom(caller)
                call = attrs.evolve(call, number=caller.started.callee)
            routed = self._routed(call, caller.started.platform_call_id)
            if routed is not None:
                await self._call(call, routed, caller, limits, arrival)
                return
            with trio.move_on_after(PART_SECONDS):
                await part(socket, dialect, NO_AGENT)

    async def resume_audiocodes_call(self, token: str, socket: MessageSocket) -> None:
        """One more socket for a conversation that goes on in this process, and nothing else."""
        dialect = self._audiocodes_dialect()
        caller = await answer(socket, dialect)
        if isinstance(caller, CallResumed):
            await self._resume(caller, token, socket, dialect)
        else:
            await socket.send(*dialect.hang_up("not by these credentials any more"))

    async def _resume(self, call: CallResumed, token: str, socket: MessageSocket, dialect: AudioCodesDialect) -> None:
        """Seat a socket that comes back for a call. Only with the token that the call came with."""
        seat = self._roster.seats.find((token, call.platform_call_id))
        if seat is None:
            self.refuse(Refusal.UNKNOWN_CONVERSATION, {"platform_call": printable(call.platform_call_id)})
            await socket.send(*dialect.hang_up("conversation not found"))
            return
        log.info("conversation resumed", platform_call=call.platform_call_id)
        if not await seat.occupy(socket):
            await socket.send(*dialect.hang_up("the call is over"))

    def _limits(self) -> Limits:
        limits = self._config.limits
        return Limits(
            call_seconds=limits.call_seconds,
            recovery_seconds=limits.recovery_seconds,
            rollover_seconds=limits.rollover_seconds,
        )

    def _audiocodes_dialect(self) -> AudioCodesDialect:
        platform = self._config.audiocodes or AudioCodes()
        return AudioCodesDialect(platform.formats, Ms(platform.lead_ms))

    async def _call(self, about: Inbound, routed: Routed, caller: Caller, limits: Limits, arrival: Arrival) -> None:
        caller = self._measured(caller)
        who, generation = caller.started, self._generation
        call = Conversation(
            call_id=CallId(secrets.token_hex(8)),
            platform=about.platform,
            who=who,
            started=datetime.now(UTC),
            began=LoopTime(trio.current_time()),
            generation=generation.number,
            ending=Ending(),
            switch=RecordingSwitch(),
            parent=arrival.parent,
            agent=routed.agent,
        )
        self._observer.on_start(call.call_id, generation.recorder.folder(call.call_id, call.started))
        log.info(
            "call started",
            call=call.call_id,
            platform_call=who.platform_call_id,
            caller=who.caller,
            callee=who.callee,
            generation=generation.number,
            agent=routed.agent,
            routed_by=routed.ground.value,
        )
        with self._roster.listed(call):
            report = await run_call(
                call.call_id,
                caller,
                self._profile(call, about, caller),
                Exchange(
                    self._dial_model,
                    generation.recorder,
                    generation.hearing,
                    self._observer.on_moment,
                    generation.quality,
                    generation.breaker,
                ),
                call.ending,
                started=call.started,
                limits=limits,
                switch=call.switch,
            )
            await self._file(report)

    def _measured(self, caller: Caller) -> Caller:
        """The caller with the pieces of audio that the configuration asks for; they are given at 16 kHz and 16 bits."""
        audio, own = self._config.audio, caller.started.block
        block = own if audio.chunk_bytes is None else CHUNKS.ms_of(audio.chunk_bytes)
        most = CHUNKS.ms_of(audio.chunk_bytes_large)
        return attrs.evolve(caller, started=attrs.evolve(caller.started, block=block, most=most))

    def _profile(self, call: Conversation, about: Inbound, caller: Caller) -> Profile:
        workshop, sounds = self._generation.workshop, self._generation.sounds
        tools, hands = workshop.session_tools(call.agent), workshop.hands(call.call_id, call.agent, about, caller)
        return profile_of(self._config.of(call.agent), caller.started.media, tools, hands, sounds)

    async def _dial_model(self, plumbing: trio.Nursery) -> MessageSocket:
        key = self._config.realtime.api_key
        headers = [] if key is None else [("Authorization", f"Bearer {key.reveal()}")]
        return await connect(plumbing, self._generation.model_url, headers, MODEL, ssl_context=self._generation.trust)

    async def _file(self, report: CallReport) -> None:
        log.info(
            "call ended",
            call=report.call_id,
            reason=report.end.value,
            detail=report.end_detail,
            seconds=report.seconds,
            turns=report.caller_turns,
            barge_ins=report.barge_ins,
        )
        self._warn(report)
        await self._generation.recorder.keep_report(report.call_id, report.started, to_json(report))
        self._observer.on_report(report)

    def _warn(self, report: CallReport) -> None:
        """Tell the operator what `[alerts]` asks for, once a call."""
        alerts = self._config.alerts
        slow = slow_turns(report, alerts.latency_ms)
        if slow:
            waits = [round(turn.waited * 1000) for turn in slow if turn.waited is not None]
            log.warning("slow answers", call=report.call_id, turns=len(slow), longest_ms=max(waits))
        if report.audio.largest_chunk > alerts.chunk_bytes:
            log.warning("large chunks from the platform", call=report.call_id, bytes=report.audio.largest_chunk)


def resume(conversation: str) -> str:
    """What the platform says when it comes back for a conversation."""
    return render(SessionResume(conversationId=conversation))


@attrs.frozen
class ResumeDesk:
    """What is left of a generation's desk when another is in force: its own calls may be resumed, none begins."""

    desk: Desk

    def vacancy(self) -> Refusal | None:
        """None, for nobody."""
        return Refusal.DRAINING

    def reserve(self, source: str) -> Slot | Refusal:
        """No place; it is the generation in force that counts it."""
        del source
        return Refusal.DRAINING

    def release(self, slot: Slot) -> None:
        """No place was given."""

    def refuse(self, reason: Refusal, about: Mapping[str, str]) -> None:
        """It is the generation in force that counts it."""

    def may_resume(self, token: str, conversation: str | None) -> bool:
        """Whoever knows the token; the calls that went on without a socket are known by their names only."""
        del token, conversation
        return True

    async def take_twilio_call(self, arrival: Arrival, socket: MessageSocket) -> None:
        """Twilio does not resume streams."""
        del arrival
        await socket.close(GOING_AWAY, "no room")

    async def take_audiocodes_call(
        self, arrival: Arrival, token: str, slot: Slot | None, socket: MessageSocket
    ) -> None:
        """A conversation that goes on may come back as it came."""
        del arrival, slot
        await self.desk.resume_audiocodes_call(token, socket)
