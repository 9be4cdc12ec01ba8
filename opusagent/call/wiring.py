"""A call's parts, wired: what happens on either leg goes to the session, and what the session wants is done.

Nothing here waits, and nothing here decides: `call` gives the parts their lifetime, `session` its commands. The account
of the call is collected in passing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.audio.dtmf import KeyTones
from opusagent.audio.quality.alerts import QualityAlert
from opusagent.audio.quality.echo import EchoPath
from opusagent.audio.vad.hysteresis import SpeechEvent, SpeechStarted, SpeechStopped
from opusagent.call.account import Account
from opusagent.call.bell import Bell
from opusagent.call.caller import Caller
from opusagent.call.commands import (
    AcceptCaller,
    ChangeModel,
    ClearCaller,
    Command,
    Deafen,
    EndCall,
    FillSilence,
    Note,
    RunTool,
    TellCaller,
    Transfer,
)
from opusagent.call.downlink import Downlink
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange, Profile
from opusagent.call.model_side import ModelSide
from opusagent.call.moments import (
    AnswerBegan,
    EchoHeard,
    LineBack,
    LineJudged,
    LineLost,
    Moment,
    RecordingPaused,
    RecordingResumed,
)
from opusagent.call.playout import Batch, Playout
from opusagent.call.progress import Backlog, Progress, audio_account
from opusagent.call.quality import LineMonitor, Witnesses, alert_in_words
from opusagent.call.reasons import End, EndReason
from opusagent.call.recorder import Recording
from opusagent.call.report import CallReport, Peaks
from opusagent.call.session import Session
from opusagent.call.uplink import Uplink
from opusagent.call.vitals import Vitals, vitals_of
from opusagent.call.words import Line
from opusagent.call.work import Work
from opusagent.errors import RemoteProtocolError
from opusagent.platforms.dialect import CallerEvent, CallerNamed, CallerSoundBegan, CallerSoundPaused
from opusagent.realtime.events import InputAudioBufferSpeechStopped, ServerEvent, UnknownEvent
from opusagent.units import CallId, LoopTime, Ms
from opusagent.wire import printable

log: FilteringBoundLogger = structlog.get_logger()


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
        self.session: Final = Session(profile.opening, self.playout, profile.policy)
        self.timer: Final = Bell()
        self.tap: Final = exchange.hearing.new_tap(leg.rate, self.on_ear) if exchange.hearing else None
        self.monitor: Final = (
            LineMonitor(leg.rate, self.began, exchange.quality, self._on_quality, self._on_echo)
            if exchange.quality
            else None
        )
        witness = Witnesses((recording.tape, self.monitor)) if self.monitor else recording.tape
        self.uplink: Final = Uplink(
            caller.started,
            profile.model_media,
            witness,
            self.tap,
            tones=KeyTones(leg) if profile.policy.mute_tones else None,
        )
        self.downlink: Final = Downlink(self.playout, caller.dialect, witness, self._on_batch)
        policy, media = profile.policy, profile.model_media
        self.account: Final = Account(self.began, self.playout, media, recording.tape, mask_digits=policy.mask_digits)
        self._prices: Final = policy.budget.prices
        self._agent: Final = profile.agent
        self.work: Final = Work(profile.hands(self.downlink.say), self._on_tool_result, self._on_transfer)
        self.breaker: Final = exchange.breaker
        self.model: Final = ModelSide(self.uplink, self.account.transcript, self.began, commits=policy.turns.local)
        self._media: Final = media
        self._watch: Final = exchange.watch
        self._alarm: LoopTime | None = None
        self._due: LoopTime | None = None
        self._unreadable, self._named = 0, CallerNamed("", "", {})

    # -- what happens ------------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent) -> None:
        """The model said something."""
        now, start = LoopTime(trio.current_time()), self.playout.pushed
        if isinstance(event, InputAudioBufferSpeechStopped):
            self.session.silence.on_said(self.model.said_at(Ms(event.audio_end_ms)), now)
        self.perform(self.session.on_model(event, now))
        self.account.on_model(event, start, now)
        self.model.on_model(event)
        self.downlink.ring()

    def begin(self) -> None:
        """The caller waits from now on."""
        self.session.begin(LoopTime(trio.current_time()), is_listening=self.caller.started.is_listening)

    def on_model_lost(self, lost: End) -> None:
        """The model's session is gone; another one is tried for."""
        log.warning("model lost", call=self.call_id, reason=lost.reason.value, detail=lost.detail)
        self.perform(self.session.on_model_lost(lost, LoopTime(trio.current_time())))
        self.downlink.ring()

    def give_up(self, end: End) -> None:
        """No model serves this caller."""
        self.perform(self.session.give_up(end, LoopTime(trio.current_time())))
        self.downlink.ring()

    def on_caller(self, event: CallerEvent) -> None:
        """The platform said something that is not audio."""
        now = LoopTime(trio.current_time())
        self.downlink.say(self.caller.dialect.replies())
        match event:
            case CallerNamed():
                self._named = event
            case CallerSoundBegan():
                self.uplink.begin_sound(now)
                self.session.silence.incoming.on_stream(is_open=True, now=now)
            case CallerSoundPaused():
                if self.tap is not None:
                    self.tap.end()
                self.session.silence.incoming.on_stream(is_open=False, now=now)
            case _:
                pass
        self.perform(self.session.on_caller(event, now))
        self.downlink.ring()

    def on_line_lost(self) -> None:
        """The platform's socket is gone; it may come back."""
        now = LoopTime(trio.current_time())
        self.downlink.lose_line(now)
        self.session.on_line_lost()
        self.uplink.restart()
        self.session.silence.incoming.on_stream(is_open=False, now=now)
        self._note(LineLost(now))

    def on_line_back(self, gap: float) -> None:
        """The platform has come back after `gap` seconds."""
        now = LoopTime(trio.current_time())
        self.downlink.regain_line(self.caller.dialect.resume())
        self.session.silence.incoming.begin(now)
        self.perform(self.session.on_line_back(gap, now))
        self._note(LineBack(now, gap))

    def on_garbage(self, unreadable: RemoteProtocolError) -> None:
        """The model said something that cannot be read: counted, said once."""
        self._unreadable += 1
        if self._unreadable == 1:
            log.warning("unreadable message from the model", call=self.call_id, error=str(unreadable))

    def on_time(self) -> None:
        """A deadline of the session's has come."""
        if self.uplink.heard_at is not None:
            self.session.silence.incoming.on_sound(self.uplink.heard_at)
        self.perform(self.session.on_time(LoopTime(trio.current_time())))
        self.downlink.ring()

    def named(self) -> CallerNamed:
        """What the platform has said of the caller since the start."""
        return self._named

    def progress(self) -> Progress:
        """What the call has come to so far, and what waits in its buffers."""
        now = LoopTime(trio.current_time())
        audio = audio_account(self.uplink, self.playout, self._media, now)
        counts, control = self.session.statistics(), self.model.line.waiting
        return Progress(
            is_ready=self.model.is_seated,
            turns=counts.turns,
            barge_ins=counts.barge_ins,
            responses=counts.responses,
            tool_calls=counts.tool_calls,
            tokens=counts.tokens.total,
            dollars=round(counts.tokens.cost(self._prices), 6),
            model_errors=counts.model_errors,
            line_gaps=len(self.account.gaps(now)),
            audio=audio,
            backlog=Backlog(self.uplink.waiting_frames, audio.model_held, control),
        )

    def vitals(self) -> Vitals:
        """What is due, and what was done."""
        now = LoopTime(trio.current_time())
        deadline = self.session.deadline(now)
        return vitals_of(self.uplink, self.downlink, self.model, self.caller.seat, deadline, now)

    def pause_recording(self) -> None:
        """Record nothing until told otherwise: silence on the tape, and no words in the transcript and the report."""
        now = LoopTime(trio.current_time())
        if self.recording.tape.pause(now):
            self._note(RecordingPaused(now))

    def resume_recording(self) -> None:
        """Record again."""
        now = LoopTime(trio.current_time())
        if self.recording.tape.resume(now):
            self._note(RecordingResumed(now))

    def _on_tool_result(self, call_id: str, output: str) -> None:
        """A tool has done its work, or failed."""
        self.perform(self.session.on_tool_result(call_id, output, LoopTime(trio.current_time())))
        self.downlink.ring()

    def _on_transfer(self, target: str, why_not: str) -> None:
        """The caller was put through by a key, or was not."""
        self.perform(self.session.on_transfer(target, why_not, LoopTime(trio.current_time())))
        self.downlink.ring()

    def deadline(self) -> LoopTime | None:
        """When the session has something to do without an event: what the timer waits for from now on."""
        self._alarm = self._due = self.session.deadline(LoopTime(trio.current_time()))
        return self._alarm

    def is_due(self) -> bool:
        """Whether that time has come, or whatever has become of it meanwhile."""
        return self._due is not None and trio.current_time() >= self._due

    def perform(self, commands: Sequence[Command]) -> None:
        """Do what the session wants."""
        # Whatever happened may have moved the session's deadline, whether or not it has led to a command. One that is
        # later now needs no ring: the timer wakes too early, once, and asks again.
        self._due = self.session.deadline(LoopTime(trio.current_time()))
        if self._due is not None and (self._alarm is None or self._due < self._alarm):
            self.timer.ring()
        for command in commands:
            match command:
                case ClearCaller():
                    self.downlink.clear(command.at)
                case AcceptCaller():
                    self.downlink.say(self.caller.dialect.accept())
                case ChangeModel():
                    self._roll_over()
                case TellCaller():
                    self.downlink.say(self.caller.dialect.notify(command.notice))
                case FillSilence():
                    self.uplink.put_silence(command.ms, LoopTime(trio.current_time()))
                case Deafen():
                    self.uplink.is_deaf = command.deaf
                case RunTool() | Transfer():
                    self.uplink.on_answered()
                    self._run(command)
                case EndCall():
                    self.ending.end(command.end.reason, command.end.detail, command.end.close_code)
                case Note():
                    self._note(command.moment)
                case _:
                    self.model.do(command)

    def _roll_over(self) -> None:
        """Let the spare take over, if this is the moment."""
        served = trio.current_time() - self.model.line.opened
        if self.model.roll_over():
            log.info("model rolled over", call=self.call_id, after_seconds=round(served, 1))
            self.perform(self.session.on_rolled_over(LoopTime(trio.current_time())))

    def _run(self, errand: RunTool | Transfer) -> None:
        if not self.work.start(errand) and isinstance(errand, RunTool):
            log.warning("too many tools at once", call=self.call_id, tool=printable(errand.call.name))
            self._on_tool_result(errand.call.call_id, '{"error": "too many tools are running already"}')

    def _note(self, moment: Moment) -> None:
        self.account.note(moment)
        if isinstance(moment, AnswerBegan):
            self.uplink.on_answered()
        self._watch(moment)

    def on_ear(self, event: SpeechEvent) -> None:
        """Our own ears heard the caller begin or end to speak, at a media time that began with the first frame."""
        stopped = self.uplink.caller_time.call_time(event.at) if isinstance(event, SpeechStopped) else None
        if stopped is not None:
            self.account.on_ear_stopped(stopped)
        speaking = isinstance(event, SpeechStarted)
        if speaking:
            self.uplink.on_speech()
        self.perform(self.session.on_ear(speaking=speaking, now=LoopTime(trio.current_time())))
        self.downlink.ring()

    def _on_quality(self, alert: QualityAlert) -> None:
        """The caller's line has become bad in some way, or is good again."""
        say = log.warning if alert.raised else log.info
        say("line quality", call=self.call_id, what=alert_in_words(alert), concern=alert.concern.value, at_ms=alert.at)
        self._note(LineJudged(LoopTime(trio.current_time()), alert))

    def _on_echo(self, path: EchoPath) -> None:
        """The caller's line returns the model's voice."""
        log.info("echo", call=self.call_id, delay_ms=path.delay, return_loss_db=path.return_loss_db)
        self._note(EchoHeard(LoopTime(trio.current_time()), path))

    def _on_batch(self, batch: Batch) -> None:
        self.account.on_batch(batch, LoopTime(trio.current_time()))

    # -- what remains -------------------------------------------------------------------------------------------

    def report(self, started: datetime) -> CallReport:
        """The account of the call that is over, beside its transcript."""
        now = LoopTime(trio.current_time())
        if self.monitor is not None:
            self.monitor.measure(now)
        end = self.ending.end_of_call or End(EndReason.FAULT, "cancelled from outside")
        passed_on = self.session.line.in_words(now) if end.reason is EndReason.CALLER_HUNG_UP else ""
        counts, who = self.session.statistics(), self.caller.started
        audio, words = audio_account(self.uplink, self.playout, self._media, now), self.transcript()
        return CallReport(
            call_id=self.call_id,
            platform_call_id=who.platform_call_id,
            stream_id=who.stream_id,
            caller=who.caller or self._named.caller,
            callee=who.callee or self._named.callee,
            started=started,
            seconds=round(now - self.began, 3),
            end=end.reason,
            end_detail="; ".join(filter(None, (end.detail, passed_on))),
            setup_seconds=self.account.ready_after,
            turns=self.account.turns(),
            caller_turns=counts.turns,
            barge_ins=counts.barge_ins,
            audio=audio,
            line_gaps=self.account.gaps(now),
            model_gaps=self.account.model_gaps(now),
            rollovers=tuple(self.account.rollovers),
            silences=counts.silences,
            model_errors=counts.model_errors,
            unknown_messages=counts.unknown,
            unreadable_messages=self._unreadable,
            recording=None if self.recording.path is None else str(self.recording.path),
            recording_fault=self.recording.fault,
            story=self.account.story(),
            hearing=None if self.tap is None else self.tap.statistics(),
            words=self.account.counts(words),
            quality=None if self.monitor is None else self.monitor.summary(),
            recording_pauses=tuple(self.recording.tape.pauses),
            false_barge_ins=counts.false_barge_ins,
            tool_calls=counts.tool_calls,
            tokens=counts.tokens,
            dollars=round(counts.tokens.cost(self._prices), 6),
            peaks=Peaks(self.playout.leg.ms_of(self.uplink.peak_bytes), self.playout.leg.ms_of(self.playout.peak)),
            underruns=self.playout.underruns,
            agent=self._agent,
        )

    def transcript(self) -> Sequence[Line]:
        """What was said. The call is over: what the caller has not heard by now is cut."""
        return self.account.lines(LoopTime(trio.current_time()), self.model.when_said)
