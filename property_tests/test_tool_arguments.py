"""Whatever a model writes as arguments: it fits and is taken whole, or the answer says what does not."""

import json
from collections.abc import Mapping

import pytest
import trio
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from opusagent.tools.results import refusal
from opusagent.tools.shapes import Misfit, Record, read_arguments, schema
from opusagent.tools.spec import ToolContext, ToolResult
from opusagent.tools.toolbox import MOST_OUTPUT, Toolbox, fit
from opusagent.units import CallId
from property_tests.strategies_tools import any_text, argument_records, fitting

CONTEXT = ToolContext(CallId("c"))


@frozen
class Parrot:
    """A tool that says what it was given."""

    parameters: Record
    name: str = "parrot"
    description: str = "Repeat."
    timeout_seconds: float = 5

    async def perform(self, arguments: Mapping[str, object], context: ToolContext) -> str:
        await trio.lowlevel.checkpoint()
        assert context == CONTEXT
        return json.dumps(dict(arguments))


def called(parameters: Record, text: str) -> ToolResult:
    async def call() -> ToolResult:
        return await Toolbox([Parrot(parameters)]).call("parrot", text, CONTEXT)

    return trio.run(call)


def verdict(parameters: Record, text: str) -> ToolResult:
    """What reading says of `text`, and what the parrot then answers."""
    try:
        return ToolResult(fit(json.dumps(dict(read_arguments(text, parameters)))))
    except Misfit as misfit:
        return refusal(f"wrong arguments: {misfit}")


@given(argument_records, any_text)
def test_any_text_gives_a_result_or_an_error_and_nothing_else(parameters: Record, text: str) -> None:
    """And which of the two it is, is what reading says."""
    result = called(parameters, text)
    assert result == verdict(parameters, text)
    assert json.loads(result.output) is not None


@given(argument_records, st.data())
def test_arguments_that_fit_are_taken_as_they_are(parameters: Record, data: st.DataObject) -> None:
    given_: object = data.draw(fitting(parameters))
    assert read_arguments(json.dumps(given_), parameters) == given_


@given(argument_records, st.data())
def test_a_part_that_is_missing_or_unknown_is_named(parameters: Record, data: st.DataObject) -> None:
    values = json.loads(json.dumps(data.draw(fitting(parameters))))
    required = [field.name for field in parameters.fields if field.required]
    missing = data.draw(st.lists(st.sampled_from(required), unique=True)) if required else []
    text = json.dumps({**{name: value for name, value in values.items() if name not in missing}, "UNKNOWN": 1})
    with pytest.raises(Misfit) as misfit:
        read_arguments(text, parameters)
    named = [problem.partition("`")[2].partition("`")[0] for problem in misfit.value.problems]
    assert sorted(named) == sorted([*missing, "UNKNOWN"])


@given(argument_records)
def test_a_schema_can_be_written_and_names_every_part(parameters: Record) -> None:
    written = json.loads(json.dumps(schema(parameters)))
    assert list(written["properties"]) == [field.name for field in parameters.fields]
    assert written["required"] == [field.name for field in parameters.fields if field.required]


@given(st.text(st.characters()) | st.text(st.characters(), min_size=1).map(lambda text: text * MOST_OUTPUT))
def test_any_text_of_a_tool_can_be_sent_and_is_bounded(text: str) -> None:
    fitted = fit(text)
    assert len(fitted.encode()) <= MOST_OUTPUT
    assert fit(fitted) == fitted
