"""Whatever a tool does, the model gets an answer and the call goes on."""

from collections.abc import Awaitable, Callable, Mapping

import pytest
import trio
from attrs import frozen
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.errors import OpusagentError, PeerGone, PeerRefused, PeerStalled, RemoteProtocolError
from opusagent.tools.results import refusal
from opusagent.tools.shapes import Field, Record, Scalar
from opusagent.tools.spec import ToolContext, ToolRefused, ToolResult, ToolSpec
from opusagent.tools.toolbox import MOST_OUTPUT, Toolbox, fit
from opusagent.units import CallId

CONTEXT = ToolContext(CallId("c1"))


@frozen
class Scripted:
    """A tool that does what it is told."""

    script: Callable[[], Awaitable[str]]
    name: str = "scripted"
    description: str = "Do."
    parameters: Record = Record((Field("day", Scalar("string"), required=False),))
    timeout_seconds: float = 5

    async def perform(self, arguments: Mapping[str, object], context: ToolContext) -> str:
        assert (set(arguments) <= {"day"}, context) == (True, CONTEXT)
        return await self.script()


async def called(script: Callable[[], Awaitable[str]]) -> ToolResult:
    return await Toolbox([Scripted(script)]).call("scripted", "", CONTEXT)


async def done() -> str:
    await trio.lowlevel.checkpoint()
    return "done"


def raising(error: BaseException) -> Callable[[], Awaitable[str]]:
    async def script() -> str:
        await trio.lowlevel.checkpoint()
        raise error

    return script


def test_the_model_is_told_of_every_tool_in_order() -> None:
    box = Toolbox([Scripted(done, "b"), Scripted(done, "a")])
    required: list[str] = []
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"day": {"type": "string"}},
        "required": required,
        "additionalProperties": False,
    }
    assert box.specs() == (ToolSpec("b", "Do.", schema), ToolSpec("a", "Do.", schema))
    assert ("a" in box, "c" in box) == (True, False)
    tool = box.specs()[0].as_session_tool()
    assert (tool.type, tool.name, tool.description, tool.parameters) == ("function", "b", "Do.", schema)


async def test_a_tool_that_there_is_not_is_told_which_there_are() -> None:
    box = Toolbox([Scripted(done, "find"), Scripted(done, "book")])
    assert await box.call("fnid\x1b", "", CONTEXT) == ToolResult(
        r"""{"error":"there is no tool 'fnid\\\\x1b'; the tools are: find, book"}""", ok=False
    )
    assert await Toolbox().call("find", "", CONTEXT) == refusal("there is no tool 'find'; the tools are: none")


async def test_arguments_that_do_not_fit_are_told_by_their_names() -> None:
    box = Toolbox([Scripted(done)])
    assert await box.call("scripted", '{"day":1}', CONTEXT) == refusal(
        "wrong arguments: `day` must be of type string, not integer"
    )
    assert await box.call("scripted", '{"day":"mon"}', CONTEXT) == ToolResult("done")


@pytest.mark.parametrize(
    ("error", "told", "logged"),
    [
        (ToolRefused("it is taken"), "it is taken", []),
        (ExceptionGroup("", [ToolRefused("a"), ExceptionGroup("", [ToolRefused("b")])]), "a; b", []),
        (PeerRefused("10.0.0.1 is down"), "scripted is out of order at the moment", ["a tool's peer failed"]),
        (PeerStalled("no answer"), "scripted is out of order at the moment", ["a tool's peer failed"]),
        (PeerGone("left"), "scripted is out of order at the moment", ["a tool's peer failed"]),
        (RemoteProtocolError("garbage"), "scripted is out of order at the moment", ["a tool's peer failed"]),
        (KeyError("password=hunter2"), "scripted failed: KeyError", ["a tool failed"]),
        (OpusagentError("password=hunter2"), "scripted failed: OpusagentError", ["a tool failed"]),
        (ExceptionGroup("", [KeyError(1), ValueError(2)]), "scripted failed: KeyError, ValueError", ["a tool failed"]),
        (SystemExit(1), "scripted failed: SystemExit", ["a tool failed"]),
        (trio.TooSlowError(), "scripted failed: TooSlowError", ["a tool failed"]),
        (RecursionError(), "scripted failed: RecursionError", ["a tool failed"]),
    ],
)
async def test_what_a_tool_raises_is_an_answer_and_never_its_text(
    error: BaseException, told: str, logged: list[str]
) -> None:
    """Only what is meant for the model reaches it; the operator's log has the traceback, once."""
    with capture_logs() as logs:
        assert await called(raising(error)) == refusal(told)
    assert [entry["event"] for entry in logs] == logged
    assert all((entry["call"], entry["tool"]) == ("c1", "scripted") for entry in logs)


async def test_a_tool_that_takes_too_long_is_given_up(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        result = await called(lambda: _after(3600))
    assert result == refusal("scripted took longer than 5 s and was given up")
    assert trio.current_time() == pytest.approx(5)
    assert [entry["event"] for entry in logs] == ["a tool took too long"]


async def _after(seconds: float) -> str:
    await trio.sleep(seconds)
    return "done"


async def _stubborn() -> str:
    try:
        await trio.sleep(3600)
    finally:
        raise KeyError("while being given up")


async def test_a_tool_that_fails_while_it_is_given_up_is_an_answer_too(autojump_clock: MockClock) -> None:
    assert await called(_stubborn) == refusal("scripted failed: KeyError")


async def test_a_tool_that_fails_while_the_call_ends_does_not_make_a_fault_of_it(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as call:
        call.start_soon(called, _stubborn)
        await trio.sleep(1)
        call.cancel_scope.cancel()


async def test_an_operators_interrupt_is_not_the_tools() -> None:
    with pytest.raises(KeyboardInterrupt):
        await called(raising(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("", ""),
        ("caf\u00e9\n\t\U0001f600", "caf\u00e9\n\t\U0001f600"),
        ("a\x00\x1b[2J\x7f\x9b\u0085b", "a[2Jb"),
        ("a\ud800b", "a?b"),
        ("x" * MOST_OUTPUT, "x" * MOST_OUTPUT),
    ],
)
def test_what_a_model_may_be_given(text: str, fitted: str) -> None:
    assert fit(text) == fitted


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac", "\U0001f600"])
def test_a_cut_does_not_part_a_character(letter: str) -> None:
    fitted = fit(letter * MOST_OUTPUT * 2)
    note = "\n[cut: the result is longer than 16384 bytes]"
    assert fitted.endswith(letter + note)
    assert MOST_OUTPUT - 4 < len(fitted.encode()) <= MOST_OUTPUT
    assert set(fitted.removesuffix(note)) == {letter}


def test_a_refusal_of_megabytes_is_still_json() -> None:
    assert refusal("x" * 1_000_000).output == '{"error":"' + "x" * 1000 + '"}'
