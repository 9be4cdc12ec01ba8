"""A Python function as a tool.

A plain function runs on a thread, because it may block; each call has so many of them and no more (`threads`), so that
tools which hang hold up tools of their own call at most. When it is given up, by its own time limit or because the call
ends, the thread is left to itself and what it still returns is dropped. An `async` function runs in the event loop with
all calls, must be trio's and must not block.
"""

import functools
import inspect
from collections.abc import Awaitable, Mapping
from typing import Final, TypeGuard

import attrs
import msgspec

from opusagent.tools.shapes import Record
from opusagent.tools.signature import Function
from opusagent.tools.spec import DEFAULT_SECONDS, ToolContext
from opusagent.tools.threads import ToolThreads

NOTHING_SAID: Final = "done"
"""What the model is told of a function that returns None: silence reads as failure."""


@attrs.frozen(kw_only=True)
class PythonFunction:
    """A function of the configuration, ready to be called. `context` names the parameter that takes the context."""

    name: str
    description: str
    parameters: Record
    function: Function
    context: str | None = None
    timeout_seconds: float = DEFAULT_SECONDS


@attrs.frozen(eq=False)
class FunctionTool:
    """A `Tool` that calls a function."""

    _declared: PythonFunction
    _threads: ToolThreads

    @property
    def name(self) -> str:
        return self._declared.name

    @property
    def description(self) -> str:
        return self._declared.description

    @property
    def parameters(self) -> Record:
        return self._declared.parameters

    @property
    def timeout_seconds(self) -> float:
        return self._declared.timeout_seconds

    async def perform(self, arguments: Mapping[str, object], context: ToolContext) -> str:
        declared = self._declared
        given = {**arguments, **({declared.context: context} if declared.context else {})}
        if inspect.iscoroutinefunction(declared.function):
            return text_of(await _awaited(declared.function(**given)))
        work = functools.partial(_run, declared.function, given)
        return await self._threads.run(context.call_id, work)


async def _awaited(promise: object) -> object:
    if not _is_awaitable(promise):
        raise TypeError(f"an async function returned a {type(promise).__name__}")
    return await promise


def _is_awaitable(promise: object) -> TypeGuard[Awaitable[object]]:
    return isinstance(promise, Awaitable)


def _run(function: Function, arguments: Mapping[str, object]) -> str:
    result = function(**arguments)
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("a plain function returned a coroutine: declare it with `async def`")
    return text_of(result)


def text_of(result: object) -> str:
    """What a function returned, for a model: text as it is, and anything else as JSON.

    >>> text_of("Tuesday"), text_of({"free": ["9:00"]}), text_of(None)
    ('Tuesday', '{"free":["9:00"]}', 'done')

    Raises:
        TypeError: it is nothing that JSON can say.
    """
    match result:
        case None:
            return NOTHING_SAID
        case str():
            return result
        case _:
            return msgspec.json.encode(result).decode()
