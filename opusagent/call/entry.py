"""One item of the conversation, as far as it is known, and the line of the transcript that becomes of it."""

from collections.abc import Iterator
from typing import Final

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.call.media_time import CallClock
from opusagent.call.words import MOST_CHARACTERS, CallerWords, Line, ModelWords, ToolCall, split_heard
from opusagent.realtime.events import ContentPart, Item
from opusagent.units import Ms

NOT_WRITTEN_DOWN: Final = "(The caller said something here that was not written down.)"
"""What a session that takes over is told of words that nobody has transcribed."""

_NEVER: Final = float("inf")


@attrs.define
class Text:
    """Words that come in pieces, and then once more as a whole. A whole that was said outright beats one in passing."""

    pieces: str = ""
    in_passing: str = ""
    outright: str | None = None

    def add(self, piece: str) -> None:
        """The next piece."""
        self.pieces = (self.pieces + piece)[:MOST_CHARACTERS]

    def settle(self, whole: str) -> None:
        """All of it."""
        self.outright = whole[:MOST_CHARACTERS]

    def mention(self, whole: str | None) -> None:
        """As it stands in an item, which may be unfinished."""
        if whole and len(whole) > len(self.in_passing):
            self.in_passing = whole[:MOST_CHARACTERS]

    @property
    def words(self) -> str | None:
        """What is known, None if nothing is."""
        return (self.in_passing or self.pieces or None) if self.outright is None else self.outright


@attrs.define
class Part:
    """One content part: its words, and its sound in bytes of the model's format: all of it, and what was to be heard.

    `cut`: how much of it had been heard when the caller interrupted.
    """

    text: Text = attrs.field(factory=Text)
    sound: int = 0
    pushed: int = 0
    cut: Ms | None = None


@attrs.define
class Tool:
    """A call of a tool, or its result."""

    name: str = ""
    call_id: str = ""
    arguments: str | None = None
    output: str | None = None
    at: float = _NEVER


@attrs.define(eq=False)
class Entry:
    """One item. `seen`: when it was first spoken of; `began` and `ended`: when its sound was at the caller's ear.

    `key` is its name among all sessions' items, and so is `previous`. `said`: when the caller said it, once its session
    is over. `is_superseded`: it is being said again to another session.
    """

    item_id: str
    seen: float
    key: str = ""
    previous: str | None = None
    said: tuple[float | None, float | None] | None = None
    is_superseded: bool = False
    is_caller: bool = False
    parts: dict[int, Part] = attrs.field(factory=dict[int, Part])
    tool: Tool | None = None
    media_start: Ms | None = None
    media_end: Ms | None = None
    began: float | None = None
    ended: float | None = None
    position: int | None = None

    def part(self, index: int | None) -> Part:
        """The content part at `index`."""
        return self.parts.setdefault(index or 0, Part())

    def of_tool(self, at: float) -> Tool:
        """The tool's side of it, spoken of at `at`."""
        if self.tool is None:
            self.tool = Tool()
        self.tool.at = min(self.tool.at, at)
        return self.tool

    def hear(self, position: int, began: float, seconds: float) -> None:
        """The caller hears it from `began` on, for so long, beginning at `position` of the playout's stream."""
        if self.position is None or position <= self.position:
            self.position, self.began = position, began
        self.ended = began + seconds

    def cut(self, index: int, heard: Ms, at: float) -> None:
        """Nothing of it was heard beyond `at`, and `heard` of the part at `index`."""
        part = self.part(index)
        part.cut = heard if part.cut is None else min(part.cut, heard)
        if self.began is not None and self.ended is not None:
            self.began, self.ended = (self.began, min(self.ended, at)) if self.began < at else (None, None)

    def settle(self, clock: CallClock) -> None:
        """Its session is over: from now on `clock` is another one's."""
        if self.said is None:
            self.said = (_call_time(self.media_start, clock), _call_time(self.media_end, clock))

    def begins(self, clock: CallClock) -> float | None:
        """When the caller spoke or heard it, or the tool was called, if that is known."""
        if self.tool is not None:
            return self.tool.at
        return self._times(clock)[0] if self.is_caller else self.began

    @property
    def is_answer(self) -> bool:
        """Whether the model said or called it, and the caller hears it."""
        return not self.is_caller and (self.tool is not None or any(part.pushed for part in self.parts.values()))

    def is_output_of(self, call_id: str) -> bool:
        """Whether it is what that call gave."""
        return self.tool is not None and self.tool.call_id == call_id and self.tool.arguments is None

    def _times(self, clock: CallClock) -> tuple[float | None, float | None]:
        now = (_call_time(self.media_start, clock), _call_time(self.media_end, clock))
        return now if self.said is None else self.said

    def lines(self, model: MediaFormat, clock: CallClock) -> Iterator[Line]:
        """What the transcript says of it: a line, or nothing if it is nobody's words."""
        if self.tool is not None:
            yield self._tool_line(self.tool)
        elif self.is_caller:
            yield self._caller_line(clock)
        elif any(part.sound or part.text.words for part in self.parts.values()):
            yield self._model_line(model)

    def seed(self, model: MediaFormat) -> Item | None:
        """The item for a session that takes over: what was heard of it, or called; None where that is nothing."""
        if self.tool is not None:
            is_call = self.tool.arguments is not None and self.tool.call_id
            return self._call(self.tool) if is_call else None
        if self.is_caller:
            words = " ".join(filter(None, (part.text.words for part in self._in_order())))
            return _message("user", "input_text", words or NOT_WRITTEN_DOWN)
        heard = self._model_line(model).words
        return _message("assistant", "output_text", heard) if heard else None

    @staticmethod
    def _call(tool: Tool) -> Item:
        return Item(type="function_call", call_id=tool.call_id, name=tool.name, arguments=tool.arguments)

    def _in_order(self) -> Iterator[Part]:
        return (self.parts[index] for index in sorted(self.parts))

    def _caller_line(self, clock: CallClock) -> Line:
        texts = [text.strip() for part in self._in_order() if (text := part.text.words) is not None]
        return CallerWords(
            item_id=self.item_id,
            began=_rounded(self._times(clock)[0]),
            ended=_rounded(self._times(clock)[1]),
            media_start=self.media_start,
            media_end=self.media_end,
            words=" ".join(texts) if texts else None,
        )

    def _model_line(self, model: MediaFormat) -> ModelWords:
        words, unheard, heard, total = list[str](), list[str](), 0, 0
        for part in self._in_order():
            whole = model.ms_of(part.sound)
            ear = min(whole, model.ms_of(part.pushed) if part.cut is None else part.cut)
            said, left = split_heard(part.text.words or "", Ms(ear), whole)
            words.append(said)
            unheard.append(left)
            heard, total = heard + ear, total + whole
        return ModelWords(
            item_id=self.item_id,
            began=_rounded(self.began),
            ended=_rounded(self.ended),
            words=" ".join(filter(None, words)),
            unheard=" ".join(filter(None, unheard)),
            heard_ms=Ms(heard),
            total_ms=Ms(total),
        )

    def _tool_line(self, tool: Tool) -> Line:
        return ToolCall(
            item_id=self.item_id,
            at=round(tool.at, 3),
            call_id=tool.call_id,
            name=tool.name,
            arguments=tool.arguments,
            output=tool.output,
        )


def _message(role: str, kind: str, words: str) -> Item:
    return Item(type="message", role=role, content=(ContentPart(type=kind, text=words),))


def _call_time(media: Ms | None, clock: CallClock) -> float | None:
    return None if media is None else clock(media)


def _rounded(at: float | None) -> float | None:
    return None if at is None else round(at, 3)
