"""The seam between text and classes: what it refuses, how it says so, and what it leaves off."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs
import msgspec
import pytest
from msgspec import UNSET, UnsetType

from opusagent.errors import INVALID_PAYLOAD, PROTOCOL_ERROR, LocalProtocolError, RemoteProtocolError
from opusagent.wire import SPREAD, EventTag, Reader, TypeTag, printable, tag_of, to_text


@attrs.frozen(kw_only=True)
class Detail:
    payload: bytes
    size: int | None = None


@attrs.frozen(kw_only=True)
class Sound:
    detail: Detail
    type: Literal["sound"] = "sound"


@attrs.frozen(kw_only=True)
class Word:
    text: str | None = None
    weight: float = 1.0
    rows: tuple[Detail, ...] = ()
    more: tuple[str, ...] | None = None
    kept: str | UnsetType | None = UNSET
    free: Mapping[str, object] | None = None
    type: Literal["word"] = "word"


@attrs.frozen(kw_only=True)
class Rung:
    event: Literal["rung"] = "rung"


@attrs.frozen
class Foreign:
    tag: str


Message: TypeAlias = Sound | Word

READER: Reader[Message, Foreign] = Reader(TypeTag, (Sound, Word), hot=Sound, unknown=Foreign)


def refusal(text: str) -> tuple[int, str]:
    """The close code and the words with which `text` is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        READER.parse(text)
    return caught.value.close_code, str(caught.value)


def test_the_tag_chooses_the_class() -> None:
    """Wherever the tag stands, the message becomes its class, base64 decoded."""
    texts = ['{"type":"sound","detail":{"payload":"aGk="}}', '{"text":"a","type":"word"}']
    assert [READER.parse(text) for text in texts] == [Sound(detail=Detail(payload=b"hi")), Word(text="a")]


def test_the_other_tag_is_called_event() -> None:
    """Protocols that call their tag `event` are read the same way."""
    reader: Reader[Rung, Foreign] = Reader(EventTag, (Rung,), hot=Rung, unknown=Foreign)
    assert [reader.parse('{"event":"rung"}'), reader.parse('{"event":"else"}')] == [Rung(), Foreign("else")]


@pytest.mark.parametrize("padding", [0, 200])
def test_a_tag_is_found_however_late_it_comes(padding: int) -> None:
    """The quick way only looks at the beginning; a late tag costs time and changes nothing."""
    text = '{"detail":{"payload":"aGk="},' + " " * padding + '"type":"sound"}'
    assert READER.parse(text) == Sound(detail=Detail(payload=b"hi"))


def test_a_value_that_looks_like_the_hot_tag_does_not_mislead() -> None:
    """The hot tag's text within another message is only text."""
    assert READER.parse('{"text":"sound","type":"word"}') == Word(text="sound")


def test_members_that_no_class_names_are_ignored() -> None:
    """Peers add fields without notice."""
    assert READER.parse('{"type":"word","text":"a","later":{"x":[1]}}') == Word(text="a")


def test_an_unknown_tag_is_an_answer_and_safe_to_log() -> None:
    """A tag of no class is handed on, cut and escaped."""
    tag = "n\\u0007\\u202e" + "x" * 100
    assert READER.parse(f'{{"type":"{tag}"}}') == Foreign("n\\x07\\u202e" + "x" * 77)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the message is not JSON: Input data was truncated"),
        ("\x00", "the message is not JSON: invalid character (byte 0)"),
        ('{"type":"word"', "the message is not JSON: Input data was truncated"),
        ('{"type":"word"} {}', "the message is not JSON: trailing characters (byte 17)"),
        ("\ufeff{}", "the message is not JSON: invalid character (byte 0)"),
        ('{"type":"word","weight":NaN}', "the message is not JSON: invalid character (byte 24)"),
        ('{"type":"word","weight":-Infinity}', "the message is not JSON: invalid character (byte 25)"),
        ('{"type":"word","text":"\ud800"}', "the message is not JSON: it holds a lone surrogate"),
        ('{"type":"sound","x":' + "[" * 100_000, "the message is not JSON: it is nested too deeply"),
        ('{"type":"word","free":' + '{"a":' * 100_000, "the message is not JSON: it is nested too deeply"),
        ('{"type":"sound","detail":{"payload":"a b="}}', "detail.payload: Invalid base64 encoded string"),
        ('{"type":"sound","detail":{"payload":"aGk"}}', "detail.payload: Invalid base64 encoded string"),
        ('{"type":"word","rows":[{"payload":"-_-_"}]}', "rows[0].payload: Invalid base64 encoded string"),
    ],
)
def test_what_is_no_json_or_no_base64_is_closed_with_1007(text: str, words: str) -> None:
    """Payloads that do not decode are RFC 6455's "data that was not consistent with the type of the message"."""
    assert refusal(text) == (INVALID_PAYLOAD, words)


@pytest.mark.parametrize("escaped", ['"\\ud800"', '"\\udc00x"', '"\\ud800\\u0041"', '"\\udfff\\udfff"'])
def test_escaped_lone_surrogates_are_refused(escaped: str) -> None:
    """No string enters that UTF-8 cannot write: it would explode where it is next sent or logged."""
    code, words = refusal('{"type":"word","text":' + escaped + "}")
    assert (code, words.startswith("the message is not JSON: ")) == (INVALID_PAYLOAD, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "the message: Expected `object`, got `array`"),
        ("[" * 100_000, "the message: Expected `object`, got `array`"),
        ("null", "the message: Expected `object`, got `null`"),
        ("7", "the message: Expected `object`, got `int`"),
        ("{}", "the message: Object missing required field `type`"),
        ('{"type":null}', "type: Expected `str`, got `null`"),
        ('{"type":{"type":"word"}}', "type: Expected `str`, got `object`"),
        ('{"type":"sound"}', "the message: Object missing required field `detail`"),
        ('{"type":"sound","detail":{}}', "detail: Object missing required field `payload`"),
        ('{"type":"sound","detail":{"payload":7}}', "detail.payload: Expected `bytes`, got `int`"),
        ('{"type":"sound","detail":{"payload":"","size":true}}', "detail.size: Expected `int | null`, got `bool`"),
        ('{"type":"sound","detail":{"payload":"","size":1.5}}', "detail.size: Expected `int | null`, got `float`"),
        (
            '{"type":"sound","detail":{"payload":"","size":%s}}' % ("9" * 5000),
            "detail.size: Integer value out of range",
        ),
        ('{"type":"word","weight":1e400}', "weight: Number out of range"),
        ('{"type":"word","free":{"secret":1e400}}', "free[...]: Number out of range"),
    ],
)
def test_json_of_the_wrong_shape_is_closed_with_1002(text: str, words: str) -> None:
    """The place and the kind of fault are named, and nothing of the content."""
    assert refusal(text) == (PROTOCOL_ERROR, words)


def test_a_key_given_twice_counts_as_given_last() -> None:
    """For members, and for a tag that ends up unknown."""
    texts = ['{"type":"word","text":"a","text":"b"}', '{"type":"word","type":"word"}', '{"type":"word","type":"none"}']
    assert [READER.parse(text) for text in texts] == [Word(text="b"), Word(), Foreign("none")]


@pytest.mark.parametrize("first", ["sound", "none"])
def test_a_message_with_two_tags_is_refused(first: str) -> None:
    """No message is of two classes, nor of a known one and another."""
    assert refusal(f'{{"type":"{first}","type":"word"}}') == (PROTOCOL_ERROR, f"type: Invalid enum value '{first}'")


def test_nesting_that_the_stack_bears_is_taken() -> None:
    """What nobody looks at may be deep."""
    assert READER.parse('{"type":"word","x":' + "[" * 100 + "]" * 100 + "}") == Word()


def test_the_largest_platform_message_of_tiny_members_is_taken() -> None:
    """64 KiB of members, the most that a platform may send, are one message like any other."""
    members = ",".join(f'"k{count}":0' for count in range(6000))
    assert READER.parse(f'{{{members},"type":"word"}}') == Word()


def test_absent_is_not_written() -> None:
    """Defaults that say "absent" are left off; empty and null are written where they mean something."""
    words = [Word(), Word(text="", more=()), Word(kept=None, rows=(Detail(payload=b"hi"),))]
    assert [to_text(word) for word in words] == [
        '{"type":"word","weight":1.0}',
        '{"type":"word","text":"","weight":1.0,"more":[]}',
        '{"type":"word","weight":1.0,"rows":[{"payload":"aGk="}],"kept":null}',
    ]


class Opaque:
    """Nothing that JSON has a word for."""


@pytest.mark.parametrize("value", ["\ud800", Opaque(), {Opaque(): 1}])
def test_what_json_cannot_hold_is_our_fault(value: object) -> None:
    """A message that cannot be written is a `LocalProtocolError` that names its class."""
    with pytest.raises(LocalProtocolError, match=r"^a Word cannot be written: "):
        to_text(Word(free={"a": value}))


def test_what_is_nested_beyond_the_stack_is_our_fault() -> None:
    """Writing does not overflow the stack either."""
    deep: object = None
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(LocalProtocolError, match=re.escape("a Word cannot be written")):
        to_text(Word(free={"a": deep}))


def test_tags() -> None:
    """A class's tag is the default of its tag field."""
    assert [tag_of(Sound, TypeTag), tag_of(Rung, EventTag)] == ["sound", "rung"]


def test_printable_leaves_nothing_that_a_terminal_obeys() -> None:
    """Control characters, bidirectional overrides, line ends and surrogates are escaped, and length is bounded."""
    assert printable("a\x1b[2J\r\n\u202e\ud800'\"") == "a\\x1b[2J\\r\\n\\u202e\\ud800\\'\""
    assert printable("x" * 1000) == "x" * 80


def test_the_decoder_takes_attrs_classes_one_at_a_time() -> None:
    """Why the tag is read first: msgspec refuses a union of attrs classes. When this fails, the seam can go."""
    with pytest.raises(TypeError, match="more than one"):
        msgspec.json.Decoder(Message)


@attrs.frozen(kw_only=True)
class Loose:
    detail: Word
    beside: Mapping[str, object] = attrs.field(factory=dict[str, object], metadata={SPREAD: True})
    type: Literal["loose"] = "loose"


def test_what_has_no_names_is_written_beside_and_into_what_has() -> None:
    """Object into object; where both have a value, the nameless one counts. What it came from is left as it was."""
    beside = {"new": [1], "detail": {"text": "b", "far": {"off": None}}}
    written = to_text(Loose(detail=Word(text="a"), beside=beside))
    detail = {"type": "word", "text": "b", "weight": 1.0, "far": {"off": None}}
    assert msgspec.json.decode(written) == {"type": "loose", "detail": detail, "new": [1]}
    assert beside == {"new": [1], "detail": {"text": "b", "far": {"off": None}}}


def test_nothing_beside_is_written_as_nothing() -> None:
    assert to_text(Loose(detail=Word())) == '{"type":"loose","detail":{"type":"word","weight":1.0}}'
