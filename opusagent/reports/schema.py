"""What reports and transcripts hold, written down from the classes themselves."""

import enum
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Final, get_args, get_type_hints

import attrs

from opusagent.call.report import CallReport
from opusagent.call.words import CallerWords, Keys, ModelWords, ToolCall, Unrecorded

Kind = type[attrs.AttrsInstance] | type[enum.Enum]

_TRANSCRIPT: Final = (CallerWords, ModelWords, Keys, ToolCall, Unrecorded)

_NAMES: Final = {
    "str": "text",
    "CallId": "text",
    "int": "whole number",
    "float": "number",
    "Ms": "milliseconds",
    "datetime": "time with zone (RFC 3339)",
    "None": "null",
}

_HEAD: Final = """\
# What a call leaves, field by field

Written by `python -m opusagent.reports`; a test holds it to the classes.

Times without a zone are seconds since the call began. A field with a default may be missing in the reports of earlier
versions, and is then that default. Fields that a reader does not know are to be passed over.

## report.json

One JSON object, a `CallReport`.
"""

_LINES: Final = """\
## transcript.jsonl

One JSON object a line, in the order of the conversation; `kind` tells which.
"""


def schema() -> str:
    """The document, in Markdown."""
    reports = "\n".join(map(_section, _kinds_in(CallReport)))
    lines = "\n".join(map(_section, _TRANSCRIPT))
    return f"{_HEAD}\n{reports}\n{_LINES}\n{lines}"


def _kinds_in(hint: object) -> list[Kind]:
    """Every class of ours that a value of this type may hold, itself first, each once."""
    if not inspect.isclass(hint):
        return _kinds_of(get_args(hint))
    if attrs.has(hint):
        kinds = _kinds_of(get_type_hints(hint).values())
        return [hint, *kinds]
    return [hint] if issubclass(hint, enum.Enum) else _kinds_of(get_args(hint))


def _kinds_of(hints: Iterable[object]) -> list[Kind]:
    return list(dict.fromkeys(kind for hint in hints for kind in _kinds_in(hint)))


def _section(kind: Kind) -> str:
    head = f"### {kind.__name__}\n\n{inspect.getdoc(kind) or ''}\n"
    if issubclass(kind, enum.Enum):
        values = "".join(f"- `{member.value}`\n" for member in kind)
        return f"{head}\nText, one of:\n\n{values}"
    return f"{head}\n| field | type | default |\n|---|---|---|\n{''.join(_rows(kind))}"


def _rows(kind: type[attrs.AttrsInstance]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in attrs.fields(kind):
        default = "" if field.default is attrs.NOTHING else f"`{_shown(field.default)}`"
        yield f"| `{field.name}` | {_type(hints[field.name])} | {default} |\n"


def _shown(default: object) -> str:
    if attrs.has(type(default)):
        return f"{type(default).__name__}()"
    return "null" if default is None else str(default)


def _type(hint: object) -> str:
    """A type as the JSON has it.

    >>> _type(tuple[float, ...] | None), _type(dict[str, int])
    ('array of number or null', 'object of whole number')
    """
    text = re.sub(r"\b(?:[a-z_]+\.)+", "", inspect.formatannotation(hint))
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"array of \1", text)
    text = re.sub(r"dict\[str, (\w+)\]", r"object of \1", text)
    text = re.sub(r"Optional\[(\w+)\]", r"\1 | None", text)
    text = re.sub(r"Literal\['(\w+)'\]", r"`\1`", text)
    return " or ".join(" ".join(_NAMES.get(word, word) for word in each.split()) for each in text.split(" | "))
