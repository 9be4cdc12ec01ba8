"""The strategies draw what they say."""

import json

from hypothesis import Phase, find, given, settings

from opusagent.tools.shapes import Maybe, Record, Row, Shape
from property_tests.strategies_tools import any_text, json_values, shapes


@given(json_values)
def test_json_values_are_json(value: object) -> None:
    assert json.loads(json.dumps(value)) == value


QUICK = settings(max_examples=2000, phases=[Phase.generate])


def test_every_kind_of_shape_is_drawn() -> None:
    """No shrinking: that there is one is all that is asked."""
    assert isinstance(find(shapes, lambda shape: isinstance(shape, Maybe), settings=QUICK), Maybe)
    assert isinstance(find(shapes, lambda shape: isinstance(shape, Row), settings=QUICK), Row)
    assert isinstance(find(shapes, _holds_two, settings=QUICK), Record)


def _holds_two(shape: Shape) -> bool:
    return isinstance(shape, Record) and len(shape.fields) > 1


def test_texts_are_objects_and_others() -> None:
    assert find(any_text, lambda text: text.startswith("{") and text.endswith("}") and len(text) > 2)
    assert find(any_text, lambda text: text.startswith("["))
    assert find(any_text, lambda text: text == "{") == "{"
