"""All that the model may call, by name; and the one place where a tool's failure becomes an answer to the model.

Whatever a tool does, the call goes on: arguments that do not fit, a name that does not exist, an exception, a hang and
megabytes each have an answer here. What a tool raises by mistake is logged for the operator, once and with its
traceback; the model learns its type only, because an exception's text may hold addresses, paths and credentials.
What a tool means the model to know, it raises as `ToolRefused`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.errors import PeerGone, PeerRefused, PeerStalled, RemoteProtocolError
from opusagent.tools.results import clean, refusal
from opusagent.tools.shapes import Misfit, read_arguments, schema
from opusagent.tools.spec import Tool, ToolContext, ToolRefused, ToolResult, ToolSpec
from opusagent.wire import printable

MOST_OUTPUT: Final = 16 * 1024
"""Bytes (UTF-8) of one result: some 4000 tokens, which the model reads again in every later response."""

log: FilteringBoundLogger = structlog.get_logger()


class Toolbox:
    """Tools by name. One serves all calls."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: Final[Mapping[str, Tool]] = {tool.name: tool for tool in tools}

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told, in the order of the configuration."""
        return tuple(ToolSpec(tool.name, tool.description, schema(tool.parameters)) for tool in self._tools.values())

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    async def call(self, name: str, arguments: str, context: ToolContext) -> ToolResult:
        """Have the tool called `name` do its work on `arguments` (JSON, as the model wrote it).

        Never raises but what ends the call itself: cancellation and an operator's interrupt. `output` is JSON or text
        of at most `MOST_OUTPUT` bytes, without control characters and lone surrogates.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            return refusal(f"there is no tool {printable(name)!r}; the tools are: {known}")
        return await _perform(tool, arguments, context)


async def _perform(tool: Tool, arguments: str, context: ToolContext) -> ToolResult:
    result = refusal(f"{tool.name} took longer than {tool.timeout_seconds:g} s and was given up")
    try:
        with trio.move_on_after(tool.timeout_seconds) as patience:
            values = read_arguments(arguments, tool.parameters)
            result = ToolResult(fit(await tool.perform(values, context)))
    except* Misfit as misfit:
        result = refusal(f"wrong arguments: {_words(misfit)}")
    except* ToolRefused as refused:
        result = refusal(_words(refused))
    except* (PeerRefused, PeerStalled, PeerGone, RemoteProtocolError) as failed:
        log.warning("a tool's peer failed", call=context.call_id, tool=tool.name, why=_words(failed))
        result = refusal(f"{tool.name} is out of order at the moment")
    except* (Exception, SystemExit) as bug:
        log.exception("a tool failed", call=context.call_id, tool=tool.name)
        result = refusal(f"{tool.name} failed: {_types(bug)}")
    else:
        if patience.cancelled_caught:
            log.warning("a tool took too long", call=context.call_id, tool=tool.name, seconds=tool.timeout_seconds)
    return result


def fit(text: str) -> str:
    """`text` as a model may be given it: cleaned, and cut to `MOST_OUTPUT` bytes with a note that says so."""
    data = clean(text[: MOST_OUTPUT + 1]).encode()
    if len(data) <= MOST_OUTPUT and len(text) <= MOST_OUTPUT:
        return data.decode()
    note = f"\n[cut: the result is longer than {MOST_OUTPUT} bytes]"
    return data[: MOST_OUTPUT - len(note)].decode(errors="ignore") + note


def _leaves(error: BaseException) -> Iterable[BaseException]:
    match error:
        case BaseExceptionGroup(exceptions=parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case _:
            return [error]


def _words(error: BaseException) -> str:
    return "; ".join(str(leaf) for leaf in _leaves(error))


def _types(error: BaseException) -> str:
    return ", ".join(dict.fromkeys(type(leaf).__name__ for leaf in _leaves(error)))
