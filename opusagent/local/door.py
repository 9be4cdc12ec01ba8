"""Reads what a client sent as strictly as the service does.

The codec ignores what it does not know, because peers add fields; the service refuses it, and drops the whole event.
So every event is held against the shape of its class: keys that the class lacks, required keys that the text lacks.
Only `input_audio_buffer.append`, which is most of the traffic, is read and no more.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, TypeGuard, get_args

import msgspec
from msgspec import inspect

from opusagent.errors import RemoteProtocolError
from opusagent.local.refusals import Refusal
from opusagent.realtime.codec import parse_client_event
from opusagent.realtime.events import (
    ClientEvent,
    ErrorDetail,
    InputAudioBufferAppend,
    OutputAudioBufferClear,
    SessionUpdate,
    UnknownEvent,
)

ONLY_FROM_THE_SERVICE: Final = ("session.id", "session.object", "session.expires_at")
NOT_ON_WEBSOCKET: Final = (OutputAudioBufferClear,)


def read_client(text: str) -> ClientEvent | ErrorDetail:
    """The event in `text`, or why it is refused. Never raises."""
    try:
        event = parse_client_event(text)
    except RemoteProtocolError as error:
        return _explained(text, error)
    if isinstance(event, InputAudioBufferAppend):
        return event
    raw = _raw(text)
    return _checked(event, raw) if isinstance(raw, dict) else raw


def unknown_type(name: str) -> Refusal:
    """What is said of an event whose type the service does not know, or not on a WebSocket."""
    known = ", ".join(f"'{tag}'" for tag in _shapes())
    return Refusal("invalid_value", f"Invalid value: '{name}'. Supported values are: {known}.", param="type")


def _checked(event: ClientEvent | UnknownEvent, raw: Mapping[str, object]) -> ClientEvent | ErrorDetail:
    if isinstance(event, (UnknownEvent, *NOT_ON_WEBSOCKET)):
        return unknown_type(event.type).detail(_event_id(raw))
    for refusal in _faults(raw, _shapes()[event.type], ""):
        return refusal.detail(_event_id(raw))
    if isinstance(event, SessionUpdate):
        for refusal in _update_faults(raw["session"]):
            return refusal.detail(_event_id(raw))
    return event


def _explained(text: str, error: RemoteProtocolError) -> ErrorDetail:
    """Which of the service's refusals the codec's is."""
    raw = _raw(text)
    if not isinstance(raw, dict):
        return raw
    if "type" not in raw:
        return Refusal("invalid_event", "The 'type' field is missing.").detail(_event_id(raw))
    shape = _shapes().get(str(raw["type"]))
    for refusal in _faults(raw, shape, ""):
        return refusal.detail(_event_id(raw))
    place = str(error).partition(":")[0]
    return Refusal("invalid_value", f"Invalid value: {error}.", param=place).detail(_event_id(raw))


def _raw(text: str) -> dict[str, object] | ErrorDetail:
    """Everything in `text`. What the codec skips over can still be unreadable."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        what = "it is not an object" if isinstance(error, msgspec.ValidationError) else "it is not JSON"
        return Refusal("invalid_event", f"The event could not be read: {what}.").detail(None)


def _event_id(raw: Mapping[str, object]) -> str | None:
    event_id = raw.get("event_id")
    return event_id if isinstance(event_id, str) else None


def _update_faults(session: object) -> Iterator[Refusal]:
    if _is_object(session):
        for path in ONLY_FROM_THE_SERVICE:
            if path.removeprefix("session.") in session:
                yield _unknown_parameter(path)
        if "type" not in session:
            yield _missing_parameter("session.type")


def _faults(value: object, shape: inspect.Type | None, path: str) -> Iterator[Refusal]:
    """Every foreign key in `value`, and every required one that it lacks, depth first."""
    if isinstance(shape, inspect.DataclassType) and _is_object(value):
        yield from _object_faults(value, shape, path)
    elif isinstance(shape, inspect.VarTupleType) and _is_list(value):
        for index, each in enumerate(value):
            yield from _faults(each, shape.item_type, f"{path}[{index}]")
    elif isinstance(shape, inspect.UnionType):
        for member in shape.types:
            yield from _faults(value, member, path)


def _object_faults(value: Mapping[str, object], shape: inspect.DataclassType, path: str) -> Iterator[Refusal]:
    fields = {field.encode_name: field for field in shape.fields}
    for key, member in value.items():
        place = f"{path}.{key}" if path else key
        if key not in fields:
            yield _unknown_parameter(place)
        else:
            yield from _faults(member, fields[key].type, place)
    for name, field in fields.items():
        if field.required and name not in value:
            yield _missing_parameter(f"{path}.{name}" if path else name)


def _unknown_parameter(path: str) -> Refusal:
    return Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", param=path)


def _missing_parameter(path: str) -> Refusal:
    return Refusal("missing_required_parameter", f"Missing required parameter: '{path}'.", param=path)


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


@cache
def _shapes() -> Mapping[str, inspect.Type]:
    """The shape of every client event that a WebSocket takes, by its type."""
    classes: tuple[type[ClientEvent], ...] = get_args(ClientEvent)
    shapes: dict[str, inspect.Type] = {}
    for cls in classes:
        shape = inspect.type_info(cls)
        if cls not in NOT_ON_WEBSOCKET and isinstance(shape, inspect.DataclassType):
            tag = next(field.default for field in shape.fields if field.name == "type")
            shapes[str(tag)] = shape
    return shapes
