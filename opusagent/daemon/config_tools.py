"""`[[tools]]`: what the model may call. Each table is one tool; which kind it is, one of its keys says."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias, TypeGuard
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_values import (
    Words,
    WrongValue,
    between,
    is_loopback,
    is_plain,
    service_url,
    shown,
    tool_name,
    webhook_url,
)
from opusagent.net.reach import Reach, may_reach, numeric
from opusagent.secret import Secret
from opusagent.tools.built_in import BuiltIn, EndCall, SendDigits, TransferCall
from opusagent.tools.declared import Declared, McpServer, declared_name
from opusagent.tools.function import PythonFunction
from opusagent.tools.loading import load_function
from opusagent.tools.shapes import Choice, Field, Record, Row, Scalar, Shape
from opusagent.tools.signature import WrongSignature, read_signature
from opusagent.tools.spec import DEFAULT_SECONDS
from opusagent.tools.webhook import Webhook

LONGEST_TOOL_SECONDS: Final = 120.0
"""Nobody stays on a line that is silent for two minutes, filler or not."""

ToolSeconds: TypeAlias = Annotated[float, between(0.1, LONGEST_TOOL_SECONDS)]
ToolName: TypeAlias = Annotated[str, tool_name]


def _targets(value: object) -> Mapping[str, str]:
    """Where calls may be transferred to, by the name that the model says."""
    if not _is_table(value) or not value:
        raise WrongValue(f'must be a table of names and numbers like {{reception = "+15550142"}}, not {shown(value)}')
    wrong = [f"`{name}`" for name, target in value.items() if not _is_target(target)]
    if wrong:
        raise WrongValue(f'must be telephone numbers or addresses like "sip:desk@pbx.example.net": {", ".join(wrong)}')
    return {name: str(target) for name, target in value.items()}


def _is_target(target: object) -> bool:
    pattern = r"\+?[0-9]{2,20}|(tel|sips?):[^\s<>\"&]{1,200}"
    return isinstance(target, str) and is_plain(target) and re.fullmatch(pattern, target) is not None


@attrs.frozen
class _ParameterTable:
    """`[tools.parameters.NAME]`: what a webhook takes by one name."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    description: str = ""
    choices: tuple[Words, ...] = ()
    list: bool = False
    required: bool = True


@attrs.frozen
class _FunctionTable:
    function: Words = ""
    name: ToolName | None = None
    description: Words | None = None
    timeout_seconds: ToolSeconds = DEFAULT_SECONDS


@attrs.frozen
class _WebhookTable:
    webhook: Annotated[str, webhook_url] | None = None
    name: ToolName | None = None
    description: Words | None = None
    parameters: object = None
    secret_file: Secret | None = None
    allow_private: bool = False
    timeout_seconds: ToolSeconds = DEFAULT_SECONDS


@attrs.frozen
class _McpTable:
    mcp: Annotated[str, service_url] | None = None
    name: ToolName | None = None
    description: Words | None = None
    authorization_file: Secret | None = None
    allowed_tools: tuple[Words, ...] = ()


@attrs.frozen
class _BuiltInTable:
    built_in: Literal["end_call", "transfer_call", "send_digits"] | None = None
    targets: Annotated[object, _targets] = None


_KINDS: Final = ("function", "webhook", "mcp", "built_in")


@attrs.define
class ToolReader:
    """One pass over `[[tools]]`: hands out what is right, and leaves what is wrong with the `TableReader`."""

    _reader: TableReader
    _names: set[str] = attrs.field(factory=set[str], init=False)

    def read(self) -> tuple[Declared, ...]:
        """The tools, in order, without those that have problems."""
        tools = [self._tool(place, table) for place, table in self._reader.entries("tools")]
        return tuple(tool for tool in tools if tool is not None)

    def _tool(self, place: str, table: Mapping[str, object]) -> Declared | None:
        tool = self._of_kind(place, table)
        if tool is None:
            return None
        name = declared_name(tool)
        if name in self._names:
            self._complain(place, "name", f"must not be {shown(name)}, which another tool is called")
            return None
        self._names.add(name)
        return tool

    def _of_kind(self, place: str, table: Mapping[str, object]) -> Declared | None:
        kinds = [kind for kind in _KINDS if kind in table]
        match kinds:
            case ["function"]:
                return self._function(place, self._reader.read_entry(place, table, _FunctionTable))
            case ["webhook"]:
                return self._webhook(place, self._reader.read_entry(place, table, _WebhookTable))
            case ["mcp"]:
                return self._mcp(place, self._reader.read_entry(place, table, _McpTable))
            case ["built_in"]:
                return self._built_in(place, self._reader.read_entry(place, table, _BuiltInTable))
            case _:
                allowed = ", ".join(f"`{kind}`" for kind in _KINDS)
                self._reader.problems.append(f"a tool must have exactly one of {allowed}, at {place}")
                return None

    def _function(self, place: str, table: _FunctionTable) -> PythonFunction | None:
        if not table.function:
            return None
        try:
            function = load_function(table.function)
            signature = read_signature(function)
        except WrongSignature as wrong:
            self._complain(place, "function", f"{shown(table.function)} cannot be a tool: {wrong}")
            return None
        name = table.name or table.function.rpartition(":")[2].rpartition(".")[2]
        description = table.description or signature.summary
        if not description:
            self._complain(place, "description", "is missing: the function has no docstring, and a model must be told")
            return None
        return PythonFunction(
            name=name,
            description=description,
            parameters=signature.parameters,
            function=function,
            context=signature.context,
            timeout_seconds=table.timeout_seconds,
        )

    def _webhook(self, place: str, table: _WebhookTable) -> Webhook | None:
        parameters = self._parameters(place, table.parameters)
        if not self._has(place, table, "webhook", "name", "description"):
            return None
        if table.webhook is None or table.name is None or table.description is None or parameters is None:
            return None
        reach = Reach.PRIVATE if table.allow_private else Reach.PUBLIC
        local = is_loopback(urlsplit(table.webhook).hostname or "")
        if problem := _unreachable(table.webhook, reach):
            self._complain(place, "webhook", problem)
        if not local and table.secret_file is None and not self._is_faulty(place, "secret_file"):
            self._complain(place, "secret_file", "is missing: requests to another machine are signed")
        return Webhook(
            name=table.name,
            description=table.description,
            parameters=parameters,
            url=table.webhook,
            secret=table.secret_file,
            reach=reach,
            timeout_seconds=table.timeout_seconds,
        )

    def _mcp(self, place: str, table: _McpTable) -> McpServer | None:
        if not self._has(place, table, "mcp", "name") or table.mcp is None or table.name is None:
            return None
        return McpServer(
            name=table.name,
            url=table.mcp,
            description=table.description,
            authorization=table.authorization_file,
            allowed_tools=table.allowed_tools,
        )

    def _built_in(self, place: str, table: _BuiltInTable) -> BuiltIn | None:
        targets: Mapping[str, str] = table.targets if _is_texts(table.targets) else dict[str, str]()
        if table.built_in != "transfer_call" and targets:
            self._complain(place, "targets", 'belong to `built_in = "transfer_call"`')
        match table.built_in:
            case None:
                return None
            case "end_call":
                return EndCall()
            case "send_digits":
                return SendDigits()
            case "transfer_call":
                return TransferCall(targets) if self._has(place, table, "targets") else None

    def _parameters(self, place: str, value: object) -> Record | None:
        if value is None:
            return Record()
        if not _is_table(value) or not all(map(_is_table, value.values())):
            self._complain(
                place, "parameters", f"must be tables, each begun by [tools.parameters.NAME], not {shown(value)}"
            )
            return None
        return Record(tuple(self._field(f"{place}.parameters.{name}", name, table) for name, table in value.items()))

    def _field(self, place: str, name: str, value: object) -> Field:
        table = self._reader.read_entry(place, value, _ParameterTable)
        if table.choices and table.type != "string":
            self._complain(place, "choices", "are for parameters of type string")
        choices = tuple(dict.fromkeys(table.choices))
        shape: Shape = Choice(choices, choices) if choices else Scalar(table.type)
        return Field(name, Row(shape) if table.list else shape, table.description, required=table.required)

    def _has(self, place: str, table: attrs.AttrsInstance, *keys: str) -> bool:
        """Whether nothing is missing; what is there and wrong has been told already."""
        missing = [key for key in keys if getattr(table, key) is None]
        for key in missing:
            if not self._is_faulty(place, key):
                self._complain(place, key, "is missing")
        return not missing

    def _is_faulty(self, place: str, key: str) -> bool:
        return f"{place}.{key}" in self._reader.faulty

    def _complain(self, place: str, key: str, what: str) -> None:
        self._reader.problems.append(f"`{key}` {what}, at {place}.{key}")


def transfer_targets(tools: Sequence[Declared]) -> Mapping[str, str]:
    """Where calls can be transferred to, by name."""
    return next((tool.targets for tool in tools if isinstance(tool, TransferCall)), dict[str, str]())


def _unreachable(url: str, reach: Reach) -> str | None:
    """Why no request would ever be made, as far as that is known without asking for the name's address."""
    host = urlsplit(url).hostname or ""
    address = "127.0.0.1" if is_loopback(host) else host
    if not numeric(address) or may_reach(address, reach):
        return None
    if may_reach(address, Reach.PRIVATE):
        return "is at an address that is not the Internet's, which `allow_private = true` would allow"
    return "is at an address where no request may go"


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_texts(value: object) -> TypeGuard[Mapping[str, str]]:
    return isinstance(value, dict)
