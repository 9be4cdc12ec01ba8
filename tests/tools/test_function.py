"""Python functions as tools: what they are given, where they run, and that none holds up a call."""

import enum
import threading

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.tools.function import FunctionTool, PythonFunction, text_of
from opusagent.tools.signature import read_signature
from opusagent.tools.spec import DEFAULT_SECONDS, ToolContext, ToolRefused, ToolResult
from opusagent.tools.threads import ToolThreads
from opusagent.tools.toolbox import Toolbox
from opusagent.units import CallId

CONTEXT = ToolContext(CallId("c1"), "call_1", caller="+15550100")


def declared(function: object, timeout_seconds: float = DEFAULT_SECONDS) -> PythonFunction:
    signature = read_signature(function)
    assert callable(function)
    return PythonFunction(
        name="tool",
        description=signature.summary,
        parameters=signature.parameters,
        function=function,
        context=signature.context,
        timeout_seconds=timeout_seconds,
    )


def a_tool(function: object, *, threads: int = 1, timeout_seconds: float = DEFAULT_SECONDS) -> FunctionTool:
    return FunctionTool(declared(function, timeout_seconds), ToolThreads(of_a_call=threads))


async def outcome(function: object, arguments: str = "{}", timeout_seconds: float = DEFAULT_SECONDS) -> ToolResult:
    tool = a_tool(function, timeout_seconds=timeout_seconds)
    return await Toolbox([tool]).call("tool", arguments, CONTEXT)


def where(day: str, times: int = 2) -> dict[str, object]:
    """Say where it runs."""
    return {"day": day, "times": times, "is_main": threading.current_thread() is threading.main_thread()}


async def where_async(day: str, times: int = 2) -> dict[str, object]:
    """Say where it runs."""
    await trio.lowlevel.checkpoint()
    return where(day, times)


async def test_a_plain_function_runs_on_a_thread() -> None:
    assert await outcome(where, '{"day":"mon"}') == ToolResult('{"day":"mon","times":2,"is_main":false}')


async def test_an_async_function_runs_in_place() -> None:
    assert await outcome(where_async, '{"day":"mon","times":3}') == ToolResult('{"day":"mon","times":3,"is_main":true}')


def whose(call: ToolContext) -> str:
    """Say who calls."""
    return f"{call.caller} {call.invocation}"


async def test_the_context_is_given_to_whoever_asks_and_not_told_to_the_model() -> None:
    assert a_tool(whose).parameters.fields == ()
    assert await outcome(whose) == ToolResult("+15550100 call_1")
    assert not (await outcome(whose, '{"call":{}}')).ok


def refuse() -> None:
    raise ToolRefused("that slot is taken")


async def refuse_in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        raise ToolRefused("that slot is taken")


@pytest.mark.parametrize("function", [refuse, refuse_in_a_nursery])
async def test_what_a_tool_refuses_is_said_to_the_model(function: object) -> None:
    assert await outcome(function) == ToolResult('{"error":"that slot is taken"}', ok=False)


@attrs.frozen
class Slot:
    day: str
    free: bool


class Day(enum.Enum):
    MONDAY = "mon"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "done"),
        (Slot("mon", free=True), '{"day":"mon","free":true}'),
        ([Day.MONDAY, 1.5, None], '["mon",1.5,null]'),
        ({"a": {1: ()}}, '{"a":{"1":[]}}'),
        (float("nan"), "null"),
    ],
)
def test_what_is_said_of_a_result(result: object, text: str) -> None:
    assert text_of(result) == text


def unspeakable() -> object:
    return object()


def circular() -> object:
    row: list[object] = []
    row.append(row)
    return row


async def promise() -> str:
    await trio.lowlevel.checkpoint()
    return "too late"


def disguised() -> object:
    return promise()


@pytest.mark.parametrize(
    ("function", "kind"), [(unspeakable, "TypeError"), (circular, "RecursionError"), (disguised, "TypeError")]
)
async def test_a_result_that_cannot_be_said_is_a_failure(function: object, kind: str) -> None:
    assert await outcome(function) == ToolResult(f'{{"error":"tool failed: {kind}"}}', ok=False)


async def test_a_function_that_hangs_is_left_to_itself(autojump_clock: MockClock) -> None:
    """The call is answered at the limit; the thread goes on, and its result is dropped."""
    release = threading.Event()

    def hang() -> str:
        release.wait()
        return "never heard"

    try:
        result = await outcome(hang, timeout_seconds=2)
        assert result == ToolResult('{"error":"tool took longer than 2 s and was given up"}', ok=False)
        assert trio.current_time() == pytest.approx(2)
    finally:
        release.set()


async def test_functions_that_hang_hold_up_further_ones_no_longer_than_their_limit(autojump_clock: MockClock) -> None:
    release = threading.Event()

    def hang() -> str:
        release.wait()
        return ""

    box = Toolbox([a_tool(hang, threads=1, timeout_seconds=2)])
    try:
        results = [await box.call("tool", "", CONTEXT) for _ in range(2)]
        assert [result.ok for result in results] == [False, False]
        assert trio.current_time() == pytest.approx(4)
    finally:
        release.set()


async def test_a_call_that_ends_does_not_wait_for_its_tool() -> None:
    """Cancellation abandons the thread at once."""
    begun, release = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def hang() -> str:
        token.run_sync_soon(begun.set)
        release.wait()
        return ""

    async with trio.open_nursery() as call:
        call.start_soon(outcome, hang)
        await begun.wait()
        call.cancel_scope.cancel()
    assert not release.is_set()
    release.set()


async def test_an_async_function_is_cancelled_with_its_call() -> None:
    ended: list[str] = []
    begun = trio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cleaned up")

    async with trio.open_nursery() as call:
        call.start_soon(outcome, wait)
        await begun.wait()
        call.cancel_scope.cancel()
    assert ended == ["cleaned up"]


def megabytes(kind: str) -> object:
    return "x" * 4_000_000 if kind == "text" else ["x" * 1000] * 4000


@pytest.mark.parametrize("kind", ["text", "json"])
async def test_megabytes_are_cut_and_said_to_be(kind: str) -> None:
    result = await outcome(megabytes, f'{{"kind":"{kind}"}}')
    assert result.ok
    assert len(result.output.encode()) == 16 * 1024
    assert result.output.endswith("x\n[cut: the result is longer than 16384 bytes]")
