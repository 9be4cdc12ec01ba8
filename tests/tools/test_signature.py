"""From a function to what the model is told: every type that a parameter may have, and what is said of the others."""

import enum
import functools
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import pytest

from opusagent.tools.loading import load_function
from opusagent.tools.shapes import Choice, Field, Maybe, Record, Row, Scalar, read_arguments, schema
from opusagent.tools.signature import Function, WrongSignature, read_docstring, read_signature
from opusagent.tools.spec import ToolContext
from opusagent.units import CallId


class Day(enum.Enum):
    MONDAY = "mon"
    TUESDAY = "tue"


class Floor(enum.IntEnum):
    GROUND = 0
    FIRST = 1


@attrs.frozen
class Patient:
    """Who comes.

    Attributes:
        name: As on the card.
    """

    name: str
    _age: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    seen: int = attrs.field(default=0, init=False)


def book(
    patient: Patient,
    day: Day,
    kind: Literal["first", "again"],
    minutes: Literal[15, 30] = 15,
    *,
    floor: Floor = Floor.GROUND,
    price: float | None = None,
    notes: list[str] | None = None,
    urgent: bool = False,
    context: ToolContext,
) -> str:
    """Book a slot.

    It is held for a day.

    Args:
        patient: Who comes.
        day (Day): When,
            in this week.
        kind: First visit, or again.
        minutes: How long.
        floor: Where.
        price: At most.
        notes: To keep in mind.
        urgent: Whether it hurts.
        context: Whose call it is.

    Returns:
        A number.
    """
    return f"{patient} {day} {kind} {minutes} {floor} {price} {notes} {urgent} {context.call_id}"


def test_a_function_in_full() -> None:
    signature = read_signature(book)
    assert signature.summary == "Book a slot. It is held for a day."
    assert signature.context == "context"
    assert schema(signature.parameters) == {
        "type": "object",
        "properties": {
            "patient": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "As on the card."},
                    "age": {"type": "integer"},
                },
                "required": ["name"],
                "additionalProperties": False,
                "description": "Who comes.",
            },
            "day": {"type": "string", "enum": ["mon", "tue"], "description": "When, in this week."},
            "kind": {"type": "string", "enum": ["first", "again"], "description": "First visit, or again."},
            "minutes": {"type": "integer", "enum": [15, 30], "description": "How long."},
            "floor": {"type": "integer", "enum": [0, 1], "description": "Where."},
            "price": {"anyOf": [{"type": "number"}, {"type": "null"}], "description": "At most."},
            "notes": {
                "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
                "description": "To keep in mind.",
            },
            "urgent": {"type": "boolean", "description": "Whether it hurts."},
        },
        "required": ["patient", "day", "kind"],
        "additionalProperties": False,
    }


def called(function: object, arguments: dict[str, object]) -> object:
    assert isinstance(function, Function)
    return function(**arguments)


def test_what_the_function_is_given() -> None:
    text = '{"patient":{"name":"A","age":7},"day":"tue","kind":"first","minutes":30,"floor":1,"price":2}'
    values = read_arguments(text, read_signature(book).parameters)
    assert values == {
        "patient": Patient("A", 7),
        "day": Day.TUESDAY,
        "kind": "first",
        "minutes": 30,
        "floor": Floor.FIRST,
        "price": 2.0,
    }
    assert called(book, {**values, "context": ToolContext(CallId("c"))}) == (
        "Patient(name='A', _age=7, seen=0) Day.TUESDAY first 30 1 2.0 None False c"
    )


def test_a_class_that_refuses_its_values_names_the_field() -> None:
    text = '{"patient":{"name":"A","age":-7},"day":"tue","kind":"first"}'
    with pytest.raises(Exception, match=r"^`patient` '_age' must be >= 0: -7$"):
        read_arguments(text, read_signature(book).parameters)


def plain() -> None:
    pass


def test_a_function_may_take_nothing_and_say_nothing() -> None:
    assert read_signature(plain).summary == ""
    assert read_signature(plain).parameters == Record()
    assert read_signature(plain).context is None


def nested(rows: list[list[int]], either: Literal["a"] | None = None) -> None:
    """Nest."""


def test_lists_may_hold_lists() -> None:
    assert read_signature(nested).parameters == Record(
        (
            Field("rows", Row(Row(Scalar("integer")))),
            Field("either", Maybe(Choice(("a",), ("a",))), required=False),
        )
    )


@attrs.define
class Tree:
    branches: "list[Tree]"


class Mixed(enum.Enum):
    TEXT = "a"
    NUMBER = 1


class Empty(enum.Enum):
    pass


def star(*days: str) -> None:
    pass


def double_star(**days: str) -> None:
    pass


def positional(day: str, /) -> None:
    pass


def bytes_of(day: bytes) -> None:
    pass


def bare(days: Sequence[str]) -> None:
    pass


def either(day: str | int) -> None:
    pass


def mapping(days: dict[str, int]) -> None:
    pass


def truths(day: Literal[True]) -> None:
    pass


def mixed(day: Mixed) -> None:
    pass


def empty(day: Empty) -> None:
    pass


def tree(day: Tree) -> None:
    pass


def inside(days: list[bytes]) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (star, "its parameter `days` cannot be given by name"),
        (double_star, "its parameter `days` cannot be given by name"),
        (positional, "its parameter `day` cannot be given by name"),
        (bytes_of, "its parameter `day` is of type bytes, which no model can give"),
        (bare, "its parameter `days` is of type collections.abc.Sequence[str], which no model can give"),
        (mapping, "its parameter `days` is of type dict[str, int], which no model can give"),
        (inside, "its parameter `days` is of type bytes, which no model can give"),
        (either, "its parameter `day` may be one of several types, which no model can choose"),
        (truths, "its parameter `day` must choose among strings or among whole numbers"),
        (mixed, "its parameter `day` must choose among strings or among whole numbers"),
        (empty, "its parameter `day` must choose among strings or among whole numbers"),
        (tree, "its parameter `day` (field `branches`) holds Tree within Tree, without end"),
    ],
)
def test_what_no_model_can_give(function: object, complaint: str) -> None:
    with pytest.raises(WrongSignature) as wrong:
        read_signature(function)
    assert str(wrong.value) == complaint


OPEN_ENDS = """
import attrs

@attrs.define
class Lost:
    where: "Nowhere"

def untyped(day):
    pass

def lost(day: Lost):
    pass

def gone(day: "Nowhere"):
    pass
"""


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("untyped", "its parameter `day` has no type"),
        ("lost", "its parameter `day` is of Lost, whose annotations cannot be read: name 'Nowhere' is not defined"),
        ("gone", "its annotations cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_types_that_are_not_there(name: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "open_ends.py"
    file.write_text(OPEN_ENDS)
    with pytest.raises(WrongSignature) as wrong:
        read_signature(load_function(f"{file}:{name}"))
    assert str(wrong.value) == complaint


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (functools.partial(plain), "its annotations cannot be read: "),
        (operator.itemgetter(1), "its annotations cannot be read: "),
        (3, "it is no function"),
        (Patient, "it is no function"),
    ],
)
def test_what_cannot_be_read(function: object, words: str) -> None:
    with pytest.raises(WrongSignature) as wrong:
        read_signature(function)
    assert str(wrong.value).startswith(words)


DOCSTRINGS: list[tuple[str, tuple[str, dict[str, str]]]] = [
    ("", ("", {})),
    ("One.\n\n\nTwo\nlines.", ("One. Two lines.", {})),
    ("One.\n\nArgs:\n    a: A: b.\n    *b: B.\n    c (int): C.", ("One.", {"a": "A: b.", "b": "B.", "c": "C."})),
    ("One.\n\nRaises:\n    ValueError: no.\n\nArgs:\n    a: A.", ("One.", {"a": "A."})),
    ("One.\n\nArgs:\n    no name here", ("One.", {})),
]


@pytest.mark.parametrize(("text", "expected"), DOCSTRINGS)
def test_docstrings(text: str, expected: tuple[str, dict[str, str]]) -> None:
    assert read_docstring(text) == expected
