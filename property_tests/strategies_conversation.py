"""Conversations as a service reports them: items in a chain, and the events that tell of them, each with its time."""

import attrs
from hypothesis import strategies as st

from opusagent.realtime.events import (
    ContentPart,
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemDone,
    ServerEvent,
)

_WORDS = ("yes", "no", "on", "Tuesday", "at", "nine,", "please", "4711")

words = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
"""What people and models say."""


@attrs.frozen
class Told:
    """An event, and the second of the call at which it was told."""

    event: ServerEvent
    at: float


@attrs.frozen
class Conversation:
    """The items' names in order, and all that is told of them, in the service's order."""

    items: tuple[str, ...]
    told: tuple[Told, ...]


def caller_events(item_id: str, previous: str | None, start: int, text: str) -> list[ServerEvent]:
    """All that is told of something that the caller says for a second, `start` ms into the audio."""
    part = ContentPart(type="input_audio")
    item = Item(type="message", id=item_id, role="user", status="completed", content=(part,))
    return [
        InputAudioBufferSpeechStarted(item_id=item_id, audio_start_ms=start),
        InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=start + 1000),
        InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous),
        ConversationItemAdded(item=item, previous_item_id=previous),
        ConversationItemDone(item=item, previous_item_id=previous),
        ConversationItemInputAudioTranscriptionDelta(item_id=item_id, content_index=0, delta=text),
        ConversationItemInputAudioTranscriptionCompleted(item_id=item_id, content_index=0, transcript=text),
    ]


def model_events(item_id: str, previous: str | None, text: str) -> list[ServerEvent]:
    """All that is told of an answer, but for its sound."""
    empty = Item(type="message", id=item_id, role="assistant", status="in_progress")
    part = ContentPart(type="output_audio", transcript=text)
    whole = Item(type="message", id=item_id, role="assistant", status="completed", content=(part,))
    return [
        ConversationItemAdded(item=empty, previous_item_id=previous),
        ResponseOutputAudioTranscriptDelta(
            response_id="r", item_id=item_id, output_index=0, content_index=0, delta=text[:5]
        ),
        ResponseOutputAudioTranscriptDone(
            response_id="r", item_id=item_id, output_index=0, content_index=0, transcript=text
        ),
        ConversationItemDone(item=whole, previous_item_id=previous),
        ResponseOutputItemDone(response_id="r", output_index=0, item=whole),
    ]


def tool_events(item_id: str, previous: str | None, text: str) -> list[ServerEvent]:
    """All that is told of a tool's call."""
    call = Item(type="function_call", id=item_id, call_id=f"call {item_id}", name="look_up", arguments=text)
    return [
        ConversationItemAdded(item=attrs.evolve(call, arguments=""), previous_item_id=previous),
        ResponseFunctionCallArgumentsDone(
            response_id="r", item_id=item_id, output_index=0, call_id=f"call {item_id}", name="look_up", arguments=text
        ),
        ConversationItemDone(item=call, previous_item_id=previous),
    ]


def note_events(item_id: str, previous: str | None, text: str) -> list[ServerEvent]:
    """All that is told of a text that the bridge itself put into the conversation."""
    part = ContentPart(type="input_text", text=text)
    item = Item(type="message", id=item_id, role="user", content=(part,))
    return [
        ConversationItemAdded(item=item, previous_item_id=previous),
        ConversationItemDone(item=item, previous_item_id=previous),
    ]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """One chain of items of every kind, from none to twelve. The names say nothing about the order."""
    items = tuple(draw(st.lists(st.text("abcdefgh0123", min_size=1, max_size=6), max_size=12, unique=True)))
    told: list[Told] = []
    previous: str | None = None
    for number, item_id in enumerate(items):
        text = draw(words)
        match draw(st.sampled_from(["caller", "model", "tool", "note"])):
            case "caller":
                events = caller_events(item_id, previous, 2000 * number, text)
            case "model":
                events = model_events(item_id, previous, text)
            case "tool":
                events = tool_events(item_id, previous, text)
            case _:
                events = note_events(item_id, previous, text)
        told += (Told(event, 2.0 * number + 0.1 * place) for place, event in enumerate(events))
        previous = item_id
    return Conversation(items, tuple(told))
