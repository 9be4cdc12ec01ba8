"""From a Python function to what the model is told of it: its docstring and its typed parameters.

A parameter is `str`, `int`, `float`, `bool`, a `Literal` or an `Enum` of strings or of whole numbers, one of these or
None, a list of these, or an attrs class of these. Anything else is refused when the configuration is read, so that
nobody finds out during a call.
"""

import enum
import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Final, Literal, Protocol, Union, get_args, get_origin, get_type_hints, runtime_checkable

import attrs

from opusagent.errors import OpusagentError
from opusagent.tools.shapes import Choice, Field, Maybe, Record, Row, Scalar, Shape
from opusagent.tools.spec import ToolContext

SCALARS: Final[Sequence[tuple[type, Scalar]]] = (
    (str, Scalar("string")),
    (bool, Scalar("boolean")),
    (int, Scalar("integer")),
    (float, Scalar("number")),
)

_SECTION: Final = re.compile(r"(Args|Arguments|Parameters|Attributes|Returns|Raises|Yields|Examples?|Notes?):\s*")
_PARTS: Final = frozenset({"Args", "Arguments", "Parameters", "Attributes"})
_PART: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


@runtime_checkable
class Function(Protocol):
    """Something that can be called with named arguments."""

    def __call__(self, **arguments: object) -> object: ...


class WrongSignature(OpusagentError):
    """A function cannot be a tool. The text says which part of it, and what it may be."""


@attrs.frozen
class Signature:
    """What a function says of itself. `context` is the name of the parameter that takes the `ToolContext`, if any."""

    summary: str
    parameters: Record
    context: str | None


def read_signature(function: object) -> Signature:
    """What `function` takes and what it is for (Google-style docstring).

    Raises:
        WrongSignature: it takes something that no model can give.
    """
    if isinstance(function, type) or not isinstance(function, Function):
        raise WrongSignature("it is no function")
    try:
        hints: Mapping[str, object] = get_type_hints(function)
        declared = inspect.signature(function).parameters
    except (TypeError, ValueError, NameError, AttributeError) as error:
        raise WrongSignature(f"its annotations cannot be read: {error}") from None
    summary, said = read_docstring(inspect.getdoc(function) or "")
    contexts = [name for name in declared if hints.get(name) is ToolContext]
    parameters = [each for name, each in declared.items() if name not in contexts]
    fields = tuple(_parameter(each, hints, said) for each in parameters)
    return Signature(summary, Record(fields), contexts[0] if contexts else None)


def _parameter(parameter: inspect.Parameter, hints: Mapping[str, object], said: Mapping[str, str]) -> Field:
    name = parameter.name
    if parameter.kind not in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
        raise WrongSignature(f"its parameter `{name}` cannot be given by name")
    if name not in hints:
        raise WrongSignature(f"its parameter `{name}` has no type")
    required = parameter.default is inspect.Parameter.empty
    return Field(name, _shape(hints[name], f"parameter `{name}`", ()), said.get(name, ""), required=required)


def _shape(kind: object, where: str, inside: tuple[type, ...]) -> Shape:
    for scalar, shape in SCALARS:
        if kind is scalar:
            return shape
    arguments: Sequence[object] = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return _choice(arguments, arguments, where)
    if origin in {Union, UnionType}:
        return _maybe(arguments, where, inside)
    if origin is list:
        return Row(_shape(arguments[0], where, inside))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        members: Sequence[enum.Enum] = list(kind)
        values: Sequence[object] = [member.value for member in members]
        return _choice(values, members, where)
    if isinstance(kind, type) and attrs.has(kind):
        return _record(kind, where, inside)
    raise WrongSignature(f"its {where} is of type {_told(kind)}, which no model can give")


def _choice(values: Sequence[object], meanings: Sequence[object], where: str) -> Choice:
    # bool is an int to Python, and a type of its own to JSON.
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if not values or len(values) not in {len(texts), len(numbers)}:
        raise WrongSignature(f"its {where} must choose among strings or among whole numbers")
    return Choice((*texts, *numbers), tuple(meanings))


def _maybe(arguments: Sequence[object], where: str, inside: tuple[type, ...]) -> Maybe:
    given = [each for each in arguments if each is not type(None)]
    if len(given) != 1:
        raise WrongSignature(f"its {where} may be one of several types, which no model can choose")
    return Maybe(_shape(given[0], where, inside))


def _record(cls: type[attrs.AttrsInstance], where: str, inside: tuple[type, ...]) -> Record:
    if cls in inside:
        raise WrongSignature(f"its {where} holds {cls.__name__} within {cls.__name__}, without end")
    try:
        attrs.resolve_types(cls)
    except (TypeError, NameError, AttributeError) as error:
        raise WrongSignature(f"its {where} is of {cls.__name__}, whose annotations cannot be read: {error}") from None
    _, said = read_docstring(cls.__doc__ or "")
    declared: Sequence[attrs.Attribute[object]] = attrs.fields(cls)
    return Record(
        tuple(_part(each, f"{where} (field `{each.name}`)", said, (*inside, cls)) for each in declared if each.init),
        functools.partial(_build, cls),
    )


def _part(attribute: "attrs.Attribute[object]", where: str, said: Mapping[str, str], inside: tuple[type, ...]) -> Field:
    name = attribute.alias or attribute.name
    shape = _shape(attribute.type, where, inside)
    return Field(name, shape, said.get(attribute.name, ""), required=attribute.default is attrs.NOTHING)


def _build(cls: object, values: dict[str, object]) -> object:
    """One of `cls`. Its own validators say what is wrong by TypeError too."""
    if not isinstance(cls, Function):
        raise TypeError(f"{cls!r} cannot be made")
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _told(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def read_docstring(text: str) -> tuple[str, Mapping[str, str]]:
    r"""What a Google-style docstring says of the whole, and of each argument or attribute.

    >>> read_docstring("Book a slot.\n\nArgs:\n    day: Which day,\n        in words.\n\nReturns:\n    A number.")
    ('Book a slot.', {'day': 'Which day, in words.'})
    """
    summary, said, section, name = list[str](), dict[str, str](), "", ""
    for line in inspect.cleandoc(text).splitlines():
        if head := _SECTION.fullmatch(line):
            section = head[1]
        elif not section:
            summary.append(line.strip())
        elif section in _PARTS and line.strip():
            part = _PART.fullmatch(line.strip()) if _indent(line) <= _INDENT else None
            name = part[1] if part else name
            said[name] = f"{said.get(name, '')} {part[2] if part else line.strip()}".strip()
    return " ".join(filter(None, summary)), {key: value for key, value in said.items() if key}


_INDENT: Final = 4  # Google Python Style Guide, 3.8.3: a description's own lines hang deeper than its name


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
