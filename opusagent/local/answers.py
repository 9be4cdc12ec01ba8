"""One response of the model: its events in their order, each when it is due.

A response is a row of steps with times: the item opens when the model has thought, deltas follow faster than real
time, and it closes behind the last. A cancel drops the steps that are left and closes at once, so every response that
was created is done exactly once, whatever happens to it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final, assert_never

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.local.conversation import Conversation, Entry
from opusagent.local.voices import Utterance
from opusagent.realtime.events import (
    ContentPart,
    ConversationItemAdded,
    ConversationItemDone,
    InputTokens,
    Item,
    OutputTokens,
    RateLimit,
    RateLimitsUpdated,
    Response,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
    StatusDetails,
    Usage,
)
from opusagent.units import LoopTime, Ms

DELTA_LENGTHS: Final = (Ms(100), Ms(287), Ms(213), Ms(400), Ms(155), Ms(341))
"""How much audio the deltas hold, in turn: uneven, and not whole frames of anything."""

USER_TOKEN: Final = Ms(100)
MODEL_TOKEN: Final = Ms(50)
"""What one audio token lasts, by the service's cost guide."""

CHARACTERS_PER_TOKEN: Final = 4
TEXT_DELTA: Final = 12
"""Characters in one delta of a text response."""

TEXT_DELTA_SECONDS: Final = 0.03
TOKENS_PER_MINUTE: Final = 1_000_000
OUTPUT_INDEX: Final = 0
CONTENT_INDEX: Final = 0


@attrs.frozen
class Pace:
    """How fast the model is: seconds from the end of a turn to its first sound, and audio seconds per second then."""

    thinking: float = 0.15
    speed: float = 5.0


@attrs.frozen
class Opening:
    """The item enters the response, and the conversation."""

    due: LoopTime


@attrs.frozen
class Delta:
    """Some audio and some words."""

    due: LoopTime
    audio: bytes
    words: str


@attrs.frozen
class Closing:
    """The response ends by itself, with this status and, if it is not `completed`, this reason."""

    due: LoopTime
    status: str = "completed"
    reason: str | None = None


Step = Opening | Delta | Closing


def spoken_steps(
    utterance: Utterance, media: MediaFormat, pace: Pace, now: LoopTime, token_limit: int | None
) -> Iterator[Step]:
    """How `utterance` is said in `media` from `now` on; at most `token_limit` audio tokens of it."""
    begins = LoopTime(now + pace.thinking)
    yield Opening(begins)
    converter = Converter(PCM16_24K, media)
    whole = converter.push(utterance.audio) + converter.flush()
    limit = len(whole) if token_limit is None else media.bytes_of(Ms(token_limit * MODEL_TOKEN))
    pieces = list(_cut(whole[:limit], media))
    said, due = Ms(0), begins
    for index, audio in enumerate(pieces):
        said = Ms(said + media.ms_of(len(audio)))
        due = LoopTime(begins + said / 1000 / pace.speed)
        yield Delta(due, audio, _share(utterance.transcript, index, len(pieces)))
    yield Closing(due) if limit >= len(whole) else Closing(due, "incomplete", "max_output_tokens")


def written_steps(text: str, pace: Pace, now: LoopTime) -> Iterator[Step]:
    """How `text` is written from `now` on."""
    due = LoopTime(now + pace.thinking)
    yield Opening(due)
    for start in range(0, len(text), TEXT_DELTA):
        due = LoopTime(due + TEXT_DELTA_SECONDS)
        yield Delta(due, b"", text[start : start + TEXT_DELTA])
    yield Closing(due)


def input_usage(entries: Sequence[Entry], instructions: str) -> InputTokens:
    """What the model is given to read and to hear: the whole context, again for each response."""
    spans = [entry.duration // (MODEL_TOKEN if entry.item.role == "assistant" else USER_TOKEN) for entry in entries]
    written = len(instructions) + sum(len(part.text or "") for entry in entries for part in entry.item.content)
    return InputTokens(text_tokens=written // CHARACTERS_PER_TOKEN, audio_tokens=sum(spans), cached_tokens=0)


@attrs.define(eq=False)
class Answer:
    """A response under way. `conversation` is None out of band; `response` is as `response.created` shows it."""

    response: Response
    entry: Entry
    steps: deque[Step]
    context: InputTokens
    conversation: Conversation | None
    _sent: int = attrs.field(default=0, init=False)
    _words: str = attrs.field(default="", init=False)
    _previous: str | None = attrs.field(default=None, init=False)

    @property
    def next_due(self) -> LoopTime | None:
        """When it goes on; None when it is done."""
        return self.steps[0].due if self.steps else None

    def created(self) -> list[ServerEvent]:
        """Its first events."""
        limit = RateLimit(name="tokens", limit=TOKENS_PER_MINUTE, remaining=TOKENS_PER_MINUTE, reset_seconds=0.0)
        return [ResponseCreated(response=self.response), RateLimitsUpdated(rate_limits=(limit,))]

    def step(self) -> list[ServerEvent]:
        """Take the next step, due or not. There must be one."""
        match step := self.steps.popleft():
            case Opening():
                return self._opened()
            case Delta():
                return self._said(step)
            case Closing():
                return [*self._closed(step.status), self._done(step.status, step.reason)]
        assert_never(step)

    def cancel(self, reason: str) -> list[ServerEvent]:
        """End it now. `reason`: `turn_detected` or `client_cancelled`."""
        opened = not isinstance(self.steps[0], Opening)
        self.steps.clear()
        closed = self._closed("incomplete") if opened else []
        return [*closed, self._done("cancelled", reason)]

    @property
    def _spoken(self) -> bool:
        return self.response.output_modalities == ("audio",)

    def _part(self, words: str) -> ContentPart:
        return ContentPart(type="audio", transcript=words) if self._spoken else ContentPart(type="text", text=words)

    def _opened(self) -> list[ServerEvent]:
        item = attrs.evolve(self.entry.item, content=())
        events: list[ServerEvent] = [
            ResponseOutputItemAdded(response_id=self.response.id, output_index=OUTPUT_INDEX, item=item)
        ]
        if self.conversation is not None:
            self._previous = self.conversation.append(self.entry)
            events.append(ConversationItemAdded(item=item, previous_item_id=self._previous))
        part = ResponseContentPartAdded(
            response_id=self.response.id,
            item_id=self.entry.id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
            part=self._part(""),
        )
        return [*events, part]

    def _said(self, delta: Delta) -> list[ServerEvent]:
        self._words += delta.words
        self._sent += len(delta.audio)
        self.entry.audio += delta.audio
        events: list[ServerEvent] = []
        if delta.words:
            kind = ResponseOutputAudioTranscriptDelta if self._spoken else ResponseOutputTextDelta
            events.append(
                kind(
                    response_id=self.response.id,
                    item_id=self.entry.id,
                    output_index=OUTPUT_INDEX,
                    content_index=CONTENT_INDEX,
                    delta=delta.words,
                )
            )
        if delta.audio:
            events.append(
                ResponseOutputAudioDelta(
                    response_id=self.response.id,
                    item_id=self.entry.id,
                    output_index=OUTPUT_INDEX,
                    content_index=CONTENT_INDEX,
                    delta=delta.audio,
                )
            )
        return events

    def _closed(self, status: str) -> list[ServerEvent]:
        self._finish_item(status)
        item = self.entry.item
        part = ResponseContentPartDone(
            response_id=self.response.id,
            item_id=self.entry.id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
            part=self._part(self._words),
        )
        events: list[ServerEvent] = [*self._content_done(), part]
        if self.conversation is not None:
            events.append(ConversationItemDone(item=item, previous_item_id=self._previous))
        return [*events, ResponseOutputItemDone(response_id=self.response.id, output_index=OUTPUT_INDEX, item=item)]

    def _content_done(self) -> list[ServerEvent]:
        if not self._spoken:
            text = ResponseOutputTextDone(
                response_id=self.response.id,
                item_id=self.entry.id,
                output_index=OUTPUT_INDEX,
                content_index=CONTENT_INDEX,
                text=self._words,
            )
            return [text]
        audio = ResponseOutputAudioDone(
            response_id=self.response.id,
            item_id=self.entry.id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
        )
        transcript = ResponseOutputAudioTranscriptDone(
            response_id=self.response.id,
            item_id=self.entry.id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
            transcript=self._words,
        )
        return [audio, transcript]

    def _finish_item(self, status: str) -> None:
        """The item as it stays. One that was truncated while it was spoken keeps no words."""
        truncated = len(self.entry.audio) < self._sent
        words = ContentPart(type="output_text", text=self._words)
        if self._spoken:
            words = ContentPart(type="output_audio", transcript=None if truncated else self._words)
        self.entry.item = attrs.evolve(self.entry.item, status=status, content=(words,))
        self.response = attrs.evolve(self.response, output=(self.entry.item,))

    def _done(self, status: str, reason: str | None) -> ResponseDone:
        details = None if reason is None else StatusDetails(type=status, reason=reason)
        done = attrs.evolve(self.response, status=status, status_details=details, usage=self._usage())
        return ResponseDone(response=done)

    def _usage(self) -> Usage:
        text = len(self._words) // CHARACTERS_PER_TOKEN
        audio = self.entry.media.ms_of(self._sent) // MODEL_TOKEN
        read = (self.context.text_tokens or 0) + (self.context.audio_tokens or 0)
        return Usage(
            total_tokens=read + text + audio,
            input_tokens=read,
            output_tokens=text + audio,
            input_token_details=self.context,
            output_token_details=OutputTokens(text_tokens=text, audio_tokens=audio),
        )


def unspoken_item(item_id: str, *, spoken: bool) -> Item:
    """The model's message before its first word."""
    part = ContentPart(type="output_audio" if spoken else "output_text")
    return Item(
        id=item_id, object="realtime.item", type="message", status="in_progress", role="assistant", content=(part,)
    )


def _cut(audio: bytes, media: MediaFormat) -> Iterator[bytes]:
    start = 0
    for length in cycle(DELTA_LENGTHS):
        if start >= len(audio):
            return
        yield audio[start : start + media.bytes_of(length)]
        start += media.bytes_of(length)


def _share(words: str, index: int, count: int) -> str:
    return words[index * len(words) // count : (index + 1) * len(words) // count]
