"""Wire messages of any class, and texts that are nearly wire messages."""

import functools
import json
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Literal, TypeGuard, TypeVar, get_args, get_origin

import attrs
import hypothesis.strategies as st
from attrs import AttrsInstance
from msgspec import UNSET, UnsetType

M = TypeVar("M", bound=AttrsInstance)

JSON_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
) | st.text(max_size=12)
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
JSON_OBJECTS = st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=4)

WILD_SCALARS = st.sampled_from([float("nan"), float("inf"), 1e308 * 10, 10**30, -(10**400), "\ud800", "=", "AAA", ""])

PLAIN: Mapping[object, st.SearchStrategy[object]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=40),
    object: JSON_VALUES,
    NoneType: st.none(),
    UnsetType: st.just(UNSET),
}


def messages(cls: type[M]) -> st.SearchStrategy[M]:
    """Any instance of `cls` that its annotations allow."""
    return _arguments(cls).map(lambda given: cls(**given))


@functools.cache
def _arguments(cls: type[AttrsInstance]) -> st.SearchStrategy[dict[str, object]]:
    """What an instance of `cls` can be made from. Kept, because the nested ones take long to put together."""
    declared: tuple[attrs.Attribute[object], ...] = attrs.fields(cls)
    return st.fixed_dictionaries({field.name: values(field.type) for field in declared})


def values(kind: object) -> st.SearchStrategy[object]:
    """Any value of the annotated type `kind`. Raises `TypeError` for what no wire class uses."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and attrs.has(kind):
        return messages(kind)
    origin: object = get_origin(kind)
    inner: tuple[object, ...] = get_args(kind)
    if isinstance(kind, UnionType):
        return st.one_of([values(each) for each in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[1:] == (...,):
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is Mapping and inner == (str, str):
        return st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3)
    if origin is Mapping and inner == (str, object):
        return JSON_OBJECTS
    raise TypeError(f"no strategy for {kind!r}")


def any_of(classes: tuple[type[M], ...]) -> st.SearchStrategy[M]:
    """An instance of any of `classes`."""
    return st.sampled_from(classes).flatmap(messages)


def hostile_texts(legal: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of every distance from `legal`: anything, any JSON, and legal messages cut, spoilt or nested."""
    anything = st.text(st.characters(), max_size=60)
    any_json = JSON_VALUES.map(json.dumps)
    cuts = st.tuples(legal, st.floats(0, 1)).map(lambda cut: cut[0][: int(len(cut[0]) * cut[1])])
    nested = st.builds(_nested, st.sampled_from(["[", '{"a":', '{"type":', '{"event":"media","x":[']), depths())
    return anything | any_json | legal | cuts | nested | legal.flatmap(_spoilt)


def depths() -> st.SearchStrategy[int]:
    """How deep to nest: shallow, beyond Python's stack, and beyond any stack."""
    return st.sampled_from([1, 900, 5_000, 100_000])


def _nested(opening: str, depth: int) -> str:
    return opening * depth


def _spoilt(legal: str) -> st.SearchStrategy[str]:
    """`legal` with one value, at any depth, made something else or taken away."""
    message: object = json.loads(legal)
    return st.builds(_spoil, st.sampled_from(_places(message)), JSON_VALUES | WILD_SCALARS | st.just(...))


def _spoil(place: Callable[[object], object], value: object) -> str:
    return json.dumps(place(value))


def _places(value: object) -> list[Callable[[object], object]]:
    """For each place in `value`, a function that gives `value` with that place replaced; `...` takes it away."""
    if not _is_object(value):
        return []
    return [
        change
        for name, member in value.items()
        for change in [_replacing(value, name), *(_within(value, name, inner) for inner in _places(member))]
    ]


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _replacing(members: dict[str, object], name: str) -> Callable[[object], object]:
    def change(value: object) -> object:
        changed = {**members, name: value}
        return {each: member for each, member in changed.items() if member is not ...}

    return change


def _within(members: dict[str, object], name: str, inner: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: {**members, name: inner(value)}
