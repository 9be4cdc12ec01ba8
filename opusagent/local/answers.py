"""One response of the model: its events in their order, each when it is due.

A response is a row of steps with times: an item opens when the model has thought, deltas follow faster than real time,
it closes behind the last, and perhaps another one opens. A cancel drops the steps that are left and closes at once, so
every response that was created is done exactly once, whatever happens to it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final, assert_never

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.local.conversation import Conversation, Entry
from opusagent.local.outputs import Message, Output
from opusagent.local.voices import Utterance
from opusagent.realtime.events import (
    ConversationItemAdded,
    ConversationItemDone,
    InputTokens,
    OutputTokens,
    RateLimit,
    RateLimitsUpdated,
    Response,
    ResponseCreated,
    ResponseDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
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
"""Characters in one delta of a text response, or of a function's arguments."""

TEXT_DELTA_SECONDS: Final = 0.03
TOKENS_PER_MINUTE: Final = 1_000_000


@attrs.frozen
class Pace:
    """How fast the model is: seconds from the end of a turn to its first sound, and audio seconds per second then."""

    thinking: float = 0.15
    speed: float = 5.0


@attrs.frozen
class Piece:
    """Some audio and some words of an item, `after` seconds."""

    after: float
    audio: bytes
    words: str


@attrs.frozen
class Part:
    """What becomes of one item. `is_cut`: a limit on tokens ends the response with it."""

    output: Output
    pieces: Sequence[Piece]
    is_cut: bool = False


@attrs.frozen
class Opening:
    """An item enters the response, and the conversation."""

    due: LoopTime
    output: Output


@attrs.frozen
class Delta:
    """The item grows."""

    due: LoopTime
    piece: Piece


@attrs.frozen
class Completion:
    """The item is complete; the response goes on."""

    due: LoopTime


@attrs.frozen
class Closing:
    """The response ends by itself, with this status and, if it is not `completed`, this reason."""

    due: LoopTime
    status: str = "completed"
    reason: str | None = None


Step = Opening | Delta | Completion | Closing


def spoken(output: Message, utterance: Utterance, pace: Pace, token_limit: int | None) -> Part:
    """How `utterance` is said in the format of `output`; at most `token_limit` audio tokens of it."""
    media, said, pieces = output.entry.media, Ms(0), list[Piece]()
    converter = Converter(PCM16_24K, media)
    whole = converter.push(utterance.audio) + converter.flush()
    limit = len(whole) if token_limit is None else media.bytes_of(Ms(token_limit * MODEL_TOKEN))
    cuts = list(_cut(whole[:limit], media))
    for index, audio in enumerate(cuts):
        said = Ms(said + media.ms_of(len(audio)))
        pieces.append(Piece(said / 1000 / pace.speed, audio, _share(utterance.transcript, index, len(cuts))))
    return Part(output, pieces, limit < len(whole))


def written(output: Output, text: str) -> Part:
    """How `text` is written, which may be a function's arguments."""
    starts = range(0, len(text), TEXT_DELTA)
    pieces = [
        Piece((index + 1) * TEXT_DELTA_SECONDS, b"", text[start : start + TEXT_DELTA])
        for index, start in enumerate(starts)
    ]
    return Part(output, pieces)


def steps_of(parts: Sequence[Part], pace: Pace, now: LoopTime) -> Iterator[Step]:
    """One item after the other from `now` on."""
    due = LoopTime(now + pace.thinking)
    for part in parts:
        begins = due
        yield Opening(due, part.output)
        for piece in part.pieces:
            due = LoopTime(begins + piece.after)
            yield Delta(due, piece)
        if part.is_cut:
            yield Closing(due, "incomplete", "max_output_tokens")
            return
        yield Completion(due)
    yield Closing(due)


def input_usage(entries: Sequence[Entry], instructions: str) -> InputTokens:
    """What the model is given to read and to hear: the whole context, again for each response."""
    spans = [entry.duration // (MODEL_TOKEN if entry.item.role == "assistant" else USER_TOKEN) for entry in entries]
    text = len(instructions) + sum(len(part.text or "") for entry in entries for part in entry.item.content)
    return InputTokens(text_tokens=text // CHARACTERS_PER_TOKEN, audio_tokens=sum(spans), cached_tokens=0)


@attrs.define(eq=False)
class Answer:
    """A response under way. `conversation` is None out of band; `response` is as `response.created` shows it."""

    response: Response
    steps: deque[Step]
    context: InputTokens
    conversation: Conversation | None
    _outputs: list[Output] = attrs.field(factory=list[Output], init=False)
    _open: Output | None = attrs.field(default=None, init=False)
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
                return self._opened(step.output)
            case Delta():
                return [] if self._open is None else self._open.grown(step.piece.audio, step.piece.words)
            case Completion():
                return self._closed("completed")
            case Closing():
                return [*self._closed(step.status), self._done(step.status, step.reason)]
        assert_never(step)

    def cancel(self, reason: str) -> list[ServerEvent]:
        """End it now. `reason`: `turn_detected` or `client_cancelled`."""
        self.steps.clear()
        return [*self._closed("incomplete"), self._done("cancelled", reason)]

    def _opened(self, output: Output) -> list[ServerEvent]:
        self._open = output
        self._outputs.append(output)
        item = attrs.evolve(output.entry.item, content=())
        events: list[ServerEvent] = [
            ResponseOutputItemAdded(response_id=self.response.id, output_index=output.index, item=item)
        ]
        if self.conversation is not None:
            self._previous = self.conversation.append(output.entry)
            events.append(ConversationItemAdded(item=item, previous_item_id=self._previous))
        return [*events, *output.opened()]

    def _closed(self, status: str) -> list[ServerEvent]:
        """The item that is open is complete, or is left as it is; nothing if none is open."""
        output, self._open = self._open, None
        if output is None:
            return []
        events = output.closed(status)
        item = output.entry.item
        self.response = attrs.evolve(self.response, output=(*self.response.output, item))
        if self.conversation is not None:
            events.append(ConversationItemDone(item=item, previous_item_id=self._previous))
        return [*events, ResponseOutputItemDone(response_id=self.response.id, output_index=output.index, item=item)]

    def _done(self, status: str, reason: str | None) -> ResponseDone:
        details = None if reason is None else StatusDetails(type=status, reason=reason)
        done = attrs.evolve(self.response, status=status, status_details=details, usage=self._usage())
        return ResponseDone(response=done)

    def _usage(self) -> Usage:
        text = sum(len(output.words) for output in self._outputs) // CHARACTERS_PER_TOKEN
        audio = sum(output.sounded for output in self._outputs) // MODEL_TOKEN
        read = (self.context.text_tokens or 0) + (self.context.audio_tokens or 0)
        return Usage(
            total_tokens=read + text + audio,
            input_tokens=read,
            output_tokens=text + audio,
            input_token_details=self.context,
            output_token_details=OutputTokens(text_tokens=text, audio_tokens=audio),
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
