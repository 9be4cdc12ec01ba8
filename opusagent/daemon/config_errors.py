"""Reads TOML into attrs classes and keeps account of all that is wrong: every fault at once, where it is, what to do.

Nothing is coerced: `"80"` is not a number and `1` is not true. A fault never shows more of a value than the value.
"""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeGuard, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError

from opusagent.daemon.config_environ import Overrides
from opusagent.daemon.config_keys import KeyBindings, parse_keys
from opusagent.daemon.config_talk import (
    TURN_KINDS,
    CallBudget,
    Digits,
    Retention,
    SessionFields,
    TokenLimit,
    TokenPrices,
    Transcribing,
    Truncation,
    TurnChoice,
    is_table,
    parse_session_fields,
    parse_token_limit,
)
from opusagent.daemon.config_values import (
    Listen,
    WrongValue,
    key_in,
    parse_listen,
    parse_names,
    parse_names_by_value,
    shown,
)
from opusagent.errors import ConfigError
from opusagent.secret import Secret

_T = TypeVar("_T")


def read_document(text: str) -> Mapping[str, object]:
    """The tables of a TOML text. Raises `ConfigError` with line and column."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also the numbers of thousands of digits that int() refuses
        raise ConfigError([f"this is not TOML: {error}"]) from error
    except RecursionError:
        raise ConfigError(["this is not a configuration: its values are nested too deeply"]) from None


@attrs.define
class TableReader:
    """One pass over a document: hands out its tables and collects the `problems` of all of them.

    A key with a problem is left out of its table and so has its default there, which lets the rules between tables be
    checked in the same pass. `faulty` says which keys these are, as `table.key`: a rule must not judge a default.
    What the environment `overrides` stands in place of what the document says, and is blamed on its variable.
    """

    _document: Mapping[str, object]
    _known: Mapping[str, type[attrs.AttrsInstance]]
    _overrides: Overrides = attrs.field(factory=lambda: Overrides({}, {}))
    _arrays: Collection[str] = ()
    """The names of arrays of tables, which `entries` hands out."""
    problems: list[str] = attrs.field(factory=list[str], init=False)
    faulty: set[str] = attrs.field(factory=set[str], init=False)

    def __attrs_post_init__(self) -> None:
        self.problems.extend(self._unknown_name(name) for name in self._document if name not in self._names())

    def _names(self) -> list[str]:
        return [*self._known, *self._arrays]

    def read(self, name: str, kind: type[_T]) -> _T:
        """The table called `name`, as far as it is right; all defaults if the document has none."""
        table = self._document.get(name, {})
        if not _is_table(table):
            self.problems.append(f"`{name}` must be a table, not {shown(table)}, at the top level")
            self.faulty.update(f"{name}.{key}" for key in _keys(self._known[name]))
            return _CONVERTER.structure({}, kind)
        return self.read_entry(name, {**_without(table, ()), **self._overrides.tables.get(name, {})}, kind)

    def read_entry(self, place: str, table: object, kind: type[_T]) -> _T:
        """`table`, which stands at `place`, as far as it is right."""
        try:
            return _CONVERTER.structure(table, kind)
        except ClassValidationError as errors:
            wrong = self._account(place, kind, errors)
        return _CONVERTER.structure(_without(table, wrong), kind)

    def read_over(self, name: str, place: str, table: object, kind: type[_T]) -> _T:
        """`table`, which stands at `place`, as far as it is right; what it does not say, the table called `name` says.

        A key stands for all of its value: a table in a table is not mixed. What is wrong with `name` is told elsewhere.
        """
        self.read_entry(place, table, kind)
        below = self._document.get(name, {})
        ground = _without(below, self._faulty_in(name)) if _is_table(below) else dict[str, object]()
        both = {**ground, **_without(table, self._faulty_in(place))}
        return _CONVERTER.structure({key: value for key, value in both.items() if key in _keys(kind)}, kind)

    def _faulty_in(self, place: str) -> set[str]:
        return {each.removeprefix(f"{place}.") for each in self.faulty if each.startswith(f"{place}.")}

    def entries(self, name: str) -> list[tuple[str, Mapping[str, object]]]:
        """Each table of the array of tables called `name`, with its place; none if the document has none."""
        array = self._document.get(name, [])
        if not _is_array_of_tables(array):
            what = "an array of something else" if isinstance(array, list) else shown(array)
            self.problems.append(f"`{name}` must be tables, each begun by [[{name}]], not {what}, at the top level")
            return []
        return [(f"{name}[{place}]", table) for place, table in enumerate(array)]

    def read_if_there(self, name: str, kind: type[_T]) -> _T | None:
        """The table called `name`; None if the document has none. What the environment says of it must be right."""
        table = self.read(name, kind)
        return table if name in self._document else None

    def place(self, table: str, key: str) -> str:
        """Where a value stands: in the file, or in the environment."""
        place = f"{table}.{key}"
        variable = self._overrides.origins.get(place)
        return place if variable is None else f"the environment's {variable}, which stands for {place}"

    def _account(self, table: str, kind: type[object], errors: ClassValidationError) -> set[str]:
        """Puts down all that is wrong with a table and returns the keys to blame."""
        of_keys, of_table = errors.group_exceptions()
        wrong = {note.name for _, note in of_keys}
        for error, note in of_keys:
            if isinstance(error, ClassValidationError):
                self._account(f"{table}.{note.name}", error.cl, error)
            else:
                self.problems.append(f"`{note.name}` {error}, at {self.place(table, note.name)}")
        self.faulty.update(f"{table}.{key}" for key in wrong)
        for error in of_table:
            if not isinstance(error, ForbiddenExtraKeysError):
                raise error
            self.problems.extend(self._unknown_key(key, table, kind) for key in sorted(error.extra_fields))
            wrong |= error.extra_fields
        return wrong

    def _unknown_name(self, name: str) -> str:
        if not _is_table(self._document[name]) and (home := self._home_of(name)):
            return f"unknown key `{_as_key(name)}` at the top level: it belongs under {home}"
        kind = "table" if _is_table(self._document[name]) else "key"
        return f"unknown {kind} `{_as_key(name)}`{suggestion(name, self._names())} at the top level"

    def _unknown_key(self, key: str, table: str, kind: type[object]) -> str:
        if home := self._home_of(key):
            return f"unknown key `{_as_key(key)}` at {table}: it belongs under {home}"
        return f"unknown key `{_as_key(key)}`{suggestion(key, _keys(kind))} at {table}"

    def _home_of(self, key: str) -> str:
        return " or ".join(f"[{table}]" for table, kind in self._known.items() if key in _keys(kind))


def suggestion(word: str, known: Collection[str]) -> str:
    """What was perhaps meant: ', did you mean `port`?', or else all that there is.

    >>> suggestion("Max-Calls", ["listen", "max_calls"]), suggestion("colour", ["listen", "max_calls"])
    (', did you mean `max_calls`?', ' (known are: `listen`, `max_calls`)')
    """
    likely = difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1)
    return f", did you mean `{likely[0]}`?" if likely else f" (known are: {', '.join(f'`{each}`' for each in known)})"


def _as_key(name: str) -> str:
    """A key that anybody may have written, on one line and cut short."""
    return shown(name)[1:-1]


def _keys(kind: type[object]) -> list[str]:
    return [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_array_of_tables(value: object) -> TypeGuard[list[Mapping[str, object]]]:
    return isinstance(value, list) and all(map(_is_table, _CONVERTER.structure(value, list[object])))


def _without(table: object, keys: Collection[str]) -> dict[str, object]:
    return {key: value for key, value in _CONVERTER.structure(table, dict[str, object]).items() if key not in keys}


def _strict_text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"must be text in quotes, not {shown(value)}")
    return value


def _strict_truth(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValue(f"must be true or false, not {shown(value)}")
    return value


def _strict_whole_number(value: object, _: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValue(f"must be a whole number, not {shown(value)}")
    return value


def _strict_number(value: object, _: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongValue(f"must be a number, not {shown(value)}")
    return value


def _strict_path(value: object, kind: object) -> Path:
    text = _strict_text(value, kind)
    if not text.strip() or "\0" in text:
        raise WrongValue(f"must be the name of a file or directory, not {shown(text)}")
    return Path(text)


def _strict_choice(value: object, kind: object) -> object:
    choices = get_args(kind)
    if value not in choices:
        raise WrongValue(f"must be {' or '.join(map(shown, choices))}, not {shown(value)}")
    return value


def _strict_listen(value: object, kind: object) -> Listen:
    return parse_listen(_strict_text(value, kind))


def _strict_keys(value: object, _: object) -> KeyBindings:
    return parse_keys(value)


def _strict_table(value: object, kind: type[_T]) -> _T:
    """A table in a table."""
    if not _is_table(value):
        raise WrongValue(f"must be a table, not {shown(value)}")
    return _PLAIN.structure(value, kind)


def _strict_turns(value: object, _: object) -> TurnChoice:
    """The name of a kind, with its defaults, or a table that names it."""
    name = value.get("type") if is_table(value) else value
    kind = TURN_KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        kinds = " or ".join(map(shown, TURN_KINDS))
        raise WrongValue(f"must be {kinds}, or a table whose `type` is that, not {shown(name or value)}")
    return _CONVERTER.structure(value if is_table(value) else {}, kind)


def _strict_truncation(value: object, _: object) -> Truncation:
    match value:
        case "auto":
            return "auto"
        case "disabled":
            return "disabled"
        case _ if is_table(value):
            return _CONVERTER.structure(value, Retention)
        case _:
            raise WrongValue(f'must be "auto" or "disabled" or a table with `retention_ratio`, not {shown(value)}')


def _strict_token_limit(value: object, _: object) -> TokenLimit:
    return parse_token_limit(value)


def _strict_names(value: object, _: object) -> Mapping[str, str]:
    return parse_names(value)


def _strict_names_by_value(value: object, _: object) -> Mapping[str, Mapping[str, str]]:
    return parse_names_by_value(value)


def _is_names(kind: object) -> bool:
    return kind == Mapping[str, str]


def _is_names_by_value(kind: object) -> bool:
    return kind == Mapping[str, Mapping[str, str]]


def _strict_session_fields(value: object, _: object) -> SessionFields:
    return parse_session_fields(value)


def _strict_date(value: object, _: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise WrongValue(f"must be a date like 2026-11-22, not {shown(value)}")
    return value


def _strict_secret(value: object, kind: object) -> Secret:
    """A secret stands in the file as the name of the file that holds it."""
    return key_in(_strict_path(value, kind))


def _by_its_rules(value: object, kind: object) -> object:
    base, *rules = get_args(kind)
    structured: object = _CONVERTER.structure(value, base)
    for rule in rules:
        structured = rule(structured)
    return structured


def _strict_array(value: object, kind: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise WrongValue("must be an array: put its values in square brackets")  # the value may be a secret
    member = get_args(kind)[0]
    members: list[object] = _CONVERTER.structure(value, list[object])
    return tuple(_member(each, member, place) for place, each in enumerate(members))


def _member(value: object, kind: object, place: int) -> object:
    try:
        return _by_its_rules(value, kind) if _is_ruled(kind) else _strict_choice(value, kind)
    except WrongValue as wrong:
        raise WrongValue(f"has a member [{place}] that {wrong}") from None


def _is_array(kind: object) -> bool:
    return get_origin(kind) is tuple


def _is_anything(kind: object) -> bool:
    return kind is object


def _as_it_is(value: object, _: object) -> object:
    return value


def _is_turn_choice(kind: object) -> bool:
    return kind == TurnChoice


def _is_truncation(kind: object) -> bool:
    return kind == Truncation | None


def _is_token_limit(kind: object) -> bool:
    return kind == TokenLimit | None


def _is_choice(kind: object) -> bool:
    return get_origin(kind) is Literal


def _is_ruled(kind: object) -> bool:
    return get_origin(kind) is Annotated


def _strict_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(str, _strict_text)
    converter.register_structure_hook(bool, _strict_truth)
    converter.register_structure_hook(int, _strict_whole_number)
    converter.register_structure_hook(float, _strict_number)
    converter.register_structure_hook(Path, _strict_path)
    converter.register_structure_hook(Listen, _strict_listen)
    converter.register_structure_hook(Secret, _strict_secret)
    converter.register_structure_hook(KeyBindings, _strict_keys)
    converter.register_structure_hook_func(_is_anything, _as_it_is)
    converter.register_structure_hook_func(_is_choice, _strict_choice)
    converter.register_structure_hook_func(_is_ruled, _by_its_rules)
    converter.register_structure_hook_func(_is_array, _strict_array)
    converter.register_structure_hook(date, _strict_date)
    converter.register_structure_hook_func(_is_names, _strict_names)
    converter.register_structure_hook_func(_is_names_by_value, _strict_names_by_value)
    converter.register_structure_hook(SessionFields, _strict_session_fields)
    converter.register_structure_hook_func(_is_turn_choice, _strict_turns)
    converter.register_structure_hook_func(_is_truncation, _strict_truncation)
    converter.register_structure_hook_func(_is_token_limit, _strict_token_limit)
    return converter


def _converter_of_nested_tables() -> cattrs.Converter:
    converter = _strict_converter()
    for kind in (Digits, CallBudget, TokenPrices, Transcribing):
        converter.register_structure_hook(kind, _strict_table)
    return converter


_PLAIN: Final = _strict_converter()
_CONVERTER: Final = _converter_of_nested_tables()
