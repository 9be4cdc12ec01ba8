"""The conversation keeps items in order and says, as the service does, what it cannot do."""

import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.local.conversation import AUDIO_LIMIT, Conversation, Entry, entry_from_client, user_audio
from opusagent.local.outputs import unspoken_item
from opusagent.local.refusals import Refusal
from opusagent.realtime.events import ContentPart, Item
from property_tests.strategies_local import words


def written(item_id: str, role: str = "user") -> Entry:
    kind = "output_text" if role == "assistant" else "input_text"
    item = Item(type="message", role=role, content=(ContentPart(type=kind, text="hello"),))
    return entry_from_client(item, item_id, PCM16_24K)


def spoken(item_id: str, audio: bytes) -> Entry:
    return Entry(unspoken_item(item_id, spoken=True), PCM16_24K, bytearray(audio))


def order(conversation: Conversation) -> list[str]:
    return [entry.id for entry in conversation.entries]


def refused(refusal: pytest.ExceptionInfo[Refusal]) -> tuple[str, str | None]:
    return refusal.value.code, refusal.value.param


def test_items_go_to_the_end_to_the_root_or_behind_another() -> None:
    conversation = Conversation()
    follows = [
        conversation.insert(written(name), behind)
        for name, behind in [("a", None), ("b", None), ("c", "root"), ("d", "a")]
    ]
    assert order(conversation) == ["c", "a", "d", "b"]
    assert follows == [None, "a", None, "a"]


def test_behind_an_unknown_item_and_under_a_taken_id_nothing_is_put() -> None:
    conversation = Conversation([written("a")])
    with pytest.raises(Refusal) as unknown:
        conversation.insert(written("b"), "nobody")
    with pytest.raises(Refusal) as taken:
        conversation.insert(written("a"), None)
    assert refused(unknown) == ("item_create_invalid_item_id", "previous_item_id")
    assert refused(taken) == ("item_create_duplicate_item_id", "item.id")
    assert order(conversation) == ["a"]


def test_retrieving_brings_the_audio_along() -> None:
    conversation = Conversation([user_audio("a", words(200, MULAW_8K), MULAW_8K)])
    assert conversation.retrieve("a").content == (ContentPart(type="input_audio", audio=words(200, MULAW_8K)),)


def test_deleting_takes_the_item_out() -> None:
    conversation = Conversation([written("a"), written("b")])
    conversation.delete("a")
    assert order(conversation) == ["b"]


def test_truncating_cuts_the_audio_and_loses_the_words() -> None:
    conversation = Conversation([spoken("a", words(500))])
    conversation.truncate("a", 0, 320)
    assert conversation.retrieve("a").content == (ContentPart(type="output_audio", audio=words(500)[: 320 * 48]),)
    conversation.truncate("a", 0, 320)
    conversation.truncate("a", 0, 0)
    assert conversation.entry("a").duration == 0


def test_truncating_beyond_the_end_is_refused_in_the_services_words() -> None:
    conversation = Conversation([spoken("a", words(500))])
    with pytest.raises(Refusal, match=r"^Audio content of 500ms is already shorter than 501ms$"):
        conversation.truncate("a", 0, 501)
    assert conversation.entry("a").duration == 500


@pytest.mark.parametrize(
    ("item_id", "index", "end", "expected"),
    [
        ("nobody", 0, 0, ("item_truncate_invalid_item_id", "item_id")),
        ("caller", 0, 0, ("invalid_value", "item_id")),
        ("text", 0, 0, ("invalid_value", "item_id")),
        ("model", 1, 0, ("invalid_value", "content_index")),
        ("model", 0, -1, ("integer_below_min_value", "audio_end_ms")),
    ],
)
def test_only_audio_of_the_model_can_be_truncated(
    item_id: str, index: int, end: int, expected: tuple[str, str]
) -> None:
    caller = user_audio("caller", words(500), PCM16_24K)
    conversation = Conversation([caller, written("text", "assistant"), spoken("model", words(500))])
    with pytest.raises(Refusal) as refusal:
        conversation.truncate(item_id, index, end)
    assert refused(refusal) == expected


@pytest.mark.parametrize("doing", ["retrieve", "delete"])
def test_an_unknown_item_is_named_in_the_code_of_what_was_tried(doing: str) -> None:
    conversation = Conversation()
    with pytest.raises(Refusal) as refusal:
        (conversation.retrieve if doing == "retrieve" else conversation.delete)("nobody")
    assert refused(refusal) == (f"item_{doing}_invalid_item_id", "item_id")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item(type="poem"), ("invalid_value", "item.type")),
        (Item(type="message", role="robot"), ("invalid_value", "item.role")),
        (Item(type="message"), ("invalid_value", "item.role")),
        (
            Item(type="message", role="assistant", content=(ContentPart(type="output_audio", audio=b""),)),
            ("invalid_value", "item.content[0].type"),
        ),
        (
            Item(type="message", role="user", content=(ContentPart(type="input_audio", audio=b"\0"),)),
            ("invalid_value", "item.content[0].audio"),
        ),
        (Item(type="function_call_output", output="{}"), ("missing_required_parameter", "item.call_id")),
        (Item(type="function_call_output", call_id="c" * 33, output=""), ("string_above_max_length", "item.call_id")),
        (Item(type="function_call", call_id="c", name="n"), ("missing_required_parameter", "item.arguments")),
    ],
)
def test_what_is_no_item_is_refused_at_its_place(item: Item, expected: tuple[str, str]) -> None:
    with pytest.raises(Refusal) as refusal:
        entry_from_client(item, "a", PCM16_24K)
    assert refused(refusal) == expected


def test_what_came_after_the_models_last_message() -> None:
    conversation = Conversation([written("a"), spoken("b", b""), written("c"), written("d", "system")])
    assert [entry.id for entry in conversation.since_model()] == ["c", "d"]


def test_old_audio_is_forgotten_before_the_conversation_grows_beyond_its_bound() -> None:
    conversation, half = Conversation(), bytes(AUDIO_LIMIT // 2)
    for name in "abc":
        conversation.append(user_audio(name, half, PCM16_24K))
    assert [len(entry.audio) for entry in conversation.entries] == [0, len(half), len(half)]
