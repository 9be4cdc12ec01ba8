"""What an argument may be: one description, from which the JSON Schema is written and by which arguments are read.

Both come from the same shapes, so the model is never told of something that is then refused. Nothing is coerced:
`"3"` is no number, and a name that is not described is refused. All that is wrong is said at once, each with its
place, in the words of JSON Schema, because the reader is a model that has just read the schema.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeGuard, assert_never

import attrs
import msgspec

from opusagent.errors import OpusagentError
from opusagent.realtime.items import JsonObject
from opusagent.wire import printable

MOST_ARGUMENTS: Final = 64 * 1024
"""Bytes of arguments. A model writes some hundred; it may write 4096 tokens in one response."""

MOST_COMPLAINTS: Final = 10
"""How many faults are told of. A model that made more has not read the schema."""

Kind = Literal["string", "integer", "number", "boolean"]


class Misfit(OpusagentError):
    """Arguments that do not fit. `problems` are all of them, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems[:MOST_COMPLAINTS]))
        self.problems: Final = tuple(problems)


@attrs.frozen
class Scalar:
    """Text, a whole number, a number, or true and false."""

    kind: Kind


@attrs.frozen
class Choice:
    """One of several values, all text or all whole numbers; `meanings` are what the tool is given for each."""

    values: tuple[str | int, ...]
    meanings: tuple[object, ...]


@attrs.frozen
class Maybe:
    """What it holds, or null."""

    inner: "Shape"


@attrs.frozen
class Row:
    """Any number of the same."""

    inner: "Shape"


@attrs.frozen
class Field:
    """One named part. Without it, if it is not `required`, the tool's own default counts."""

    name: str
    shape: "Shape"
    description: str = ""
    required: bool = True


def _as_they_are(values: dict[str, object]) -> object:
    return values


@attrs.frozen
class Record:
    """Named parts and no others; `build` makes of them what the tool is given, and may raise ValueError."""

    fields: tuple[Field, ...] = ()
    build: Callable[[dict[str, object]], object] = _as_they_are


Shape = Scalar | Choice | Maybe | Row | Record


def schema(shape: Shape) -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of `shape`.

    >>> schema(Maybe(Row(Scalar("integer"))))
    {'anyOf': [{'type': 'array', 'items': {'type': 'integer'}}, {'type': 'null'}]}
    """
    match shape:
        case Scalar(kind):
            return {"type": kind}
        case Choice(values):
            return {
                "type": "integer" if any(isinstance(value, int) for value in values) else "string",
                "enum": list(values),
            }
        case Maybe(inner):
            return {"anyOf": [schema(inner), {"type": "null"}]}
        case Row(inner):
            return {"type": "array", "items": schema(inner)}
        case Record(fields):
            return {
                "type": "object",
                "properties": {field.name: _described(field) for field in fields},
                "required": [field.name for field in fields if field.required],
                "additionalProperties": False,
            }
    assert_never(shape)


def _described(field: Field) -> JsonObject:
    said = {"description": field.description} if field.description else {}
    return {**schema(field.shape), **said}


def read_arguments(text: str, record: Record) -> Mapping[str, object]:
    """The arguments in `text`, as the model wrote them; no text at all is no arguments.

    Raises:
        Misfit: they are no JSON object, or do not fit.
    """
    if len(text) > MOST_ARGUMENTS:
        raise Misfit([f"the arguments have more than {MOST_ARGUMENTS} characters"])
    try:
        given = msgspec.json.decode(text.strip() or "{}", type=dict[str, object])
    except msgspec.ValidationError as error:
        raise Misfit([f"the arguments must be one JSON object: {printable(str(error))}"]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Misfit([f"the arguments are not JSON: {printable(str(error))}"]) from None
    problems: list[str] = []
    values = _parts(record, given, "", problems)
    if problems:
        raise Misfit(problems)
    return values


def read(shape: Shape, value: object, at: str, problems: list[str]) -> object:
    """What the tool is given for `value`. What is wrong with it, at the place `at`, is added to `problems`."""
    match shape:
        case Scalar(kind):
            return _scalar(kind, value, at, problems)
        case Choice(values, meanings):
            return _chosen(values, meanings, value, at, problems)
        case Maybe(inner):
            return None if value is None else read(inner, value, at, problems)
        case Row(inner):
            if not _is_array(value):
                problems.append(_wrong("array", value, at))
                return None
            return [read(inner, each, f"{at}[{place}]", problems) for place, each in enumerate(value)]
        case Record():
            if not _is_object(value):
                problems.append(_wrong("object", value, at))
                return None
            return _built(shape, value, at, problems)
    assert_never(shape)


def _built(record: Record, value: Mapping[str, object], at: str, problems: list[str]) -> object:
    before = len(problems)
    parts = _parts(record, value, f"{at}.", problems)
    if len(problems) > before:
        return None
    try:
        return record.build(parts)
    except ValueError as error:
        problems.append(f"`{at}` {printable(str(error))}")
        return None


def _parts(record: Record, value: Mapping[str, object], prefix: str, problems: list[str]) -> dict[str, object]:
    known = {field.name: field for field in record.fields}
    names = ", ".join(known) or "none"
    problems.extend(
        f"`{prefix}{printable(name)}` is unknown; known are: {names}" for name in value if name not in known
    )
    missing = [name for name, field in known.items() if field.required and name not in value]
    problems.extend(f"`{prefix}{name}` is missing" for name in missing)
    given = [(field, value[name]) for name, field in known.items() if name in value]
    return {field.name: read(field.shape, each, prefix + field.name, problems) for field, each in given}


def _scalar(kind: Kind, value: object, at: str, problems: list[str]) -> object:
    found = kind_of(value)
    if found == kind:
        return value
    match value:
        case int() if kind == "number" and found == "integer":
            return _as_number(value, at, problems)
        case float() if kind == "integer" and value.is_integer():  # JSON Schema, 6.1.1: 1.0 is an integer
            return int(value)
        case _:
            problems.append(_wrong(kind, value, at))
            return None


def _as_number(value: int, at: str, problems: list[str]) -> float | None:
    try:
        return float(value)
    except OverflowError:
        problems.append(f"`{at}` is too large a number")
        return None


def _chosen(
    values: Sequence[str | int], meanings: Sequence[object], value: object, at: str, problems: list[str]
) -> object:
    # By type as well: 1 == True.
    chosen = [meaning for each, meaning in zip(values, meanings, strict=True) if each == value and _alike(each, value)]
    if chosen:
        return chosen[0]
    allowed = msgspec.json.encode(values).decode()
    problems.append(f"`{at}` must be one of {allowed}")
    return None


def _alike(one: object, other: object) -> bool:
    return type(one) is type(other)


def _wrong(kind: str, value: object, at: str) -> str:
    return f"`{at}` must be of type {kind}, not {kind_of(value)}"


def kind_of(value: object) -> str:
    """What JSON Schema calls a value.

    >>> [kind_of(value) for value in (None, True, 1, 1.5, "1", [1], {})]
    ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']
    """
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)
