"""What an argument may be: the schema that is told and the arguments that are taken are the same thing."""

import pytest

from opusagent.tools.shapes import Choice, Field, Maybe, Misfit, Record, Row, Scalar, Shape, read_arguments, schema


def checked(values: dict[str, object]) -> object:
    if values["age"] == 0:
        raise ValueError("is not born yet")
    return tuple(values.items())


PATIENT = Record((Field("name", Scalar("string")), Field("age", Scalar("integer"), "In years.")), checked)
BOOKING = Record(
    (
        Field("patient", PATIENT),
        Field("days", Row(Choice(("mon", "tue"), (0, 1))), "When.", required=False),
        Field("price", Maybe(Scalar("number")), required=False),
        Field("urgent", Scalar("boolean"), required=False),
        Field("floor", Choice((1, 2), ("first", "second")), required=False),
    )
)


def problems(arguments: str, record: Record = BOOKING) -> tuple[str, ...]:
    with pytest.raises(Misfit) as misfit:
        read_arguments(arguments, record)
    return misfit.value.problems


def test_the_schema_in_full() -> None:
    assert schema(BOOKING) == {
        "type": "object",
        "properties": {
            "patient": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer", "description": "In years."}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
            "days": {
                "type": "array",
                "items": {"type": "string", "enum": ["mon", "tue"]},
                "description": "When.",
            },
            "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "urgent": {"type": "boolean"},
            "floor": {"type": "integer", "enum": [1, 2]},
        },
        "required": ["patient"],
        "additionalProperties": False,
    }


def test_arguments_that_fit() -> None:
    text = '{"patient":{"name":"A","age":1},"days":["tue","mon"],"price":2,"urgent":true,"floor":2}'
    assert read_arguments(text, BOOKING) == {
        "patient": (("name", "A"), ("age", 1)),
        "days": [1, 0],
        "price": 2.0,
        "urgent": True,
        "floor": "second",
    }


def test_what_is_left_out_is_left_to_the_tool() -> None:
    assert read_arguments('{"patient":{"name":"A","age":1}}', BOOKING) == {"patient": (("name", "A"), ("age", 1))}
    assert read_arguments('{"patient":{"name":"A","age":1},"price":null}', BOOKING)["price"] is None


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_no_text_is_no_arguments(text: str) -> None:
    assert read_arguments(text, Record()) == {}


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """JSON Schema, validation 6.1.1: a number with a zero fractional part is an integer."""
    values = read_arguments('{"patient":{"name":"A","age":3.0}}', BOOKING)
    assert values == {"patient": (("name", "A"), ("age", 3))}


def test_everything_wrong_is_said_at_once_each_with_its_place() -> None:
    text = '{"patient":{"age":"4","nmae":"A"},"days":["mon","wed",1],"price":"2","urgent":1,"floor":true,"x\\ny":0}'
    assert problems(text) == (
        "`x\\ny` is unknown; known are: patient, days, price, urgent, floor",
        "`patient.nmae` is unknown; known are: name, age",
        "`patient.name` is missing",
        "`patient.age` must be of type integer, not string",
        '`days[1]` must be one of ["mon","tue"]',
        '`days[2]` must be one of ["mon","tue"]',
        "`price` must be of type number, not string",
        "`urgent` must be of type boolean, not integer",
        "`floor` must be one of [1,2]",
    )


@pytest.mark.parametrize(
    ("shape", "value", "complaint"),
    [
        (Scalar("string"), "1", "must be of type string, not integer"),
        (Scalar("integer"), "1.5", "must be of type integer, not number"),
        (Scalar("integer"), "true", "must be of type integer, not boolean"),
        (Scalar("number"), "false", "must be of type number, not boolean"),
        (Scalar("number"), "1" + "0" * 400, "is too large a number"),
        (Scalar("boolean"), "null", "must be of type boolean, not null"),
        (Choice((1,), (1,)), "true", "must be one of [1]"),
        (Choice(("a",), (1,)), "{}", 'must be one of ["a"]'),
        (Row(Scalar("string")), '"a"', "must be of type array, not string"),
        (PATIENT, "[]", "must be of type object, not array"),
        (PATIENT, '{"name":"A","age":0}', "is not born yet"),
    ],
)
def test_nothing_is_taken_for_what_it_is_not(shape: Shape, value: str, complaint: str) -> None:
    assert problems(f'{{"a":{value}}}', Record((Field("a", shape),))) == (f"`a` {complaint}",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "the arguments must be one JSON object: "),
        ('"a"', "the arguments must be one JSON object: "),
        ('{"a":1e400}', "the arguments must be one JSON object: "),
        ('{"a":', "the arguments are not JSON: "),
        ('{"a":NaN}', "the arguments are not JSON: "),
        ("{'a':1}", "the arguments are not JSON: "),
        ('{"a":"\ud800"}', "the arguments are not JSON: "),
        ('{"a":' + "[" * 30_000 + "]" * 30_000 + "}", "the arguments are not JSON: "),
        ('{"a":"' + "x" * 65_536 + '"}', "the arguments have more than 65536 characters"),
    ],
)
def test_what_is_no_object(text: str, words: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(words)


def test_a_model_that_has_not_read_the_schema_is_told_of_ten_faults() -> None:
    with pytest.raises(Misfit) as misfit:
        read_arguments("{" + ",".join(f'"a{n}":1' for n in range(50)) + "}", Record())
    assert len(misfit.value.problems) == 50
    assert str(misfit.value) == "; ".join(f"`a{n}` is unknown; known are: none" for n in range(10))
