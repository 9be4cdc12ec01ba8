"""A Realtime service and a telephone platform in their simplest form, for the session to decide between.

Both are naive on purpose: the service holds one response, one caller's turn and one conversation, and answers in the
order in which it is asked; the platform plays what it has, in real time, and knows what was heard. Every item's sound
is one byte value of mu-law, so that whoever reads a frame knows whose it is.
"""

from collections import Counter, deque
from collections.abc import Iterator

import attrs

from opusagent.call.errands import NOT_BESIDE, NOT_NOW, PUT_THROUGH
from opusagent.call.playout import Batch
from opusagent.call.policy import Doubt, Interrupt, Policy
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemAdded,
    ConversationItemCreate,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputItemDone,
    ServerEvent,
    Usage,
)
from opusagent.realtime.responses import OutputTokens
from opusagent.units import LoopTime

SILENCE = 0xFF
VALUES = 200
"""Items whose sounds can be told apart."""

BYTES_PER_MS = 8
FRAME = 160


@attrs.define
class NaiveService:
    """What the service does with what it is told. Events wait in `out` until they are delivered."""

    policy: Policy
    out: deque[ServerEvent] = attrs.field(factory=deque[ServerEvent], init=False)
    active: str | None = attrs.field(default=None, init=False)
    is_speaking: bool = attrs.field(default=False, init=False)
    unanswered: int = attrs.field(default=0, init=False)
    """Texts, tool results and turns worth an answer that no response has begun after."""
    refused: Counter[str] = attrs.field(factory=Counter[str], init=False)
    responses: int = attrs.field(default=0, init=False)
    _items: int = attrs.field(default=0, init=False)
    _calls: int = attrs.field(default=0, init=False)

    @property
    def answers(self) -> bool:
        """Whether it answers turns, and ends its responses, of its own accord."""
        return not self.policy.turns.is_ours

    def forget(self) -> None:
        """It is another session. What was not answered is not answered here either, if nobody asks."""
        self.out.clear()
        self.active, self.is_speaking = None, False

    def hear(self, event: ClientEvent) -> None:
        """Take what the bridge said."""
        match event:
            case ResponseCreate():
                if self.active is not None:
                    self._refuse("conversation_already_has_active_response", event.event_id)
                else:
                    self.begin()
            case ResponseCancel():
                if self.active is None or event.response_id != self.active:
                    self._refuse("response_cancel_not_active", event.event_id)
                else:
                    self.end("cancelled")
            case ConversationItemCreate():
                # What was not done because the caller spoke is answered with what they said, or with the transfer.
                self.unanswered += event.item.output not in {NOT_NOW, PUT_THROUGH, NOT_BESIDE}
                self.out.append(ConversationItemAdded(item=event.item))
            case InputAudioBufferCommit():
                self._commit()
            case _:
                pass

    def _refuse(self, code: str, event_id: str | None) -> None:
        self.refused[code] += 1
        self.out.append(ErrorEvent(error=ErrorDetail(code=code, event_id=event_id)))

    def _commit(self) -> None:
        turns = self.policy.turns
        self.unanswered += turns.doubt is Doubt.OFF and turns.interrupt is not Interrupt.AFTER
        self.out.append(InputAudioBufferCommitted(item_id="caller"))

    def begin(self) -> None:
        """A response begins."""
        self.responses += 1
        self._items += 1
        self.active = f"response-{self.responses}"
        self.unanswered = 0
        self.out.append(ResponseCreated(response=Response(id=self.active)))

    def speak(self, ms: int, *, fresh: bool) -> None:
        """Some sound of the active response, of its item or of the next."""
        if self.active is None:
            return
        self._items += fresh
        sound = bytes([self._items % VALUES]) * (ms * BYTES_PER_MS)
        item_id = f"item-{self._items}"
        self.out.append(
            ResponseOutputAudioDelta(
                response_id=self.active, item_id=item_id, output_index=0, content_index=0, delta=sound
            )
        )

    def call_tool(self, name: str) -> None:
        """The active response calls a tool."""
        if self.active is None:
            return
        self._calls += 1
        item = Item(type="function_call", status="completed", call_id=f"call-{self._calls}", name=name, arguments="{}")
        self.out.append(ResponseOutputItemDone(response_id=self.active, output_index=0, item=item))

    def end(self, status: str = "completed") -> None:
        """The active response is over. It has used ten tokens."""
        if self.active is None:
            return
        usage = Usage(output_token_details=OutputTokens(text_tokens=10))
        self.out.append(ResponseDone(response=Response(id=self.active, status=status, usage=usage)))
        self.active = None

    def caller_starts(self) -> None:
        """Its voice activity detection hears speech."""
        if self.is_speaking:
            return
        self.is_speaking = True
        self.out.append(InputAudioBufferSpeechStarted(item_id="caller", audio_start_ms=0))
        if self.answers and self.policy.turns.interrupt is not Interrupt.NEVER:
            self.end("cancelled")

    def caller_stops(self) -> None:
        """And its end."""
        if not self.is_speaking:
            return
        self.is_speaking = False
        self.out.append(InputAudioBufferSpeechStopped(item_id="caller", audio_end_ms=0))
        self._commit()
        if self.answers and self.active is None:
            self.begin()


@attrs.define
class NaivePlatform:
    """A telephone: what was sent, when each byte is heard, and which marks may come back."""

    heard_of: Counter[int] = attrs.field(factory=Counter[int], init=False)
    """Bytes heard, by value."""
    _playing: deque[tuple[LoopTime, bytes]] = attrs.field(factory=deque[tuple[LoopTime, bytes]], init=False)
    _marks: deque[tuple[LoopTime, str]] = attrs.field(factory=deque[tuple[LoopTime, str]], init=False)
    _busy_until: LoopTime = attrs.field(default=LoopTime(0.0), init=False)
    _overdue: list[str] = attrs.field(factory=list[str], init=False)

    def play(self, batch: Batch, now: LoopTime) -> None:
        """Frames come, at once, and are played behind those that are there."""
        for frame in batch.frames:
            start = max(now, self._busy_until)
            self._playing.append((LoopTime(start), frame))
            self._busy_until = LoopTime(start + len(frame) / BYTES_PER_MS / 1000)
        if batch.mark is not None:
            self._marks.append((LoopTime(max(now, self._busy_until)), batch.mark))

    def listen(self, now: LoopTime) -> None:
        """Time has passed until `now`."""
        while self._playing and self._playing[0][0] + FRAME / BYTES_PER_MS / 1000 <= now:
            self.heard_of.update(self._playing.popleft()[1])
        while self._marks and self._marks[0][0] <= now:
            self._overdue.append(self._marks.popleft()[1])

    def clear(self, now: LoopTime) -> None:
        """What was not played is dropped, but for the part of a frame that was; every mark comes back."""
        self.listen(now)
        if self._playing and self._playing[0][0] < now:
            start, frame = self._playing[0]
            self.heard_of.update(frame[: round((now - start) * BYTES_PER_MS * 1000)])
        self._overdue += [name for _, name in self._marks]
        self._playing.clear()
        self._marks.clear()
        self._busy_until = now

    def heard_ms(self, value: int, now: LoopTime) -> float:
        """How much of the sound of `value` was heard."""
        self.listen(now)
        partly = 0
        if self._playing and self._playing[0][0] < now:
            start, frame = self._playing[0]
            partly = frame[: round((now - start) * BYTES_PER_MS * 1000)].count(value)
        return (self.heard_of[value] + partly) / BYTES_PER_MS

    def marks(self) -> Iterator[str]:
        """The marks that come back now."""
        while self._overdue:
            yield self._overdue.pop(0)

    def lose_marks(self) -> None:
        """They never come."""
        self._overdue.clear()
