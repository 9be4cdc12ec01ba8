"""Shapes of arguments, arguments that fit them, and arguments that anybody might write."""

import json

from hypothesis import strategies as st

from opusagent.tools.shapes import Choice, Field, Maybe, Record, Row, Scalar, Shape

# What JSON text can carry: any character but surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)

_SCALARS = st.builds(Scalar, st.sampled_from(["string", "integer", "number", "boolean"]))
_TEXT_CHOICES = st.lists(TEXTS, min_size=1, max_size=3, unique=True)
_NUMBER_CHOICES = st.lists(st.integers(-9, 9), min_size=1, max_size=3, unique=True)
_CHOICES = (_TEXT_CHOICES | _NUMBER_CHOICES).map(lambda values: Choice(tuple(values), tuple(values)))


def records(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Record]:
    """Records of what `inner` draws, each part under a name of its own."""
    fields = st.builds(Field, _NAMES, inner, TEXTS, required=st.booleans())
    return st.lists(fields, max_size=4, unique_by=lambda field: field.name).map(lambda each: Record(tuple(each)))


shapes: st.SearchStrategy[Shape] = st.recursive(
    _SCALARS | _CHOICES,
    lambda inner: st.builds(Maybe, inner) | st.builds(Row, inner) | records(inner),
    max_leaves=6,
)

argument_records = records(shapes)

json_values: st.SearchStrategy[object] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | TEXTS, inner, max_size=3),
    max_leaves=8,
)


def fitting(shape: Shape) -> st.SearchStrategy[object]:
    """Values of JSON that fit `shape`."""
    match shape:
        case Scalar("string"):
            return TEXTS
        case Scalar("integer"):
            return st.integers(-(10**9), 10**9)
        case Scalar("number"):
            return st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
        case Scalar():
            return st.booleans()
        case Choice(values):
            return st.sampled_from(values)
        case Maybe(inner):
            return st.none() | fitting(inner)
        case Row(inner):
            return st.lists(fitting(inner), max_size=3)
        case Record(fields):
            required = {field.name: fitting(field.shape) for field in fields if field.required}
            optional = {field.name: fitting(field.shape) for field in fields if not field.required}
            return st.fixed_dictionaries(required, optional=optional)


any_text = st.one_of(
    st.text(),
    json_values.map(json.dumps),
    st.dictionaries(_NAMES, json_values, max_size=4).map(json.dumps),
    json_values.map(lambda value: json.dumps(value)[:-1]),
)
"""What a model may write where arguments belong: JSON of any kind, nearly JSON, and anything else."""
