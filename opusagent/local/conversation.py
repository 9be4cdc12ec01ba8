"""The default conversation: items in order, each with the audio that belongs to it.

An item as events show it holds no audio; only `conversation.item.retrieve` brings the audio along.
"""

from collections import Counter
from typing import Final

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.local.refusals import Refusal
from opusagent.realtime.events import ContentPart, Item
from opusagent.units import Ms, Pcm16

ROOT: Final = "root"
"""As `previous_item_id`: before everything else."""

CALL_ID_LIMIT: Final = 32
"""Characters in a `call_id` that the service takes."""

MESSAGE_PARTS: Final = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}
"""What a client may put into a message of each role. Assistant audio cannot be supplied, only generated."""

AUDIO_LIMIT: Final = 600 * 48_000
"""Bytes of audio that a conversation holds, ten minutes of PCM; beyond it the oldest items keep only their words."""

ITEM_TYPES: Final = ("message", "function_call", "function_call_output", "mcp_approval_response")


@attrs.define
class Names:
    """Gives ids, numbered within their kind: unique in a session, and across sessions as far as `tag` is."""

    tag: str
    _given: Counter[str] = attrs.field(factory=Counter[str], init=False)

    def new(self, kind: str) -> str:
        """The next id.

        >>> Names("a1").new("item")
        'item_a1_0001'
        """
        self._given[kind] += 1
        return f"{kind}_{self.tag}_{self._given[kind]:04d}"


@attrs.define(eq=False)
class Entry:
    """One item and its `audio` in `media`. `item` is replaced as the item grows; `audio` is what was said so far."""

    item: Item
    media: MediaFormat = PCM16_24K
    audio: bytearray = attrs.field(factory=bytearray)

    @property
    def id(self) -> str:
        """The item's name; every item in a conversation has one."""
        return self.item.id or ""

    @property
    def duration(self) -> Ms:
        """How long its audio lasts."""
        return self.media.ms_of(len(self.audio))

    def with_audio(self) -> Item:
        """The item as `conversation.item.retrieved` shows it."""
        shown = (
            attrs.evolve(part, audio=bytes(self.audio)) if part.type.endswith("_audio") else part
            for part in self.item.content
        )
        return attrs.evolve(self.item, content=tuple(shown))

    def pcm24(self) -> Pcm16:
        """Its audio at 24 kHz."""
        converter = Converter(self.media, PCM16_24K)
        return Pcm16(converter.push(bytes(self.audio)) + converter.flush())


@attrs.define
class Conversation:
    """What was said, in order. Ids are unique."""

    entries: list[Entry] = attrs.field(factory=list[Entry])

    @property
    def last_id(self) -> str | None:
        """The item that the next one will follow."""
        return self.entries[-1].id if self.entries else None

    def append(self, entry: Entry) -> str | None:
        """Put `entry` at the end and say which item it follows."""
        previous = self.last_id
        self._forget_audio(len(entry.audio))
        self.entries.append(entry)
        return previous

    def insert(self, entry: Entry, behind: str | None) -> str | None:
        """Put `entry` behind the item named, `ROOT` or (None) at the end; says which item it follows.

        Raises `Refusal` if there is no such item, or if the entry's id is taken.
        """
        if any(held.id == entry.id for held in self.entries):
            message = f"Error adding item: an item with id '{entry.id}' already exists."
            raise Refusal("item_create_duplicate_item_id", message, param="item.id")
        if behind is None:
            return self.append(entry)
        place = 0 if behind == ROOT else self._place(behind, "item_create", "previous_item_id") + 1
        self.entries.insert(place, entry)
        return self.entries[place - 1].id if place else None

    def retrieve(self, item_id: str) -> Item:
        """The item with its audio. Raises `Refusal`."""
        return self.entries[self._place(item_id, "item_retrieve", "item_id")].with_audio()

    def delete(self, item_id: str) -> None:
        """Take the item out. Raises `Refusal`."""
        del self.entries[self._place(item_id, "item_delete", "item_id")]

    def truncate(self, item_id: str, content_index: int, end: int) -> None:
        """Cut what the model said to its first `end` ms; its words are lost. Raises `Refusal`."""
        entry = self.entries[self._place(item_id, "item_truncate", "item_id")]
        parts = entry.item.content
        if entry.item.role != "assistant" or not any(part.type == "output_audio" for part in parts):
            raise Refusal("invalid_value", "Only model output audio messages can be truncated.", param="item_id")
        if content_index != 0:
            raise Refusal("invalid_value", "Only content index 0 can be truncated.", param="content_index")
        if end < 0:
            message = f"Expected a value >= 0, but got {end} instead."
            raise Refusal("integer_below_min_value", message, param="audio_end_ms")
        if end > entry.duration:
            message = f"Audio content of {entry.duration}ms is already shorter than {end}ms"
            raise Refusal("invalid_value", message, param="audio_end_ms")
        del entry.audio[entry.media.bytes_of(Ms(end)) :]
        entry.item = attrs.evolve(entry.item, content=(ContentPart(type="output_audio"),))

    def since_model(self) -> list[Entry]:
        """What came into the conversation after the last that the model said or called."""
        said = [place for place, entry in enumerate(self.entries) if is_models(entry.item)]
        return self.entries[said[-1] + 1 if said else 0 :]

    def entry(self, item_id: str) -> Entry:
        """The item that an `item_reference` names. Raises `Refusal`."""
        return self.entries[self._place(item_id, "item_reference", "response.input")]

    def _forget_audio(self, coming: int) -> None:
        held = coming + sum(len(entry.audio) for entry in self.entries)
        for entry in self.entries:
            if held <= AUDIO_LIMIT:
                return
            held -= len(entry.audio)
            entry.audio.clear()

    def _place(self, item_id: str, doing: str, param: str) -> int:
        for place, entry in enumerate(self.entries):
            if entry.id == item_id:
                return place
        message = f"Item with item_id not found: no item '{item_id}' in the conversation."
        raise Refusal(f"{doing}_invalid_item_id", message, param=param)


def is_models(item: Item) -> bool:
    """Whether the model put it there: a message of its own, or a call."""
    return item.role == "assistant" or item.type == "function_call"


def entry_from_client(item: Item, item_id: str, media: MediaFormat) -> Entry:
    """What `conversation.item.create` puts in; `media` is how its audio is written. Raises `Refusal`."""
    _check_item(item)
    audio = bytearray(b"".join(part.audio or b"" for part in item.content if part.type == "input_audio"))
    if len(audio) % media.bytes_per_sample:
        raise Refusal("invalid_value", "The audio does not hold whole samples.", param="item.content[0].audio")
    content = tuple(attrs.evolve(part, audio=None) for part in item.content)
    shown = attrs.evolve(item, id=item_id, object="realtime.item", status="completed", content=content)
    return Entry(shown, media, audio)


def user_audio(item_id: str, audio: bytes, media: MediaFormat) -> Entry:
    """What the caller said, as a commit puts it in."""
    part = ContentPart(type="input_audio")
    item = Item(id=item_id, object="realtime.item", type="message", status="completed", role="user", content=(part,))
    return Entry(item, media, bytearray(audio))


def _check_item(item: Item) -> None:
    if item.type not in ITEM_TYPES:
        raise Refusal("invalid_value", f"Supported values are {', '.join(ITEM_TYPES)}.", param="item.type")
    if item.call_id is not None and len(item.call_id) > CALL_ID_LIMIT:
        message = f"Expected a string with at most {CALL_ID_LIMIT} characters, but got {len(item.call_id)} instead."
        raise Refusal("string_above_max_length", message, param="item.call_id")
    if item.type == "message":
        _check_message(item)
    for name, value in _required(item).items():
        if value is None:
            raise Refusal("missing_required_parameter", f"Missing required parameter: '{name}'.", param=name)


def _check_message(item: Item) -> None:
    if item.role not in MESSAGE_PARTS:
        raise Refusal("invalid_value", f"Supported values are {', '.join(MESSAGE_PARTS)}.", param="item.role")
    for index, part in enumerate(item.content):
        if part.type not in MESSAGE_PARTS[item.role]:
            message = f"A message of role '{item.role}' holds {', '.join(MESSAGE_PARTS[item.role])}."
            raise Refusal("invalid_value", message, param=f"item.content[{index}].type")


def _required(item: Item) -> dict[str, str | None]:
    match item.type:
        case "function_call":
            return {"item.call_id": item.call_id, "item.name": item.name, "item.arguments": item.arguments}
        case "function_call_output":
            return {"item.call_id": item.call_id, "item.output": item.output}
        case _:
            return {}
