"""What a call decides: events of both legs in, commands out, the time as an argument. Nothing here waits.

The conversation, seen from the bridge:

    opening     the model's socket is open; `session.created` is answered with our `session.update`
    talking     `session.updated` came: the model is configured, caller audio may flow, a greeting is asked for
    parting     somebody wants the call to end; it ends when the goodbye has been heard, or when that takes too long

In `talking` several things run side by side, each a small machine of its own. The *response gate* knows whether a
response is being made, and lets at most one be asked for. What the model said is in the *playout*, which outlives the
response by as long as the caller needs to listen. The *floor* knows whether the caller speaks, and whether that is an
interruption. *Tool calls* are run once and answered once; *digits* become sequences.

An interruption has two parts that are independent of each other: whatever is in the playout is cut and the platform
told to clear, and whatever response is still being generated is muted, because its deltas may arrive for a while. For
every item that the caller did not hear to its end, the model is told how many milliseconds were heard, so that it
remembers the conversation that took place. With the default policy the service cancels its own active response
(`interrupt_response`), so we do not send `response.cancel`: it would race and be refused. With a policy that is ours
(`TurnPolicy.is_ours`) the service neither interrupts nor answers by itself, and we do both.

Every timer is a value: `deadline` says when `on_time` has something to do.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, assert_never

import attrs

from opusagent.call.commands import (
    AcceptCaller,
    Command,
    Deafen,
    EndCall,
    FillSilence,
    Note,
    RunTool,
    TellCaller,
    TellModel,
    Transfer,
)
from opusagent.call.digits import DigitCollector, masked
from opusagent.call.farewell import Farewell
from opusagent.call.faults import ALREADY_ACTIVE, Faults, code_of
from opusagent.call.floor import Floor
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import (
    CallerPaused,
    CallerSpoke,
    KeysCame,
    ModelErred,
    ModelReady,
    ModelSaid,
)
from opusagent.call.playout import Playout
from opusagent.call.policy import Interrupt, KeyAction, Policy, TransferTo
from opusagent.call.tool_calls import ToolCalls
from opusagent.call.usage import Tokens, tokens_of
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
    SpeechSign,
    Unknown,
    WordsRecognised,
)
from opusagent.realtime.events import (
    ContentPart,
    ConversationItemCreate,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    ResponseCreate,
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
from opusagent.realtime.settings import greeting_response
from opusagent.units import LoopTime, Ms, ResponseId

END_OF_TURN: Final = Ms(1000)
"""Silence that ends a turn: twice the service's default `silence_duration_ms` of 500."""

END_CALL: Final = "end_call"
"""The built-in tool that the session answers itself: what it does is wait."""


@attrs.frozen
class SessionCounts:
    """What a session counted."""

    turns: int
    barge_ins: int
    false_barge_ins: int
    responses: int
    tool_calls: int
    tokens: Tokens
    model_errors: dict[str, int]
    unknown: dict[str, int]


class Session:
    """The decisions of one call."""

    def __init__(self, opening: SessionUpdate, playout: Playout, policy: Policy) -> None:
        self.playout: Final = playout
        self._opening: Final = opening
        self._policy: Final = policy
        self._gate: Final = ResponseGate()
        self._voice: Final = Voice(playout, self._gate, policy.instructions, cancels=policy.turns.is_ours)
        self._floor: Final = Floor(policy.turns)
        self._tools: Final = ToolCalls()
        self._digits: Final = DigitCollector(policy.digits)
        self._faults: Final = Faults()
        self._farewell: Final = Farewell(policy.goodbye_seconds, policy.budget)
        self._ready = False
        self._deaf = False
        self._greeting = policy.greeting is not None and not policy.turns.greeting_interruptible
        self._caller_paused: LoopTime | None = None
        self._words_of = self._words = ""
        self._turns = 0
        self._tokens = Tokens()
        self._unknown: Counter[str] = Counter()

    # -- the model's events --------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the model said."""
        if isinstance(event, ResponseOutputAudioDelta):
            return self._on_audio(event, now)
        return (*self._decide(event, now), *self._settle(now))

    def _decide(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        match event:
            case InputAudioBufferSpeechStarted():
                return self._on_speech_started(now)
            case InputAudioBufferSpeechStopped():
                return self._on_speech_stopped(now)
            case InputAudioBufferCommitted():
                return self._on_committed()
            case ResponseCreated():
                self._voice.on_created(ResponseId(event.response.id))
                return ()
            case ResponseOutputItemDone():
                return self._on_item(event, now)
            case ResponseDone():
                return self._on_response_done(event, now)
            case SessionCreated():
                return (TellModel(self._opening),)
            case SessionUpdated():
                return self._on_configured(now)
            case ErrorEvent():
                return self._on_error(event.error, now)
            case ResponseOutputAudioTranscriptDone():
                return (Note(ModelSaid(now, event.transcript)),)
            case ConversationItemInputAudioTranscriptionCompleted():
                recognised = WordsRecognised(event.transcript, final=True)
                return (TellCaller(recognised), Note(CallerSpoke(now, event.transcript)))
            case ConversationItemInputAudioTranscriptionDelta():
                return self._on_words(event)
            case UnknownEvent():
                self._unknown[f"model {event.type}"] += 1
                return ()
            case _:
                return ()

    def _on_configured(self, now: LoopTime) -> Sequence[Command]:
        if self._ready:
            return ()
        self._ready = True
        ready = (AcceptCaller(), Note(ModelReady(now)))
        if self._policy.greeting is None:
            return ready
        return (*ready, *self._voice.ask(greeting_response(self._policy.instructions, self._policy.greeting)))

    def _on_audio(self, event: ResponseOutputAudioDelta, now: LoopTime) -> Sequence[Command]:
        if not self._ready:
            # It speaks without instructions, and to nobody: no platform has been told that the call is taken.
            return ()
        began = self._voice.on_audio(event, now, self._caller_paused)
        if not began:
            return ()
        self._caller_paused = None
        return (*began, *self._settle(now))

    def _on_response_done(self, event: ResponseDone, now: LoopTime) -> Sequence[Command]:
        response = ResponseId(event.response.id)
        self._tools.on_response_done(response)
        self._tokens += tokens_of(event.response.usage)
        commands = [*self._voice.on_done(response), *self._go_on_after_tools()]
        details = event.response.status_details
        if event.response.status == "failed" and details is not None and details.error is not None:
            commands += self._on_error(details.error, now)
        return (*commands, *self._spend(now))

    def _on_error(self, error: ErrorDetail, now: LoopTime) -> Sequence[Command]:
        end = self._faults.judge(error, configured=self._ready)
        code = code_of(error)
        if code == ALREADY_ACTIVE:
            self._gate.on_refused(error.event_id)
        note = Note(ModelErred(now, code, error.message or "", error.param))
        return (note,) if end is None else (note, EndCall(end))

    def _on_words(self, event: ConversationItemInputAudioTranscriptionDelta) -> Sequence[Command]:
        """A piece of a transcript; the platform wants the whole of what may have been said so far."""
        if event.item_id != self._words_of:
            self._words_of, self._words = event.item_id, ""
        self._words += event.delta or ""
        return (TellCaller(WordsRecognised(self._words, final=False)),) if self._words else ()

    # -- the floor -----------------------------------------------------------------------------------------------

    def on_ear(self, *, speaking: bool, now: LoopTime) -> Sequence[Command]:
        """Our own ears heard the caller begin or end to speak; it matters where the policy says that they decide."""
        if not self._policy.turns.local or not self._ready:
            return ()
        if speaking:
            return self._on_speech_started(now)
        return (TellModel(InputAudioBufferCommit()), *self._on_speech_stopped(now))

    def _on_speech_started(self, now: LoopTime) -> Sequence[Command]:
        self._turns += 1
        self._caller_paused = None
        verdict = self._floor.on_started(now, busy=self._voice.is_busy(now))
        acts = self._voice.obey(verdict, now)
        # The platform is cleared first: the caller's ear is what an interruption is about.
        return (*acts[:1], TellCaller(SpeechSign.STARTED), *acts[1:])

    def _on_speech_stopped(self, now: LoopTime) -> Sequence[Command]:
        self._caller_paused = now
        verdict = self._floor.on_stopped(now)
        return (TellCaller(SpeechSign.STOPPED), Note(CallerPaused(now)), *self._voice.obey(verdict, now))

    def _on_committed(self) -> Sequence[Command]:
        committed = TellCaller(SpeechSign.COMMITTED)
        if not self._policy.turns.is_ours or not self._floor.is_turn or self._farewell.is_parting:
            return (committed,)
        return (committed, *self._voice.ask(ResponseCreate()))

    # -- tools, money, and the end ---------------------------------------------------------------------------------

    def _on_item(self, event: ResponseOutputItemDone, now: LoopTime) -> Sequence[Command]:
        call = self._tools.on_item(event, now)
        if call is None:
            return ()
        if call.name != END_CALL:
            return (RunTool(call),)
        # Whoever says goodbye and hangs up in one breath has said it; else the model is asked for it.
        self.part(now)
        said = self._voice.has_spoken(ResponseId(event.response_id))
        return tuple(map(TellModel, self._tools.on_result(call.call_id, '{"ok": true}', wants_answer=not said)))

    def on_tool_result(self, call_id: str, output: str, now: LoopTime) -> Sequence[Command]:
        """What came of a tool call: a result or a failure, told to the model in the same way."""
        outputs = map(TellModel, self._tools.on_result(call_id, output))
        return (*outputs, *self._go_on_after_tools(), *self._settle(now))

    def part(self, now: LoopTime) -> None:
        """End the call as soon as what is being said has been heard, or after `goodbye_seconds`."""
        self._farewell.begin(now)

    def _go_on_after_tools(self) -> Sequence[Command]:
        return self._voice.ask(ResponseCreate()) if self._tools.take_finished() else ()

    def _spend(self, now: LoopTime) -> Sequence[Command]:
        if not self._farewell.is_money_spent(self._tokens):
            return ()
        self.part(now)
        return self._voice.ask_with(self._policy.winding_down)

    # -- the caller's events ---------------------------------------------------------------------------------------

    def on_caller(self, event: CallerEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the caller's platform said. Audio does not come here: it goes straight up."""
        match event:
            case MarkReached():
                self.playout.on_mark(event.name, now)
                return self._settle(now)
            case KeysPressed():
                return self._on_keys(event.digits, now)
            case Unknown():
                self._unknown[f"caller {event.kind}"] += 1
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

    def on_line_back(self, gap: float, now: LoopTime) -> Sequence[Command]:
        """The platform is back after `gap` seconds."""
        return self._voice.on_line_back(gap, now)

    def _on_keys(self, digits: str, now: LoopTime) -> Sequence[Command]:
        shown = Note(KeysCame(now, masked(digits, mask=self._policy.mask_digits)))
        return (shown, *(command for keys in self._digits.push(digits, now) for command in self._dialled(keys, now)))

    def _dialled(self, keys: str, now: LoopTime) -> Sequence[Command]:
        """A key or a sequence is complete: it does what it is bound to, or the model is told."""
        match self._policy.keys.get(keys):
            case TransferTo() as transfer:
                return (Transfer(transfer.target),)
            case KeyAction.HANG_UP:
                self.part(now)
                return self._settle(now)
            case KeyAction.IGNORE:
                return ()
            case None:
                said = ContentPart(type="input_text", text=f"[The caller pressed these telephone keys: {keys}]")
                item = Item(type="message", role="user", content=(said,))
                return (TellModel(ConversationItemCreate(item=item)), *self._voice.ask(ResponseCreate()))

    # -- time ----------------------------------------------------------------------------------------------------

    def deadline(self, now: LoopTime) -> LoopTime | None:
        """When `on_time` has something to do, None if only events can change anything."""
        filler = self._tools.filler_due(self._policy.filler_seconds) if self._policy.filler else None
        quiet = self.playout.quiet_at(now) if self._farewell.is_parting or self._deaf else None
        # What is quiet already is not waited for: then it is the model that is waited for, which is an event.
        later = quiet if quiet is not None and quiet > now else None
        times = (self._floor.deadline, self._digits.deadline, filler, self._farewell.deadline, later)
        return min((time for time in times if time is not None), default=None)

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """A deadline has come."""
        dialled = [command for keys in self._digits.on_time(now) for command in self._dialled(keys, now)]
        return (*self._voice.obey(self._floor.on_time(now), now), *dialled, *self._fill(now), *self._settle(now))

    def _fill(self, now: LoopTime) -> Sequence[Command]:
        due = self._tools.filler_due(self._policy.filler_seconds)
        if self._policy.filler is None or due is None or now < due:
            return ()
        self._tools.fill()
        return self._voice.ask_with(self._policy.filler)

    def _settle(self, now: LoopTime) -> Sequence[Command]:
        """What follows from how things stand: the end of a call that is parting, and whether the model may listen."""
        return (*self._end_if_parted(now), *self._listen_or_not(now))

    def _end_if_parted(self, now: LoopTime) -> Sequence[Command]:
        heard = self._gate.is_free and not self._tools.is_busy and self.playout.is_quiet(now)
        end = self._farewell.end(now, heard=heard)
        return () if end is None else (EndCall(end),)

    def _listen_or_not(self, now: LoopTime) -> Sequence[Command]:
        never = self._policy.turns.interrupt is Interrupt.NEVER
        if not never and not self._greeting and not self._deaf:
            return ()
        busy = not self.playout.is_quiet(now) or not self._gate.is_free
        if not busy and self._voice.responses:
            self._greeting = False
        deaf = busy and (never or self._greeting)
        if deaf == self._deaf:
            return ()
        self._deaf = deaf
        return (Deafen(deaf),)

    def statistics(self) -> SessionCounts:
        """What was counted so far."""
        return SessionCounts(
            turns=self._turns,
            barge_ins=self._voice.barge_ins,
            false_barge_ins=self._voice.false_barge_ins,
            responses=self._voice.responses,
            tool_calls=self._tools.made,
            tokens=self._tokens,
            model_errors=dict(self._faults.counts),
            unknown=dict(self._unknown),
        )
