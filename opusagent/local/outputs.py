"""The items that a response puts out, and what each says while it is made: a message, or a call of a function.

An item is opened, grows and is closed; what all kinds have in common (`output_item`, the conversation) is said by the
response. Whatever ends an item ends its content as well: `done` events come for cancelled ones too, with what is there
(OpenAI Realtime, server events).
"""

from typing import Final, TypeAlias

import attrs

from opusagent.local.conversation import Entry
from opusagent.realtime.events import (
    ContentPart,
    Item,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
)
from opusagent.units import Ms

CONTENT_INDEX: Final = 0


@attrs.define(eq=False)
class Message:
    """Something said, or written if it is not `spoken`: the `index`-th item of the response."""

    entry: Entry
    response_id: str
    index: int
    spoken: bool
    words: str = attrs.field(default="", init=False)
    _sent: int = attrs.field(default=0, init=False)

    @property
    def sounded(self) -> Ms:
        """How much of it was sent as sound."""
        return self.entry.media.ms_of(self._sent)

    def opened(self) -> list[ServerEvent]:
        """Its content begins."""
        part = ResponseContentPartAdded(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            content_index=CONTENT_INDEX,
            part=self._part(),
        )
        return [part]

    def grown(self, audio: bytes, words: str) -> list[ServerEvent]:
        """It goes on with `audio` and `words`; either may be empty."""
        self.words += words
        self._sent += len(audio)
        self.entry.audio += audio
        events: list[ServerEvent] = []
        if words:
            kind = ResponseOutputAudioTranscriptDelta if self.spoken else ResponseOutputTextDelta
            events.append(
                kind(
                    response_id=self.response_id,
                    item_id=self.entry.id,
                    output_index=self.index,
                    content_index=CONTENT_INDEX,
                    delta=words,
                )
            )
        if audio:
            events.append(
                ResponseOutputAudioDelta(
                    response_id=self.response_id,
                    item_id=self.entry.id,
                    output_index=self.index,
                    content_index=CONTENT_INDEX,
                    delta=audio,
                )
            )
        return events

    def closed(self, status: str) -> list[ServerEvent]:
        """Its content ends; the item stays as it is now. One that was truncated while it was spoken keeps no words."""
        truncated = len(self.entry.audio) < self._sent
        content = ContentPart(type="output_text", text=self.words)
        if self.spoken:
            content = ContentPart(type="output_audio", transcript=None if truncated else self.words)
        self.entry.item = attrs.evolve(self.entry.item, status=status, content=(content,))
        part = ResponseContentPartDone(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            content_index=CONTENT_INDEX,
            part=self._part(),
        )
        return [*self._content_done(), part]

    def _part(self) -> ContentPart:
        if self.spoken:
            return ContentPart(type="audio", transcript=self.words)
        return ContentPart(type="text", text=self.words)

    def _content_done(self) -> list[ServerEvent]:
        if not self.spoken:
            text = ResponseOutputTextDone(
                response_id=self.response_id,
                item_id=self.entry.id,
                output_index=self.index,
                content_index=CONTENT_INDEX,
                text=self.words,
            )
            return [text]
        audio = ResponseOutputAudioDone(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            content_index=CONTENT_INDEX,
        )
        transcript = ResponseOutputAudioTranscriptDone(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            content_index=CONTENT_INDEX,
            transcript=self.words,
        )
        return [audio, transcript]


@attrs.define(eq=False)
class FunctionCall:
    """A function that is called: the `index`-th item of the response. Its words are its arguments, JSON."""

    entry: Entry
    response_id: str
    index: int
    words: str = attrs.field(default="", init=False)

    @property
    def sounded(self) -> Ms:
        """None of it."""
        return Ms(0)

    def opened(self) -> list[ServerEvent]:
        """Nothing but the item."""
        return []

    def grown(self, audio: bytes, words: str) -> list[ServerEvent]:
        """Some more of the arguments."""
        del audio
        self.words += words
        delta = ResponseFunctionCallArgumentsDelta(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            call_id=self.entry.item.call_id or "",
            delta=words,
        )
        return [delta]

    def closed(self, status: str) -> list[ServerEvent]:
        """The arguments are there, or as much of them as there will be."""
        item = self.entry.item = attrs.evolve(self.entry.item, status=status, arguments=self.words)
        done = ResponseFunctionCallArgumentsDone(
            response_id=self.response_id,
            item_id=self.entry.id,
            output_index=self.index,
            call_id=item.call_id or "",
            name=item.name,
            arguments=self.words,
        )
        return [done]


Output: TypeAlias = Message | FunctionCall


def unspoken_item(item_id: str, *, spoken: bool) -> Item:
    """The model's message before its first word."""
    part = ContentPart(type="output_audio" if spoken else "output_text")
    return Item(
        id=item_id, object="realtime.item", type="message", status="in_progress", role="assistant", content=(part,)
    )


def uncalled_item(item_id: str, call_id: str, name: str) -> Item:
    """A call before its first argument."""
    return Item(
        id=item_id,
        object="realtime.item",
        type="function_call",
        status="in_progress",
        call_id=call_id,
        name=name,
        arguments="",
    )
