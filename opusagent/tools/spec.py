"""What the model is told about a tool, what a tool is told about the call, and what comes back."""

from collections.abc import Mapping
from typing import Final, Protocol

import attrs

from opusagent.errors import OpusagentError
from opusagent.realtime.items import JsonObject
from opusagent.realtime.sessions import Tool as SessionTool
from opusagent.tools.shapes import Record
from opusagent.units import CallId

DEFAULT_SECONDS: Final = 5.0
"""How long a tool may take. A caller who hears nothing for longer asks whether anybody is there."""


@attrs.frozen
class ToolSpec:
    """What the model knows of a tool. `parameters` is a JSON Schema of type `object`."""

    name: str
    description: str
    parameters: JsonObject

    def as_session_tool(self) -> SessionTool:
        """As `session.update` has it (OpenAI Realtime, `session.tools`: flat, not nested under `function`)."""
        return SessionTool(name=self.name, description=self.description, parameters=self.parameters)


@attrs.frozen
class ToolResult:
    """What the model is answered. `ok` False: it did not work, and `output` says why; the call goes on either way."""

    output: str
    ok: bool = True


@attrs.frozen
class ToolContext:
    """Whose call it is. The numbers are as the platform writes them; all but `call_id` may be empty.

    `invocation` is the model's name for this one use of the tool: the same use never has another, so that whoever must
    not do a thing twice can tell. `parameters` are what the platform was told to pass on.
    """

    call_id: CallId
    invocation: str = ""
    platform_call_id: str = ""
    caller: str = ""
    callee: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict[str, str])


class ToolRefused(OpusagentError):
    """A tool cannot do what was asked, and its text is meant for the model: "that slot is taken"."""


class Tool(Protocol):
    """One thing that the model may call. Whatever `perform` raises becomes a result; see `Toolbox.call`."""

    @property
    def name(self) -> str:
        """What the model calls it."""
        ...

    @property
    def description(self) -> str:
        """What it is for."""
        ...

    @property
    def parameters(self) -> Record:
        """What it takes."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """How long it may take."""
        ...

    async def perform(self, arguments: Mapping[str, object], context: ToolContext) -> str:
        """Do it, with arguments that fit `parameters`, and return text for the model.

        Raises:
            ToolRefused: it cannot be done; the text says why.
        """
        ...
