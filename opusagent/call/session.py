"""What a call decides: events of both legs in, commands out, the time as an argument. Nothing here waits.

The conversation, seen from the bridge:

    opening     the model's socket is open; `session.created` is answered with our `session.update`
    talking     `session.updated` came: the model is configured, caller audio may flow, a greeting is asked for
    parting     somebody wants the call to end; it ends when the goodbye has been heard, or when that takes too long

In `talking` several things run side by side, each a small machine of its own. The *response gate* knows whether a
response is being made, and lets at most one be asked for, and none while the caller speaks. What the model said is in
the *playout*, which outlives the response by as long as the caller needs to listen. The *floor* knows whether the
caller speaks, and whether that is an interruption. *Tool calls* are run once and answered once; *digits* become
sequences, and interrupt as words do. A goodbye may be interrupted too: what the caller says into it is answered, and
the call ends when the answer has been heard, in the same time.

An interruption has two parts that are independent of each other: whatever is in the playout is cut and the platform
told to clear, and whatever response is still being generated is muted, because its deltas may arrive for a while. For
every item that the caller did not hear to its end, the model is told how many milliseconds were heard, so that it
remembers the conversation that took place. With the default policy the service cancels its own active response
(`interrupt_response`), so we do not send `response.cancel`: it would race and be refused. With a policy that is ours
(`TurnPolicy.is_ours`) the service neither interrupts nor answers by itself, and we do both.

Every timer is a value: `deadline` says when `on_time` has something to do. After an `EndCall` nothing is decided any
more: no command follows it, and no deadline.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from opusagent.call.attention import Attention
from opusagent.call.captions import Captions
from opusagent.call.commands import (
    Command,
    Deafen,
    EndCall,
    FillSilence,
    Note,
    TellCaller,
    TellModel,
)
from opusagent.call.counts import SessionCounts
from opusagent.call.errands import Errands
from opusagent.call.farewell import Farewell
from opusagent.call.faults import Faults
from opusagent.call.floor import Floor
from opusagent.call.gate import ResponseGate
from opusagent.call.keypad import KEY, Keypad
from opusagent.call.line import Line
from opusagent.call.moments import CallerSpoke, ModelSaid
from opusagent.call.owner import END_OF_TURN, SilenceOwner
from opusagent.call.playout import CAPACITY, Playout
from opusagent.call.policy import Interrupt, Policy
from opusagent.call.presence import Presence
from opusagent.call.reasons import End
from opusagent.call.rollover import RECHECK, Rollover
from opusagent.call.turn_taking import TurnTaking
from opusagent.call.usage import Tokens, tokens_of, transcribed
from opusagent.call.voice import Voice
from opusagent.platforms.dialect import (
    CallerAudio,
    CallerEvent,
    CallerLeft,
    CallerNamed,
    CallerSoundBegan,
    CallerSoundPaused,
    CallResumed,
    CallStarted,
    Chatter,
    KeysPressed,
    MarkReached,
    Unknown,
    WordsRecognised,
)
from opusagent.realtime.events import (
    ConversationItemAdded,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Response,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemDone,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    UnknownEvent,
)
from opusagent.units import LoopTime, ResponseId


class Session:
    """The decisions of one call."""

    def __init__(self, opening: SessionUpdate, playout: Playout, policy: Policy) -> None:
        self.playout: Final = playout
        self._opening: Final = opening
        self._policy: Final = policy
        self._gate: Final = ResponseGate(answers_turns=not policy.turns.is_ours)
        self._voice: Final = Voice(playout, self._gate, policy.instructions, cancels=policy.turns.is_ours)
        self._floor: Final = Floor(policy.turns)
        self._faults: Final = Faults(self._gate)
        self._farewell: Final = Farewell(policy.goodbye_seconds, policy.budget)
        self._attention: Final = Attention(
            always=policy.turns.interrupt is Interrupt.NEVER,
            greeting=policy.greeting is not None and not policy.turns.greeting_interruptible,
        )
        self.line: Final = Line()
        self._keypad: Final = Keypad(policy, self._voice, self._gate, self._attention, self._farewell, self.line)
        self._errands: Final = Errands(policy, self._voice, self._gate, self._farewell, self.line)
        self._captions: Final = Captions()
        self.silence: Final = SilenceOwner(policy, self._voice, self._gate, self._errands, self._farewell, self.line)
        self._presence: Final = Presence(policy, self._voice, self._gate, self._floor, self._errands)
        rests = (self._gate, self._floor, self.silence, self._farewell, self._faults)
        self.rollover: Final = Rollover(opening, playout, *rests)
        self._turns: Final = TurnTaking(
            policy.turns, self._voice, self._gate, self._floor, self._attention, self._presence, self.silence
        )
        self._end: End | None = None
        self._last_before_goodbye: ResponseId | None = None
        self._tokens = Tokens()

    # -- the model's events --------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the model said."""
        self.silence.on_event(now)
        if isinstance(event, ResponseOutputAudioDelta):
            began = self._on_audio(event, now)
            return self.settled(began, now) if began else ()
        self.rollover.on_model(event, now)
        return self.settled(self._decide(event, now), now)

    def _decide(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        match event:
            case InputAudioBufferSpeechStarted():
                return self._turns.on_started(now)
            case InputAudioBufferSpeechStopped():
                return self._turns.on_stopped(now)
            case InputAudioBufferCommitted():
                return self._turns.on_committed(now)
            case ResponseCreated():
                return self._voice.on_created(ResponseId(event.response.id))
            case ResponseOutputItemDone():
                return self._errands.on_item(event.item, ResponseId(event.response_id), now)
            case ResponseDone():
                return self._on_response_done(event.response, now)
            case SessionCreated():
                return (TellModel(self._opening),)
            case SessionUpdated():
                return self._presence.on_configured(now)
            case ErrorEvent():
                return self._faults.on_error(event.error, configured=self._presence.is_here, now=now)
            case ResponseOutputAudioTranscriptDone():
                return (Note(ModelSaid(now, event.transcript)),)
            case ConversationItemInputAudioTranscriptionCompleted():
                return self._on_words(event, now)
            case ConversationItemInputAudioTranscriptionDelta():
                return self._captions.push(event.item_id, event.delta or "")
            case ConversationItemAdded():
                self._gate.on_added(event.item)
                return ()
            case UnknownEvent():
                self._faults.on_unknown(f"model {event.type}")
                return ()
            case _:
                return ()

    # -- losing the model ----------------------------------------------------------------------------------------

    def begin(self, now: LoopTime, *, is_listening: bool) -> None:
        """The call begins, and waits for a model; `is_listening`: the caller hears what we say meanwhile."""
        self._presence.is_listening = is_listening
        self.silence.incoming.begin(now)
        self.settled((), now)

    def on_model_lost(self, lost: End, now: LoopTime) -> Sequence[Command]:
        """The model's session is gone; another one is tried for. What is in the playout is still heard."""
        self.silence.on_lost(lost)
        self._captions.forget()
        self._say_goodbye_next(now)
        return self.settled((*self.rollover.forget(), *self._presence.on_lost(lost, now)), now)

    def on_configured(self, now: LoopTime) -> Sequence[Command]:
        """The session that is to serve has taken our settings, perhaps while it still was a spare."""
        return self.settled(self._presence.on_configured(now), now)

    def on_rolled_over(self, now: LoopTime) -> Sequence[Command]:
        """It has taken over."""
        self.rollover.forget()
        self._captions.forget()
        return self.settled(self._presence.on_relieved(now), now)

    def give_up(self, end: End, now: LoopTime) -> Sequence[Command]:
        """Nobody can serve the caller: they are told so, or passed on, and the call ends with `end`."""
        heard = self._presence.can_be_heard
        return self.settled(self.silence.give_up(end, now) if heard else (EndCall(end),), now)

    def _on_audio(self, event: ResponseOutputAudioDelta, now: LoopTime) -> Sequence[Command]:
        if not self._presence.is_here or self._end is not None:
            # It speaks without instructions, and to nobody: no platform has been told that the call is taken.
            return ()
        began = self._voice.on_audio(event, now, self._turns.paused)
        if began:
            self._turns.paused = None
            self._presence.on_answer()
            self.silence.on_answer()
        return began

    def _on_response_done(self, done: Response, now: LoopTime) -> Sequence[Command]:
        response = ResponseId(done.id)
        if self._voice.is_over(response):
            return ()
        self._tokens += tokens_of(done.usage)
        commands = list(self._errands.on_response_done(done, now))
        if self._errands.is_in_vain(done):
            self.silence.on_failed()
        commands += (*self._voice.on_done(response, now), *self._errands.go_on(now))
        if response == self._last_before_goodbye:
            self._say_goodbye_next(now)
        details = done.status_details
        if done.status == "failed" and details is not None and details.error is not None:
            commands += self._faults.on_error(details.error, configured=self._presence.is_here, now=now)
        return (*commands, *self._spend(now))

    def _on_words(self, event: ConversationItemInputAudioTranscriptionCompleted, now: LoopTime) -> Sequence[Command]:
        """What the caller said is written down, which costs money of its own."""
        if not self._captions.complete(event.item_id, event.content_index):
            return ()
        self._tokens += transcribed(event.usage)
        recognised = WordsRecognised(event.transcript, final=True)
        return (TellCaller(recognised), Note(CallerSpoke(now, event.transcript)), *self._spend(now))

    def on_ear(self, *, speaking: bool, now: LoopTime) -> Sequence[Command]:
        """Our own ears heard the caller begin or end to speak."""
        self.rollover.on_ear(speaking=speaking, now=now)
        return self.settled(self._turns.on_ear(speaking=speaking, now=now), now)

    # -- tools, money, and the end ---------------------------------------------------------------------------------

    def on_tool_result(self, call_id: str, output: str, now: LoopTime) -> Sequence[Command]:
        """What came of a tool call: a result or a failure, told to the model in the same way."""
        return self.settled(self._errands.on_result(call_id, output, now), now)

    def on_transfer(self, target: str, why_not: str, now: LoopTime) -> Sequence[Command]:
        """The transfer that a key asked for, or that no model is there, was done, or was not, and `why_not`."""
        by = self._keypad if self.line.holder == KEY else self.silence
        self.line.give_back(self.line.holder, now, gone=not why_not)
        return self.settled(by.on_transfer(target, why_not, now), now)

    def _spend(self, now: LoopTime) -> Sequence[Command]:
        if not self._farewell.is_money_spent(self._tokens):
            return ()
        self._last_before_goodbye = self._gate.active
        heard = self.playout.silent_from(now)
        self._farewell.begin(now, after=heard if self._gate.active is None else LoopTime(heard + CAPACITY / 1000))
        return self._voice.ask_with(self._policy.winding_down, now)

    def _say_goodbye_next(self, now: LoopTime) -> None:
        """What was being said when the money was spent has been said; the caller may still have to hear it."""
        if self._last_before_goodbye is not None:
            self._last_before_goodbye = None
            self._farewell.move(self.playout.silent_from(now))

    # -- the caller's events ---------------------------------------------------------------------------------------

    def on_caller(self, event: CallerEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the caller's platform said. Audio does not come here: it goes straight up."""
        match event:
            case MarkReached():
                self.playout.on_mark(event.name, now)
                return self.settled((), now)
            case KeysPressed():
                return self.settled(self._keypad.press(event.digits, now), now)
            case Unknown():
                self._faults.on_unknown(f"caller {event.kind}")
                return ()
            case CallerSoundPaused():
                # The model counts the audio that it is given and no clock. A caller who is cut short in mid-word by a
                # platform without barge-in would speak for ever, so the model hears silence, once and for so long as
                # ends a turn; otherwise a pause of the platform's is not silence of the caller's, and adds none.
                return (FillSilence(END_OF_TURN),) if self._floor.is_speaking else ()
            case CallerAudio() | CallerLeft() | CallStarted() | CallResumed() | CallerNamed():
                return ()
            case CallerSoundBegan() | Chatter():
                return ()
        assert_never(event)

    def on_line_lost(self) -> None:
        """The platform is away, and may come back."""
        self._farewell.suspend()
        self.line.is_away = True

    def on_line_back(self, gap: float, now: LoopTime) -> Sequence[Command]:
        """The platform is back after `gap` seconds."""
        self._farewell.resume(now)
        self.line.is_away = False
        return self.settled(self._voice.on_line_back(gap, now), now)

    # -- time ----------------------------------------------------------------------------------------------------

    def deadline(self, now: LoopTime) -> LoopTime | None:
        """When `on_time` has something to do, None if only events can change anything."""
        if self._end is not None:
            return None
        own = (self._floor.deadline, self._keypad.deadline, self._gate.deadline, self._farewell.deadline)
        errands = (self._errands.filler_due(now), self._errands.line_deadline)
        owner = (self.silence.deadline(speaking=self._floor.is_speaking), self.rollover.deadline)
        times = (*own, *errands, *owner, self._settles_at(now))
        return min((time for time in times if time is not None), default=None)

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """A deadline has come."""
        interrupted = self._voice.obey(self._floor.on_time(now), now)
        asked = tuple(map(TellModel, self._gate.on_time(now)))
        told = (*self._keypad.on_time(now), *self._errands.on_time(now), *self._turns.on_time(now))
        return self.settled((*interrupted, *asked, *told, *self._miss_sound(now)), now)

    def settled(self, commands: Sequence[Command], now: LoopTime) -> Sequence[Command]:
        """`commands`, and what follows from how things stand then, perhaps the end. Nothing follows that."""
        if self._end is not None:
            return ()
        follow = (*commands, *self._break_silence(now), *self._take_line(now), *self._end_if_parted(now))
        is_settled = self._presence.is_here and not (self._keypad.wants_answer or self.line.holder)
        follow = (*follow, *self._listen_or_not(now), *self.rollover.observe(is_settled=is_settled, now=now))
        for place, command in enumerate(follow):
            if isinstance(command, EndCall):
                self._end = command.end
                return follow[: place + 1]
        return follow

    def _break_silence(self, now: LoopTime) -> Sequence[Command]:
        if not self._presence.can_be_heard:
            return ()
        return self.silence.observe(ready=self._presence.is_here, speaking=self._floor.is_speaking, now=now)

    def _miss_sound(self, now: LoopTime) -> Sequence[Command]:
        if not self._presence.can_be_heard:
            self.silence.incoming.begin(now)  # a platform whose call is not taken yet owes none
            return ()
        speaking = self._floor.is_speaking
        return self.silence.observe_line(ready=self._presence.is_here, speaking=speaking, now=now)

    def _settles_at(self, now: LoopTime) -> LoopTime | None:
        """When everything will have been heard, if that is what a farewell or a deaf model waits for."""
        line = self._errands.line_deadline is not None and not self._gate.is_busy and self._floor.deadline is None
        awaited = line or (self._farewell.deadline is not None and self._has_said_all)
        if not awaited and (not self._attention.is_deaf or self._gate.is_busy):
            return None
        if self.playout.is_quiet(now):
            return now
        quiet = self.playout.quiet_at(now)
        return None if quiet is None else quiet if quiet > now else LoopTime(now + RECHECK)

    def _take_line(self, now: LoopTime) -> Sequence[Command]:
        # A noise is no objection: as long as it may be one, nothing is decided.
        is_suspected = self._floor.deadline is not None
        heard, interrupted = not self._voice.is_busy(now), self._floor.is_speaking and not is_suspected
        tools = self._errands.take_line(now, heard=heard and not is_suspected, interrupted=interrupted)
        return (*tools, *self.silence.pass_on(now))

    @property
    def _has_said_all(self) -> bool:
        if self._farewell.is_final:
            return not self.silence.waits_for_transfer
        owes = self._presence.owes or self._gate.is_held or self._errands.is_busy or self._keypad.wants_answer
        return self._gate.is_free and not owes and not self.line.holder

    def _end_if_parted(self, now: LoopTime) -> Sequence[Command]:
        if self._last_before_goodbye is None and self.playout.is_quiet(now):
            self._farewell.hasten(now)
        end = self._farewell.end(now, heard=self._has_said_all and self.playout.is_quiet(now))
        return () if end is None else (EndCall(end),)

    def _listen_or_not(self, now: LoopTime) -> Sequence[Command]:
        if self._attention.may_interrupt:
            return ()
        deaf = self._attention.change(busy=self._voice.is_busy(now), answered=self._voice.responses > 0)
        return () if deaf is None else (Deafen(deaf),)

    def statistics(self) -> SessionCounts:
        """What was counted so far."""
        return SessionCounts(
            turns=self._turns.count,
            barge_ins=self._voice.barge_ins,
            false_barge_ins=self._voice.false_barge_ins,
            responses=self._voice.responses,
            tool_calls=self._errands.made,
            tokens=self._tokens,
            model_errors=dict(self._faults.counts),
            unknown=dict(self._faults.unknown),
            silences=self.silence.counts,
        )
