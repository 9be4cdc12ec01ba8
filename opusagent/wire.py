"""Between text and attrs classes: the one seam that every wire protocol of this house goes through.

A message is one JSON object whose tag (`type` or `event`) names its class. The tag is read first and the class's own
decoder then builds the value straight from the text, base64 included, because msgspec does not take unions of attrs
classes. What the classes do not name is ignored: peers add fields without notice.

JSON allows more than a protocol should. The answers here, the same for every protocol:

* text that is no JSON, `NaN`, `Infinity`, lone surrogates (raw or escaped), bad base64, and nesting too deep for the
  stack: refused, close code 1007;
* right JSON of the wrong shape (not an object, a missing field, a wrong type, a number out of range): refused, 1002;
* a key given twice: the last one counts (RFC 8259 section 4 leaves it open); but two different tags of which the last
  is known are refused, 1002.

Refusals name the place and the kind of fault, never the content: messages carry what callers say and their numbers.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeGuard, TypeVar

import attrs
import msgspec
from attrs import AttrsInstance

from opusagent.errors import INVALID_PAYLOAD, PROTOCOL_ERROR, LocalProtocolError, RemoteProtocolError

QUOTED_CHARACTERS: Final = 80
"""How much of a peer's string is ever repeated in an error, a log line or a count."""

SPREAD: Final = "spread"
"""In a field's metadata: what it holds is written beside the other fields, for what a class has no names for."""

_TAG_WITHIN: Final = 96
"""Where the tag of a hot message is looked for; a tag further behind only costs the slower way."""

M = TypeVar("M", bound=AttrsInstance)
U = TypeVar("U")


class TypeTag(msgspec.Struct):
    """A message told apart by `type`."""

    tag: str = msgspec.field(name="type")


class EventTag(msgspec.Struct):
    """A message told apart by `event`."""

    tag: str = msgspec.field(name="event")


def printable(text: str) -> str:
    r"""`text` cut to 80 characters, with everything but printable ASCII escaped: safe in a log and on a terminal.

    >>> printable("caf\u00e9 \x1b[2J")
    'caf\\xe9 \\x1b[2J'
    """
    return ascii(text[:QUOTED_CHARACTERS])[1:-1]


class Reader(Generic[M, U]):
    """Reads any message of one direction of one protocol. Holds only decoders, so one serves all calls."""

    def __init__(
        self, tagged: type[TypeTag | EventTag], classes: Iterable[type[M]], hot: type[M], unknown: Callable[[str], U]
    ) -> None:
        """`hot` is the class of the message that makes up most of the traffic; `unknown` names a foreign tag."""
        self._tag: Final = msgspec.json.Decoder(tagged)
        self._decoders: Final = {tag_of(cls, tagged): msgspec.json.Decoder(cls) for cls in classes}
        self._hot: Final = msgspec.json.Decoder(hot)
        self._hot_tag: Final = f'"{tag_of(hot, tagged)}"'
        self._unknown: Final = unknown

    def parse(self, text: str) -> M | U:
        """The message in `text`; an unknown tag gives `unknown(tag)`, its text made printable.

        Raises:
            RemoteProtocolError: the text is none of this protocol's messages.
        """
        try:
            if text.find(self._hot_tag, 0, _TAG_WITHIN) >= 0:
                try:
                    return self._hot.decode(text)
                except msgspec.ValidationError:
                    pass  # Another message that mentions the hot one's tag, or a fault that the slower way explains.
            tag = self._tag.decode(text).tag
            decoder = self._decoders.get(tag)
            return self._unknown(printable(tag)) if decoder is None else decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _refusal(error) from error


def tag_of(cls: type[AttrsInstance], tagged: type[TypeTag | EventTag]) -> str:
    """The tag that `cls` is written with: the default of its tag field."""
    declared: Mapping[str, attrs.Attribute[object]] = attrs.fields_dict(cls)
    return str(declared["type" if tagged is TypeTag else "event"].default)


def to_text(message: AttrsInstance) -> str:
    """`message` as compact JSON. A field that has its default, where that says "absent", is left off.

    Absent is what the defaults None, UNSET and () say: None in a field whose default is UNSET is written as null.

    Raises:
        LocalProtocolError: something in it cannot be written, such as a lone surrogate.
    """
    try:
        return msgspec.json.encode(_plain(message)).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise LocalProtocolError(f"a {type(message).__name__} cannot be written: {printable(str(error))}") from error


def _plain(value: object) -> object:
    """`value` with attrs instances made into dicts; everything else is msgspec's business."""
    if _is_row(value):
        return [_plain(each) for each in value]
    cls = type(value)
    if not attrs.has(cls):
        return value
    written: dict[str, object] = {}
    for name, absent in _fields(cls):
        field: object = getattr(value, name)
        if absent is _REQUIRED or field != absent:
            written[name] = _plain(field)
    for name in _spread(cls):
        merge(written, written.pop(name, None))
    return written


def merge(into: dict[str, object], beside: object) -> None:
    """Put what `beside` holds into a JSON object, object into object; where both have a value, `beside`'s counts."""
    for key, value in beside.items() if is_object(beside) else ():
        mine = into.get(key)
        if is_object(mine) and is_object(value):
            merged = dict(mine)
            merge(merged, value)
            into[key] = merged
        else:
            into[key] = value


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether `value` is a JSON object."""
    return isinstance(value, dict)


def _is_row(value: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(value, tuple)


_REQUIRED: Final = object()


@functools.cache
def _fields(cls: type[AttrsInstance]) -> tuple[tuple[str, object], ...]:
    """Each field of `cls`, tag first, with the value that stands for absence, or `_REQUIRED` where none does."""
    declared: tuple[attrs.Attribute[object], ...] = attrs.fields(cls)
    tag_first = sorted(declared, key=lambda field: field.name not in {"type", "event"})
    absences = (None, msgspec.UNSET, ())
    return tuple((field.name, field.default if field.default in absences else _REQUIRED) for field in tag_first)


@functools.cache
def _spread(cls: type[AttrsInstance]) -> tuple[str, ...]:
    """The fields of `cls` that are not written as themselves: what they hold stands beside the others."""
    declared: tuple[attrs.Attribute[object], ...] = attrs.fields(cls)
    return tuple(field.name for field in declared if field.metadata.get(SPREAD))


def _refusal(error: Exception) -> RemoteProtocolError:
    """What to tell the operator and the peer about `error`."""
    if not isinstance(error, msgspec.ValidationError):
        return RemoteProtocolError(f"the message is not JSON: {_fault(error)}", close_code=INVALID_PAYLOAD)
    what, found, path = str(error).rpartition(" - at `$")
    place = path.strip("`.") if found else "the message"
    code = INVALID_PAYLOAD if "base64" in what else PROTOCOL_ERROR
    return RemoteProtocolError(f"{place}: {printable(what or path)}", close_code=code)


def _fault(error: Exception) -> str:
    """The kind of fault, without the text that has it."""
    match error:
        case UnicodeError():
            return "it holds a lone surrogate"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return printable(str(error).removeprefix("JSON is malformed: "))
