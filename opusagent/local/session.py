"""The server's side of one Realtime session as a machine: client events in, server events out, time as an argument.

What happens by itself (deltas, transcripts, the idle prompt, the end of the hour) is due at a time that `next_due`
tells and `tick` performs. The machine waits for nothing and knows no socket, so a whole conversation can be played
through it in a test's loop.

Invariants: every event has an id of its own; every response that was created is done exactly once, unless the session
ends before, and says nothing after that; at most one response at a time writes to the default conversation; a refused
event changes nothing.
"""

import heapq
from collections.abc import Sequence
from itertools import count
from typing import Final, TypeAlias, assert_never

import attrs

from opusagent.errors import GOING_AWAY, NORMAL_CLOSURE
from opusagent.local.answers import MODEL_TOKEN, Pace
from opusagent.local.conversation import Conversation, Entry, Names, entry_from_client, user_audio
from opusagent.local.door import read_client, unknown_type
from opusagent.local.refusals import Refusal
from opusagent.local.responses import Responses
from opusagent.local.settings import check_update, first_settings, input_of, media_of, merged, turn_rules
from opusagent.local.turns import COMMIT_MINIMUM, InputBuffer, TurnBegan, TurnEnded
from opusagent.local.voices import Voice
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemAdded,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemRetrieve,
    ConversationItemRetrieved,
    ConversationItemTruncate,
    ConversationItemTruncated,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCleared,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    OutputAudioBufferClear,
    OutputTokens,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    ResponseOptions,
    ServerEvent,
    Session,
    SessionClose,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    Transcription,
    TranscriptionSessionUpdate,
    TranscriptionUsage,
    UnknownEvent,
    Usage,
)
from opusagent.units import LoopTime

ItemEvent: TypeAlias = (
    ConversationItemCreate | ConversationItemRetrieve | ConversationItemTruncate | ConversationItemDelete
)

SESSION_SECONDS: Final = 3600.0
"""The service's hard limit: 60 minutes."""

EXPIRED: Final = "Your session hit the maximum duration of 60 minutes."
TRANSCRIPTION_SECONDS: Final = 0.3
"""How long after a commit the caller's words come, where transcription is on."""

APPEND_LIMIT: Final = 15 * 1024 * 1024
"""Bytes in one `input_audio_buffer.append`."""


@attrs.frozen
class Goodbye:
    """How the server ends the session: the WebSocket's close code and reason."""

    code: int
    reason: str


@attrs.define(eq=False)
class LocalSession:
    """One session.

    `tag` makes its ids unique among sessions; `expires_at` is what the client is told, in epoch seconds.
    """

    tag: str
    model: str
    voice: Voice
    opened: LoopTime
    expires_at: int
    pace: Pace = attrs.field(factory=Pace)
    settings: Session = attrs.field(init=False)
    goodbye: Goodbye | None = attrs.field(default=None, init=False)
    _names: Names = attrs.field(init=False)
    _conversation: Conversation = attrs.field(factory=Conversation, init=False)
    _buffer: InputBuffer = attrs.field(factory=InputBuffer, init=False)
    _responses: Responses = attrs.field(init=False)
    _turn_item: str | None = attrs.field(default=None, init=False)
    _quiet_from: LoopTime | None = attrs.field(default=None, init=False)
    _agenda: list[tuple[LoopTime, int, ServerEvent]] = attrs.field(
        factory=list[tuple[LoopTime, int, ServerEvent]], init=False
    )
    _order: "count[int]" = attrs.field(factory=count, init=False)

    def __attrs_post_init__(self) -> None:
        self._names = Names(self.tag)
        self.settings = first_settings(self._names.new("sess"), self.model, self.expires_at)
        self._responses = Responses(self._conversation, self._names.new("conv"), self._names, self.voice, self.pace)

    def opening(self) -> Sequence[ServerEvent]:
        """What the client is told before it says anything."""
        return self._named([SessionCreated(session=self.settings)])

    def hear_text(self, text: str, now: LoopTime) -> Sequence[ServerEvent]:
        """Answer a client's message, held against the protocol as strictly as the service does. Never raises for it."""
        event = read_client(text)
        if isinstance(event, ErrorDetail):
            return self._named([*self._advance(now), *([ErrorEvent(error=event)] if self.goodbye is None else [])])
        return self.hear(event, now)

    def hear(self, event: ClientEvent | UnknownEvent, now: LoopTime) -> Sequence[ServerEvent]:
        """Answer a client's event, after whatever was due before `now`. After the goodbye nothing is answered."""
        events = self._advance(now)
        if self.goodbye is not None:
            return self._named(events)
        try:
            events += self._answer(event, now)
        except Refusal as refusal:
            event_id = None if isinstance(event, UnknownEvent) else event.event_id
            events.append(ErrorEvent(error=refusal.detail(event_id)))
        return self._named(events)

    def next_due(self) -> LoopTime | None:
        """When `tick` will have something to say, if no client event comes before; None after the goodbye."""
        if self.goodbye is not None:
            return None
        own = self._agenda[0][0] if self._agenda else None
        return min(due for due in (own, self._responses.next_due, self._idle_due, self._expiry) if due is not None)

    def tick(self, now: LoopTime) -> Sequence[ServerEvent]:
        """Everything that was due until `now`, in order."""
        return self._named(self._advance(now))

    @property
    def active(self) -> Sequence[str]:
        """The ids of the responses under way."""
        return self._responses.active

    @property
    def _expiry(self) -> LoopTime:
        return LoopTime(self.opened + SESSION_SECONDS)

    @property
    def _idle_due(self) -> LoopTime | None:
        rules = self._buffer.rules
        if rules is None or rules.idle_timeout is None or self._quiet_from is None:
            return None
        if self._responses.speaking or self._buffer.speaking:
            return None
        return LoopTime(self._quiet_from + rules.idle_timeout / 1000)

    def _advance(self, now: LoopTime) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        while (due := self.next_due()) is not None and due <= now:
            events += self._perform(due)
        return events

    def _perform(self, due: LoopTime) -> list[ServerEvent]:
        """What is due at `due`, which is the earliest."""
        if self._agenda and self._agenda[0][0] <= due:
            return [heapq.heappop(self._agenda)[2]]
        if self._responses.next_due == due:
            return self._watched(self._responses.step(), due)
        if self._idle_due == due:
            return self._prompted(due)
        self.goodbye = Goodbye(GOING_AWAY, EXPIRED)
        return [ErrorEvent(error=Refusal("session_expired", EXPIRED).detail(None))]

    def _answer(self, event: ClientEvent | UnknownEvent, now: LoopTime) -> list[ServerEvent]:
        match event:
            case InputAudioBufferAppend():
                return self._append(event.audio, now)
            case SessionUpdate():
                return self._update(event.session)
            case InputAudioBufferCommit():
                return self._commit(now)
            case InputAudioBufferClear():
                self._buffer.take()
                self._turn_item = None
                return [InputAudioBufferCleared()]
            case (
                ConversationItemCreate()
                | ConversationItemRetrieve()
                | ConversationItemTruncate()
                | ConversationItemDelete()
            ):
                return self._edit(event)
            case ResponseCreate():
                return self._responses.create(event.response or ResponseOptions(), self.settings, now)
            case ResponseCancel():
                return self._watched(self._responses.cancel(event.response_id), now)
            case SessionClose():
                self.goodbye = Goodbye(NORMAL_CLOSURE, "")
                return []
            case OutputAudioBufferClear() | UnknownEvent():
                raise unknown_type(event.type)
            case TranscriptionSessionUpdate():
                raise Refusal("invalid_value", "This is not a transcription session.", param="type")
        assert_never(event)

    def _edit(self, event: ItemEvent) -> list[ServerEvent]:
        match event:
            case ConversationItemCreate():
                item_id = event.item.id or self._names.new("item")
                entry = entry_from_client(event.item, item_id, self._buffer.media)
                return _entered(entry, self._conversation.insert(entry, event.previous_item_id))
            case ConversationItemRetrieve():
                return [ConversationItemRetrieved(item=self._conversation.retrieve(event.item_id))]
            case ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=end):
                self._conversation.truncate(item_id, index, end)
                return [ConversationItemTruncated(item_id=item_id, content_index=index, audio_end_ms=end)]
            case ConversationItemDelete():
                self._conversation.delete(event.item_id)
                return [ConversationItemDeleted(item_id=event.item_id)]
        assert_never(event)

    def _update(self, update: Session) -> list[ServerEvent]:
        check_update(self.settings, update, voice_used=self._responses.voice_used)
        self.settings = merged(self.settings, update)
        heard = input_of(self.settings)
        self._buffer.configure(media_of(heard.format), turn_rules(heard.turn_detection))
        if not self._buffer.speaking:
            self._turn_item = None
        return [SessionUpdated(session=self.settings)]

    def _append(self, audio: bytes, now: LoopTime) -> list[ServerEvent]:
        if len(audio) > APPEND_LIMIT:
            raise Refusal("invalid_value", f"An append holds at most {APPEND_LIMIT} bytes of audio.", param="audio")
        if len(audio) % self._buffer.media.bytes_per_sample:
            raise Refusal("invalid_value", "The audio does not hold whole samples.", param="audio")
        events: list[ServerEvent] = []
        for turn in self._buffer.append(audio):
            events += self._began(turn, now) if isinstance(turn, TurnBegan) else self._ended(turn, now)
        return events

    def _began(self, turn: TurnBegan, now: LoopTime) -> list[ServerEvent]:
        self._turn_item, self._quiet_from = self._names.new("item"), None
        rules = self._buffer.rules
        interrupts = rules is not None and rules.interrupt_response
        cancelled = self._responses.interrupt() if interrupts else []
        started = InputAudioBufferSpeechStarted(item_id=self._turn_item, audio_start_ms=turn.start)
        return [started, *self._watched(cancelled, now)]

    def _ended(self, turn: TurnEnded, now: LoopTime) -> list[ServerEvent]:
        stopped = InputAudioBufferSpeechStopped(item_id=self._next_item(), audio_end_ms=turn.end)
        events = [stopped, *self._committed(stopped.item_id, turn.audio, now)]
        rules = self._buffer.rules
        # A turn that ends while a response is active stays unanswered, as the service's schema warns.
        if rules is not None and rules.create_response and not self._responses.speaking:
            events += self._responses.create(ResponseOptions(), self.settings, now)
        return events

    def _prompted(self, now: LoopTime) -> list[ServerEvent]:
        """The caller said nothing for the idle timeout: the model goes on by itself."""
        self._quiet_from = None
        timeout = InputAudioBufferTimeoutTriggered(
            item_id=self._next_item(), audio_start_ms=self._buffer.start, audio_end_ms=self._buffer.end
        )
        committed = self._committed(timeout.item_id, self._buffer.take(), now)
        return [timeout, *committed, *self._responses.create(ResponseOptions(), self.settings, now)]

    def _commit(self, now: LoopTime) -> list[ServerEvent]:
        held = self._buffer.end - self._buffer.start
        if held < COMMIT_MINIMUM:
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {COMMIT_MINIMUM}ms of "
                f"audio, but buffer only has {held}ms of audio."
            )
            raise Refusal("input_audio_buffer_commit_empty", message)
        return self._committed(self._next_item(), self._buffer.take(), now)

    def _committed(self, item_id: str, audio: bytes, now: LoopTime) -> list[ServerEvent]:
        entry = user_audio(item_id, audio, self._buffer.media)
        previous = self._conversation.append(entry)
        if isinstance(input_of(self.settings).transcription, Transcription):
            due = LoopTime(now + TRANSCRIPTION_SECONDS)
            heapq.heappush(self._agenda, (due, next(self._order), _transcribed(entry)))
        committed = InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous)
        return [committed, *_entered(entry, previous)]

    def _next_item(self) -> str:
        """The item that `speech_started` announced, else a new one."""
        item_id, self._turn_item = self._turn_item or self._names.new("item"), None
        return item_id

    def _watched(self, events: list[ServerEvent], now: LoopTime) -> list[ServerEvent]:
        """`events`, after noting when the caller will have heard the last of the model, by the service's estimate."""
        for event in events:
            if isinstance(event, ResponseDone) and event.response.conversation_id is not None:
                usage = event.response.usage or Usage()
                spoken = (usage.output_token_details or OutputTokens()).audio_tokens or 0
                self._quiet_from = LoopTime(now + spoken * MODEL_TOKEN / 1000)
        return events

    def _named(self, events: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        return [attrs.evolve(event, event_id=self._names.new("event")) for event in events]


def _entered(entry: Entry, previous: str | None) -> list[ServerEvent]:
    return [
        ConversationItemAdded(item=entry.item, previous_item_id=previous),
        ConversationItemDone(item=entry.item, previous_item_id=previous),
    ]


def _transcribed(entry: Entry) -> ServerEvent:
    """The words of the caller, as far as a backend without speech recognition can tell them."""
    seconds = entry.duration / 1000
    return ConversationItemInputAudioTranscriptionCompleted(
        item_id=entry.id,
        content_index=0,
        transcript=f"(speech, {seconds:.1f} s)",
        usage=TranscriptionUsage(type="duration", seconds=seconds),
    )
