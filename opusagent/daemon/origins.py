"""The configuration as it is in effect, with where each value comes from, and no secret in it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeGuard

import attrs

from opusagent.call.policy import KeyAction, TransferTo
from opusagent.daemon.config import KEY_CREDENTIAL, Listen, Secret, load
from opusagent.daemon.config_admin import ADMIN_CREDENTIAL
from opusagent.daemon.config_environ import KEY_VARIABLE, overrides_in
from opusagent.daemon.config_errors import read_document
from opusagent.daemon.config_keys import KeyBindings
from opusagent.daemon.config_platforms import TOKENS_CREDENTIAL
from opusagent.daemon.config_tables import Config
from opusagent.daemon.config_twilio import AUTH_CREDENTIAL, AUTH_VARIABLE

FILE: Final = "file"
DEFAULT: Final = "default"
INHERITED: Final = "file, [agent]"

_COLUMN: Final = 50


def explain(path: Path, environ: Mapping[str, str]) -> str:
    """The whole configuration as TOML, with the origin of each value behind it, secrets masked.

    Raises:
        ConfigError: it cannot be used.
    """
    config = load(path, environ)
    document = read_document(path.read_text())
    return "\n".join(_lines(config, document, environ)) + "\n"


@attrs.frozen
class _Entry:
    """A field of an attrs value."""

    name: str
    value: object
    default: object


def _lines(config: Config, document: Mapping[str, object], environ: Mapping[str, str]) -> Iterator[str]:
    """Keys that are in no table come first: TOML puts what stands below the head of a table into it."""
    for table in _entries(config):
        if not _has_a_head(table):
            origin = FILE if table.value else DEFAULT
            yield f"# {table.name} is not configured" if table.value is None else _line(table, origin)
    for table in filter(_has_a_head, _entries(config)):
        if table.name == "agents":
            yield from _agents(config, document)
        else:
            yield from ("", f"[{table.name}]")
            for entry in _entries(table.value):
                yield _line(entry, _origin(table.name, entry, document.get(table.name), environ))


def _has_a_head(table: _Entry) -> bool:
    """Whether it stands under a `[name]`, or several."""
    return attrs.has(type(table.value)) or (table.name == "agents" and bool(table.value))


def _agents(config: Config, document: Mapping[str, object]) -> Iterator[str]:
    """The agents as the file would have them in full. What one does not say comes from `[agent]`, or from nowhere."""
    written, below = document.get("agents"), document.get("agent")
    for agent, table in zip(config.agents, written if _is_array(written) else (), strict=True):
        yield from ("", "[[agents]]")
        for entry in sorted(_entries(agent), key=lambda entry: entry.name != "name"):
            own = _is_table(table) and entry.name in table
            inherited = _is_table(below) and entry.name in below
            yield _line(entry, FILE if own else INHERITED if inherited else DEFAULT)


def _line(entry: _Entry, origin: str) -> str:
    text = f"# {entry.name} is not set" if entry.value is None else f"{entry.name} = {as_toml(entry.value)}"
    return f"{text:<{_COLUMN}} # {origin}"


def _origin(table: str, entry: _Entry, written: object, environ: Mapping[str, str]) -> str:
    """`file`, `default`, or what in the environment."""
    key = f"{table}.{entry.name}"
    variables = {**overrides_in(environ).origins, **_keys_of(environ)}
    if key in variables:
        return f"environment, {variables[key]}"
    if _is_table(written) and {entry.name, f"{entry.name}_file"} & written.keys():
        return FILE
    if entry.value == entry.default:
        return DEFAULT
    match key:
        case "realtime.api_key":
            return f"credential, {KEY_CREDENTIAL}"
        case "audiocodes.tokens":
            return f"credential, {TOKENS_CREDENTIAL}"
        case "admin.tokens":
            return f"credential, {ADMIN_CREDENTIAL}"
        case "twilio.auth_tokens" if environ.get(AUTH_VARIABLE, "").strip():
            return f"environment, {AUTH_VARIABLE}"
        case "twilio.auth_tokens":
            return f"credential, {AUTH_CREDENTIAL}"
        case "admin.socket":
            return "environment, RUNTIME_DIRECTORY"
        case _:
            return DEFAULT


def _keys_of(environ: Mapping[str, str]) -> Mapping[str, str]:
    return {"realtime.api_key": KEY_VARIABLE} if environ.get(KEY_VARIABLE, "").strip() else {}


def as_toml(value: object) -> str:
    """A value as a file would have it, a secret as stars.

    >>> as_toml((Secret("sk-1"), True, Path("a"), 1.5))
    '["***", true, "a", 1.5]'
    """
    match value:
        case Secret():
            return '"***"'
        case Listen():
            return json.dumps(value.address)
        case KeyBindings():
            return as_toml(value.actions)
        case KeyAction():
            return json.dumps(value.value)
        case TransferTo():
            return f"{{ transfer = {as_toml(value.target)} }}"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _ if _is_array(value):
            return f"[{', '.join(map(as_toml, value))}]"
        case _ if _is_table(value):
            pairs = (f"{json.dumps(str(key), ensure_ascii=False)} = {as_toml(each)}" for key, each in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case _ if attrs.has(type(value)):
            shown = (f"{each.name} = {as_toml(each.value)}" for each in _entries(value) if each.value is not None)
            return f"{{ {', '.join(shown)} }}"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _entries(value: object) -> Iterator[_Entry]:
    kind = type(value)
    if attrs.has(kind):
        for field in attrs.fields(kind):
            yield _Entry(field.name, getattr(value, field.name), field.default)


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, tuple | list)
