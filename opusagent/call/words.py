"""The lines of a transcript, and the two rules about words: how many were heard, and which digits nobody may read.

Times are seconds since the call began, as on the recording; `None` where they are not known.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, assert_never

import attrs
import msgspec

from opusagent.units import Ms

MOST_CHARACTERS: Final = 20_000
"""Of one text. A response at the service's limit of 4,096 tokens is about as long."""

NO_WORD: Final = Ms(20)
"""A frame. Counting samples at two rates may lose a millisecond, and nobody says a word in so little."""

_WIDE: Final = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_WORD: Final = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+")
_DIGIT_RUN: Final = re.compile(r"[0-9](?:[ -]?[0-9]){3,}")


@attrs.frozen(kw_only=True)
class CallerWords:
    """What the caller said in one item, `words` None if nobody wrote it down.

    `media_start` and `media_end` are milliseconds of the caller's own audio, as the model's service counted it.
    """

    kind: Literal["caller"] = "caller"
    item_id: str
    began: float | None
    ended: float | None
    media_start: Ms | None
    media_end: Ms | None
    words: str | None


@attrs.frozen(kw_only=True)
class ModelWords:
    """What the caller heard of one item of the model's; `unheard` was generated and never reached the ear.

    `began` and `ended` are the first and the last of its sound at the ear.
    """

    kind: Literal["model"] = "model"
    item_id: str
    began: float | None
    ended: float | None
    words: str
    unheard: str
    heard_ms: Ms
    total_ms: Ms


@attrs.frozen(kw_only=True)
class Keys:
    """Telephone keys, pressed from `began` to `ended` with nothing said between."""

    kind: Literal["keys"] = "keys"
    began: float
    ended: float
    digits: str


@attrs.frozen(kw_only=True)
class ToolCall:
    """A tool that the model called (`arguments`, JSON), or what came back (`output`); one `call_id` joins the two."""

    kind: Literal["tool"] = "tool"
    item_id: str
    at: float
    call_id: str
    name: str
    arguments: str | None
    output: str | None


@attrs.frozen(kw_only=True)
class Unrecorded:
    """The recording was paused from `began` to `ended`, None: to the end. What was said meanwhile has no words here."""

    kind: Literal["unrecorded"] = "unrecorded"
    began: float
    ended: float | None


Line = CallerWords | ModelWords | Keys | ToolCall | Unrecorded


@attrs.frozen
class WordCounts:
    """A transcript in numbers. `lost`: what came beyond the bounds of a transcript."""

    caller: int = 0
    model: int = 0
    heard_words: int = 0
    unheard_words: int = 0
    keys: int = 0
    tool_calls: int = 0
    lost: int = 0


def split_heard(text: str, heard: Ms, total: Ms) -> tuple[str, str]:
    """The words of `text` that were heard if `heard` of its `total` ms were, in proportion, and the others.

    A character of a script without spaces counts as a word. Less than `NO_WORD` that is missing is no word.

    >>> split_heard("one two three four", Ms(740), Ms(1000))
    ('one two', 'three four')
    """
    if total and total - heard < NO_WORD:
        return text, ""
    words = list(_WORD.finditer(text))
    count = len(words) * heard // total if total else 0
    place = words[count - 1].end() if count else 0
    return text[:place], text[place:].strip()


def masked(text: str) -> str:
    """`text` with every run of four digits or more hidden, spaced as people space them or not.

    >>> masked('{"card": "4111 1111 1111 1111", "room": 12}')
    '{"card": "**** **** **** ****", "room": 12}'
    """
    return _DIGIT_RUN.sub(lambda run: re.sub("[0-9]", "*", run[0]), text)


def count_words(lines: Iterable[Line], lost: int) -> WordCounts:
    """The numbers of a transcript."""
    counts = WordCounts(lost=lost)
    for line in lines:
        match line:
            case CallerWords():
                counts = attrs.evolve(counts, caller=counts.caller + 1)
            case ModelWords():
                counts = attrs.evolve(
                    counts,
                    model=counts.model + 1,
                    heard_words=counts.heard_words + len(_WORD.findall(line.words)),
                    unheard_words=counts.unheard_words + len(_WORD.findall(line.unheard)),
                )
            case Keys():
                counts = attrs.evolve(counts, keys=counts.keys + len(line.digits))
            case ToolCall():
                counts = attrs.evolve(counts, tool_calls=counts.tool_calls + (line.arguments is not None))
            case Unrecorded():
                pass
            case _:
                assert_never(line)
    return counts


def to_json_lines(lines: Sequence[Line]) -> bytes:
    """One JSON object a line, UTF-8."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
