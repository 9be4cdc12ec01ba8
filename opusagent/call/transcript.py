"""Who said what, in the order of the conversation: fed with events in any order, read when the call is over.

Events arrive as it suits the service: what the caller said is written down long after the answer to it has begun, and
perhaps after `response.done`. So nothing here goes by arrival. Every event names its conversation item, every item the
one before it (`previous_item_id`), and that chain is the order. Where it says nothing, because two items follow the
same one or the one before is not known, the item that began earlier comes first.

A call may have several sessions, whose items may bear the same names: an item's key is its name and its session's
number. A session that takes over is seeded with what was said before (`change_session`), and what it tells of those
items is told of the ones that they stand for.

What is not an item, the keys, stands behind the last item that had begun when they were pressed.

The model's words are those that were heard. The text has no times, so an item of which `heard` of `total` milliseconds
reached the caller's ear was heard to the same share of its words, rounded down to whole words; the rest is kept apart.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.call.entry import Entry
from opusagent.call.media_time import CallClock
from opusagent.call.playout import Batch, Cut
from opusagent.call.words import MOST_CHARACTERS, Keys, Line, ToolCall, masked
from opusagent.realtime.events import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    ResponseFunctionCallArgumentsDone,
    ResponseMcpCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDone,
    ServerEvent,
    UnknownEvent,
)
from opusagent.units import Ms

MOST_ITEMS: Final = 4000
"""Items that a transcript holds. An hour of lively talk has a few hundred; what comes beyond is counted."""

MOST_KEYS: Final = 1000
"""Key presses, likewise."""

MOST_SEEDS: Final = 400
"""Items that a session is seeded with; of a longer conversation it is told the end."""


@attrs.define
class _Briefing:
    """What a session that is to take over has been told: the items under their names there, their keys, some texts."""

    names: dict[str, Entry] = attrs.field(factory=dict[str, Entry])
    keys: set[str] = attrs.field(factory=set[str])
    texts: int = 0


@attrs.define
class _Span:
    """Where an item's sound lies on the playout's stream."""

    entry: Entry
    start: int
    end: int


class Transcript:
    """One call's words. Pure: `at` is always seconds since the call began."""

    def __init__(self, model: MediaFormat, leg: MediaFormat, *, mask_digits: bool = True) -> None:
        self._model: Final = model
        self._bytes_per_second: Final = leg.rate * leg.bytes_per_sample
        self._mask_digits: Final = mask_digits
        self._entries: dict[str, Entry] = {}
        self._spans: deque[_Span] = deque()
        self._keys: list[tuple[float, str]] = []
        self._seeds: dict[str, Entry] = {}
        self._briefing = _Briefing()
        self._told: dict[str, str] = {}
        self._texts: list[tuple[float, Item]] = []
        self._session = 0
        self.lost = 0

    # -- what happens ------------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent, at: float) -> None:
        """The model's service said something about the conversation, at any time after it was so."""
        match event:
            case ConversationItemAdded() | ConversationItemCreated() | ConversationItemDone():
                self._link(event.item.id, event.previous_item_id, at)
                self._read(event.item, at)
            case ResponseOutputItemAdded() | ResponseOutputItemDone():
                self._read(event.item, at)
            case InputAudioBufferCommitted():
                self._link(event.item_id, event.previous_item_id, at)
                self._caller(event.item_id, at)
            case InputAudioBufferSpeechStarted():
                self._caller(event.item_id, at).media_start = Ms(event.audio_start_ms)
            case InputAudioBufferSpeechStopped():
                self._caller(event.item_id, at).media_end = Ms(event.audio_end_ms)
            case ConversationItemInputAudioTranscriptionDelta():
                self._caller(event.item_id, at).part(event.content_index).text.add(event.delta or "")
            case ConversationItemInputAudioTranscriptionCompleted():
                self._caller(event.item_id, at).part(event.content_index).text.settle(event.transcript)
            case ResponseOutputAudioTranscriptDelta():
                self._entry(event.item_id, at).part(event.content_index).text.add(event.delta)
            case ResponseOutputAudioTranscriptDone():
                self._entry(event.item_id, at).part(event.content_index).text.settle(event.transcript)
            case ResponseOutputTextDone():
                self._entry(event.item_id, at).part(event.content_index).text.settle(event.text)
            case ResponseFunctionCallArgumentsDone() | ResponseMcpCallArgumentsDone():
                self._entry(event.item_id, at).of_tool(at).arguments = event.arguments[:MOST_CHARACTERS]
            case _:
                pass

    def on_sound(self, event: ResponseOutputAudioDelta, start: int, end: int, at: float) -> None:
        """Sound of the model's came and lies from `start` to `end` on the playout's stream; nowhere, if it is muted."""
        entry = self._entry(event.item_id, at)
        part = entry.part(event.content_index)
        part.sound += len(event.delta)
        if start == end:
            return
        part.pushed += len(event.delta)
        if self._spans and self._spans[-1].entry is entry:
            self._spans[-1].end = end
        else:
            self._spans.append(_Span(entry, start, end))

    def on_batch(self, batch: Batch, began: float) -> None:
        """Frames of the stream were sent to the platform, and will be heard from `began` on.

        What was sent may be taken back and sent again, so a stretch is remembered for a second after it was sent.
        """
        after = batch.position + sum(map(len, batch.frames))
        for span in self._spans:
            start, end = max(span.start, batch.position), min(span.end, after)
            if start < end:
                span.entry.hear(start, began + self._seconds(start - batch.position), self._seconds(end - start))
        while len(self._spans) > 1 and self._spans[0].end <= after - self._bytes_per_second:
            self._spans.popleft()

    def on_cut(self, cuts: Iterable[Cut], at: float) -> None:
        """What had not been heard at `at` was taken back. It says how much of which items had been heard."""
        self._spans.clear()
        for cut in cuts:
            self._last_called(cut.item_id, at).cut(cut.content_index, cut.heard, at)

    def on_keys(self, digits: str, at: float) -> None:
        """The caller pressed keys."""
        if len(self._keys) < MOST_KEYS:
            self._keys.append((at, "*" * len(digits) if self._mask_digits else digits))
        else:
            self.lost += 1

    def on_told(self, item: Item, at: float) -> None:
        """We put `item` into the conversation: what a tool gave, or words of ours."""
        if item.call_id is not None and item.output is not None:
            self._told[item.call_id] = item.output
        elif len(self._texts) < MOST_KEYS:
            self._texts.append((at, item))

    # -- sessions ------------------------------------------------------------------------------------------------

    def brief(self, clock: CallClock) -> Sequence[Item]:
        """What a session is told that is to take over soon, as far as it does not know it yet: all that was said."""
        return self._seeded(list(self._ordered(clock)))

    def forget_briefing(self) -> None:
        """Whoever was to take over does not. The next one is told everything."""
        self._briefing = _Briefing()

    def change_session(self, clock: CallClock, *, again: bool) -> Sequence[Item]:
        """Another session takes over. What it does not know yet: what was said, as far as it was heard, and done.

        `clock` is that of the session before. `again`: what the caller said and nobody has answered yet is not told,
        because it is said again, as sound; if it was told already, it is not said again.
        """
        for entry in self._entries.values():
            entry.settle(clock)
        ordered = list(self._ordered(clock))
        settled = (place for place, each in enumerate(ordered) if each.is_answer or each.key in self._briefing.keys)
        for entry in ordered[max(settled, default=-1) + 1 :] if again else ():
            entry.is_superseded = entry.is_caller
        seeds = self._seeded(ordered)
        self._session, self._seeds, self._briefing = self._session + 1, self._briefing.names, _Briefing()
        return seeds

    def _seeded(self, ordered: Iterable[Entry]) -> Sequence[Item]:
        texts, seeds = deque(self._texts[self._briefing.texts :]), list[Item]()
        for entry in ordered:
            while texts and texts[0][0] < entry.seen:
                seeds.append(texts.popleft()[1])
            if not entry.is_superseded and entry.key not in self._briefing.keys:
                seeds += self._seeds_of(entry)
        self._briefing.texts = len(self._texts)
        return [*seeds, *(item for _, item in texts)][-MOST_SEEDS:]

    def _seeds_of(self, entry: Entry) -> Iterator[Item]:
        """An item as a client may put it in. Its name is ours: the service's own might be another item's there."""
        seed = entry.seed(self._model)
        if seed is None:
            return
        names = self._briefing.names
        name = f"seed_{self._session + 1}_{len(names)}"
        names[name] = entry
        self._briefing.keys.add(entry.key)
        yield attrs.evolve(seed, id=name)
        if seed.call_id is not None and seed.call_id in self._told:
            yield self._output_of(seed.call_id, f"{name}_output")

    def _output_of(self, call_id: str, name: str) -> Item:
        """What a call gave, again. Where the session before had told of it, what is told of `name` is told of that."""
        known = next((entry for entry in self._entries.values() if entry.is_output_of(call_id)), None)
        if known is not None:
            self._briefing.names[name] = known
        return Item(type="function_call_output", id=name, call_id=call_id, output=self._told[call_id])

    # -- what remains ------------------------------------------------------------------------------------------

    def lines(self, clock: CallClock) -> Sequence[Line]:
        """The transcript. `clock` says when, in seconds of the call, the caller's audio at a media time was said."""
        begun: list[float | None] = []
        lines: list[Line] = []
        for entry in self._ordered(clock):
            if entry.is_superseded and self._is_said_again(entry):
                continue
            for line in entry.lines(self._model, clock):
                begun.append(entry.begins(clock))
                lines.append(self._private(line))
        keys = _places(self._keys, begun)
        return [
            each for place, line in enumerate([None, *lines]) for each in (line, keys.get(place)) if each is not None
        ]

    # -- inside --------------------------------------------------------------------------------------------------

    def _key(self, item_id: str) -> str:
        seeded = self._seeds.get(item_id)
        if seeded is not None:
            return seeded.key
        return f"{self._session}:{item_id}" if self._session else item_id

    def _entry(self, item_id: str, at: float) -> Entry:
        key = self._key(item_id)
        entry = self._entries.get(key)
        if entry is None:
            entry = Entry(item_id, at, key)
            if len(self._entries) < MOST_ITEMS:
                self._entries[key] = entry
            else:
                self.lost += 1
        entry.seen = min(entry.seen, at)
        return entry

    def _last_called(self, item_id: str, at: float) -> Entry:
        """The item of that name in the last session that had one: what is cut may be older than the session."""
        named = (entry for entry in reversed(self._entries.values()) if entry.item_id == item_id)
        return next(named, None) or self._entry(item_id, at)

    def _is_said_again(self, entry: Entry) -> bool:
        later = list(self._entries.values())
        return any(each.is_caller and not each.is_superseded for each in later[later.index(entry) :])

    def _caller(self, item_id: str, at: float) -> Entry:
        entry = self._entry(item_id, at)
        entry.is_caller = True
        return entry

    def _link(self, item_id: str | None, previous: str | None, at: float) -> None:
        if item_id is not None:
            entry = self._entry(item_id, at)
            if previous is not None and entry.previous is None and entry.key != self._key(previous):
                entry.previous = self._key(previous)

    def _read(self, item: Item, at: float) -> None:
        """Take what an item holds. What we wrote to the model ourselves is nobody's speech, and is passed over."""
        if item.id is None:
            return
        match item.type:
            case "message":
                self._read_message(self._entry(item.id, at), item)
            case "function_call" | "function_call_output" | "mcp_call":
                tool = self._entry(item.id, at).of_tool(at)
                tool.name, tool.call_id = item.name or tool.name, item.call_id or tool.call_id
                if item.arguments:
                    tool.arguments = item.arguments[:MOST_CHARACTERS]
                if item.output is not None:
                    tool.output = item.output[:MOST_CHARACTERS]
            case _:
                pass

    def _read_message(self, entry: Entry, item: Item) -> None:
        for index, content in enumerate(item.content):
            match content.type:
                case "input_audio":
                    entry.is_caller = True
                    entry.part(index).text.mention(content.transcript)
                case "output_audio" | "audio":
                    entry.part(index).text.mention(content.transcript)
                case "output_text":
                    entry.part(index).text.mention(content.text)
                case _:
                    pass

    def _private(self, line: Line) -> Line:
        """A line as it may be kept: the model knows a tool's digits, readers need not."""
        if not isinstance(line, ToolCall) or not self._mask_digits:
            return line
        given, returned = line.arguments, line.output
        return attrs.evolve(
            line,
            arguments=None if given is None else masked(given),
            output=None if returned is None else masked(returned),
        )

    def _seconds(self, count: int) -> float:
        return count / self._bytes_per_second

    def _ordered(self, clock: CallClock) -> Iterator[Entry]:
        """The items, each behind its previous one."""

        def begun(entry: Entry) -> tuple[float, str]:
            began = entry.begins(clock)
            return (entry.seen if began is None else began, entry.key)

        followers: dict[str | None, list[Entry]] = {}
        for entry in sorted(self._entries.values(), key=begun, reverse=True):
            previous = entry.previous if entry.previous in self._entries else None
            followers.setdefault(previous, []).append(entry)
        waiting = followers.pop(None, [])
        while waiting or followers:
            if not waiting:  # a circle: it is opened somewhere, and nothing is lost
                waiting = followers.pop(min(each for each in followers if each is not None))
            entry = waiting.pop()
            yield entry
            waiting += followers.pop(entry.key, [])


def _places(keys: Iterable[tuple[float, str]], begun: Sequence[float | None]) -> dict[int, Keys]:
    """Behind how many lines which keys stand: each behind the last line that had begun when it was pressed."""
    starts = sorted((began, place) for place, began in enumerate(begun, start=1) if began is not None)
    placed: dict[int, Keys] = {}
    passed, last = 0, 0
    for pressed, digits in sorted(keys):
        while passed < len(starts) and starts[passed][0] <= pressed:
            last = max(last, starts[passed][1])
            passed += 1
        at = round(pressed, 3)
        before = placed.get(last, Keys(began=at, ended=at, digits=""))
        placed[last] = attrs.evolve(before, ended=at, digits=before.digits + digits)
    return placed
