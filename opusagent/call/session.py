"""What a call decides: events of both legs in, commands out, the time as an argument. Nothing here waits.

The conversation, seen from the bridge:

    opening     the model's socket is open; `session.created` is answered with our `session.update`
    talking     `session.updated` came: the model is configured, caller audio may flow, a greeting is asked for

In `talking` two things run side by side. The model's *response* is generated faster than real time; at most one is
active in the conversation. What it said is in the *playout*, which outlives the response by as long as the caller
needs to listen. A barge-in (the service's own voice activity detection says that the caller speaks) therefore has two
parts that are independent of each other: whatever is in the playout is cut and the platform told to clear, and
whatever response is still being generated is muted, because its deltas may arrive for a while. For every item that the
caller did not hear to its end, the model is told how many milliseconds were heard, so that it remembers the
conversation that took place.

The service cancels its own active response on a barge-in (`interrupt_response`), so we do not send `response.cancel`:
it would race and be refused. `error` events are mostly recoverable and are counted; only those in `FATAL_CODES` say
that no session will ever work.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, assert_never

import attrs

from opusagent.call.moments import (
    AnswerBegan,
    CallerPaused,
    CallerSpoke,
    Interrupted,
    KeysCame,
    ModelErred,
    ModelReady,
    ModelSaid,
    Moment,
)
from opusagent.call.playout import Cut, Playout
from opusagent.call.reasons import End, EndReason
from opusagent.errors import INTERNAL_ERROR
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
    Notice,
    SpeechSign,
    Unknown,
    WordsRecognised,
)
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemTruncate,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDone,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    UnknownEvent,
)
from opusagent.realtime.settings import greeting_response
from opusagent.units import ItemId, LoopTime, Ms, ResponseId

FATAL_CODES: Final = frozenset({
    "account_deactivated",
    "beta_api_shape_disabled",
    "billing_hard_limit_reached",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_model",
    "missing_model",
    "model_not_found",
})  # fmt: skip
"""Error codes after which no session with these settings can work (OpenAI Realtime error codes)."""


END_OF_TURN: Final = Ms(1000)
"""Silence that ends a turn: twice the service's default `silence_duration_ms` of 500."""

HELD_SECONDS: Final = 5.0
"""How long speech that a broken line held up is worth hearing. After more, the caller has to be asked anew."""


@attrs.frozen
class TellModel:
    """Send this to the model. Control: it overtakes audio."""

    event: ClientEvent


@attrs.frozen
class ClearCaller:
    """Have the platform drop what it has not played. It overtakes audio; the playout has been cut already."""

    at: LoopTime


@attrs.frozen
class AcceptCaller:
    """The model is ready: the platform may be told so, and the caller's audio may flow."""


@attrs.frozen
class TellCaller:
    """Tell the platform about the conversation, if it has words for it."""

    notice: Notice


@attrs.frozen
class FillSilence:
    """Let the model hear that the caller is silent, where the platform sends nothing."""

    ms: Ms


@attrs.frozen
class EndCall:
    """The call is over."""

    end: End


@attrs.frozen
class Note:
    """Something happened that people and reports want to know."""

    moment: Moment


Command = TellModel | ClearCaller | AcceptCaller | TellCaller | FillSilence | EndCall | Note


@attrs.frozen
class SessionCounts:
    """What a session counted."""

    turns: int
    barge_ins: int
    responses: int
    model_errors: dict[str, int]
    unknown: dict[str, int]


class Session:
    """The decisions of one call."""

    def __init__(self, opening: SessionUpdate, playout: Playout, *, instructions: str, greeting: str | None) -> None:
        self.playout: Final = playout
        self._opening: Final = opening
        self._instructions: Final = instructions
        self._greeting: Final = greeting
        self._ready = False
        self._active: ResponseId | None = None
        self._muted: set[ResponseId] = set()
        self._silent: set[ResponseId] = set()
        self._caller_paused: LoopTime | None = None
        self._caller_speaks = False
        self._words_of = self._words = ""
        self._turns = self._barge_ins = self._responses = 0
        self._errors: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    # -- the model's events --------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the model said."""
        match event:
            case ResponseOutputAudioDelta():
                return self._on_audio(event, now)
            case InputAudioBufferSpeechStarted():
                return self._on_speech_started(now)
            case InputAudioBufferSpeechStopped():
                self._caller_paused = now
                self._caller_speaks = False
                return (TellCaller(SpeechSign.STOPPED), Note(CallerPaused(now)))
            case InputAudioBufferCommitted():
                return (TellCaller(SpeechSign.COMMITTED),)
            case ResponseCreated():
                self._on_response_created(event)
                return ()
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
        commands: list[Command] = [AcceptCaller(), Note(ModelReady(now))]
        if self._greeting is not None:
            commands.append(TellModel(greeting_response(self._instructions, self._greeting)))
        return commands

    def _on_audio(self, event: ResponseOutputAudioDelta, now: LoopTime) -> Sequence[Command]:
        response = ResponseId(event.response_id)
        if response in self._muted:
            return ()
        position = self.playout.pushed
        self.playout.push(ItemId(event.item_id), event.content_index, event.delta)
        if response not in self._silent:
            return ()
        self._silent.discard(response)
        paused, self._caller_paused = self._caller_paused, None
        return (Note(AnswerBegan(now, None if paused is None else now - paused, position)),)

    def _on_response_created(self, event: ResponseCreated) -> None:
        self._active = ResponseId(event.response.id)
        self._silent.add(self._active)
        self._responses += 1

    def _on_response_done(self, event: ResponseDone, now: LoopTime) -> Sequence[Command]:
        response = ResponseId(event.response.id)
        if response not in self._muted:
            self.playout.finish()
        self._muted.discard(response)
        self._silent.discard(response)
        if self._active == response:
            self._active = None
        failed = event.response.status == "failed"
        details = event.response.status_details
        if not failed or details is None or details.error is None:
            return ()
        return self._on_error(details.error, now)

    def _on_speech_started(self, now: LoopTime) -> Sequence[Command]:
        self._turns += 1
        self._caller_paused = None
        self._caller_speaks = True
        if self._active is not None:
            self._muted.add(self._active)
        started = TellCaller(SpeechSign.STARTED)
        if self.playout.is_quiet(now):
            return (started,)
        self._barge_ins += 1
        cuts = self.playout.cut(now)
        return (ClearCaller(now), started, *map(truncation, cuts), Note(Interrupted(now, tuple(cuts))))

    def _on_words(self, event: ConversationItemInputAudioTranscriptionDelta) -> Sequence[Command]:
        """A piece of a transcript; the platform wants the whole of what may have been said so far."""
        if event.item_id != self._words_of:
            self._words_of, self._words = event.item_id, ""
        self._words += event.delta or ""
        return (TellCaller(WordsRecognised(self._words, final=False)),) if self._words else ()

    def _on_error(self, error: ErrorDetail, now: LoopTime) -> Sequence[Command]:
        code = error.code or error.type or "error"
        self._errors[code] += 1
        note = Note(ModelErred(now, code, error.message or "", error.param))
        # Before the session is configured, the only thing asked for is our session.update, which the service drops
        # as a whole when it refuses a part: talking on would be talking to a model that nobody instructed.
        if self._ready and code not in FATAL_CODES:
            return (note,)
        where = f" at {error.param}" if error.param else ""
        return (note, EndCall(End(EndReason.MODEL_REFUSED, f"{code}{where}: {error.message}", INTERNAL_ERROR)))

    # -- the caller's events ---------------------------------------------------------------------------------------

    def on_caller(self, event: CallerEvent, now: LoopTime) -> Sequence[Command]:
        """What to do about what the caller's platform said. Audio does not come here: it goes straight up."""
        match event:
            case MarkReached():
                self.playout.on_mark(event.name, now)
                return ()
            case KeysPressed():
                return (Note(KeysCame(now, event.digits)),)
            case Unknown():
                self._unknown[f"caller {event.kind}"] += 1
                return ()
            case CallerSoundPaused():
                # The model counts the audio that it is given and no clock. A caller who is cut short in mid-word by a
                # platform without barge-in would speak for ever, so the model hears silence, once and for so long as
                # ends a turn; otherwise a pause of the platform's is not silence of the caller's, and adds none.
                return (FillSilence(END_OF_TURN),) if self._caller_speaks else ()
            case CallerAudio() | CallerLeft() | CallStarted() | CallResumed() | CallerNamed():
                return ()
            case CallerSoundBegan() | Chatter():
                return ()
        assert_never(event)

    def on_line_back(self, gap: float, now: LoopTime) -> Sequence[Command]:
        """The platform is back after `gap` seconds. What waited is still worth hearing, or is too old and discarded."""
        if gap <= HELD_SECONDS or self.playout.is_quiet(now):
            return ()
        cuts = self.playout.cut(now)
        if self._active is not None:
            self._muted.add(self._active)
        return (*map(truncation, cuts), Note(Interrupted(now, tuple(cuts))))

    def statistics(self) -> SessionCounts:
        """What was counted so far."""
        return SessionCounts(
            turns=self._turns,
            barge_ins=self._barge_ins,
            responses=self._responses,
            model_errors=dict(self._errors),
            unknown=dict(self._unknown),
        )


def truncation(cut: Cut) -> TellModel:
    """What tells the model how much of an item was heard."""
    return TellModel(
        ConversationItemTruncate(
            item_id=cut.item_id,
            content_index=cut.content_index,
            audio_end_ms=cut.heard,
        )
    )
