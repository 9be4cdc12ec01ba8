"""The tools that a configuration declares, and what becomes of them: some the model's service calls, some we do."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, assert_never

import attrs

from opusagent.net.client import HttpClient
from opusagent.realtime.sessions import Tool as SessionTool
from opusagent.secret import Secret
from opusagent.tools.built_in import BuiltIn, EndCall, SendDigits, TransferCall, name_of, spec_of
from opusagent.tools.function import FunctionTool, PythonFunction
from opusagent.tools.shapes import schema
from opusagent.tools.spec import Tool, ToolSpec
from opusagent.tools.threads import ToolThreads
from opusagent.tools.toolbox import Toolbox
from opusagent.tools.webhook import Webhook, WebhookTool


@attrs.frozen(kw_only=True)
class McpServer:
    """A server that the model's service asks by itself (OpenAI Realtime, `session.tools` of type `mcp`).

    Without `allowed_tools` all of its tools are allowed. Nothing waits for an approval: there is nobody to give it.
    """

    name: str
    url: str
    description: str | None = None
    authorization: Secret | None = None
    allowed_tools: tuple[str, ...] = ()


Declared: TypeAlias = PythonFunction | Webhook | McpServer | BuiltIn


def declared_name(declared: Declared) -> str:
    """What it is called."""
    return name_of(declared) if isinstance(declared, EndCall | TransferCall | SendDigits) else declared.name


def session_tools(declared: Sequence[Declared]) -> tuple[SessionTool, ...]:
    """What `session.update` tells the service, in the order of the configuration. It holds the servers' credentials."""
    return tuple(map(_session_tool, declared))


def _session_tool(declared: Declared) -> SessionTool:
    match declared:
        case PythonFunction() | Webhook():
            spec = ToolSpec(declared.name, declared.description, schema(declared.parameters))
            return spec.as_session_tool()
        case EndCall() | TransferCall() | SendDigits():
            return spec_of(declared).as_session_tool()
        case McpServer():
            return SessionTool(
                type="mcp",
                server_label=declared.name,
                server_url=declared.url,
                server_description=declared.description,
                authorization=None if declared.authorization is None else declared.authorization.reveal(),
                allowed_tools=declared.allowed_tools or None,
                require_approval="never",
            )
    assert_never(declared)


def built_ins(declared: Sequence[Declared]) -> Mapping[str, BuiltIn]:
    """The tools that the session performs itself, by name."""
    return {name_of(each): each for each in declared if isinstance(each, EndCall | TransferCall | SendDigits)}


def open_toolbox(declared: Sequence[Declared], client: HttpClient, threads: ToolThreads) -> Toolbox:
    """The tools that we call. `threads` is where plain functions run."""
    tools: list[Tool] = []
    for each in declared:
        match each:
            case PythonFunction():
                tools.append(FunctionTool(each, threads))
            case Webhook():
                tools.append(WebhookTool(each, client))
            case _:
                continue
    return Toolbox(tools)
