"""What the service says about the session, the conversation and the caller's audio.

One class for each event, named after it, with the fields of the wire. `error` is `ErrorEvent`.
"""

from typing import Literal

import attrs

from opusagent.realtime.items import Conversation, ErrorDetail, Item, JsonObject, RateLimit
from opusagent.realtime.responses import TranscriptionUsage
from opusagent.realtime.sessions import Session


@attrs.frozen(kw_only=True)
class ServerEnvelope:
    """What every server event carries. `event_id` has been seen null."""

    event_id: str | None = None


@attrs.frozen(kw_only=True)
class SessionCreated(ServerEnvelope):
    """The session exists, with these settings."""

    session: Session
    type: Literal["session.created"] = "session.created"


@attrs.frozen(kw_only=True)
class SessionUpdated(ServerEnvelope):
    """A `session.update` took effect; these are the settings now."""

    session: Session
    type: Literal["session.updated"] = "session.updated"


@attrs.frozen(kw_only=True)
class ConversationCreated(ServerEnvelope):
    """The session has a conversation. May not be sent; nothing depends on it."""

    conversation: Conversation
    type: Literal["conversation.created"] = "conversation.created"


@attrs.frozen(kw_only=True)
class ConversationItemAdded(ServerEnvelope):
    """An item entered the conversation, perhaps unfinished."""

    item: Item
    previous_item_id: str | None = None
    type: Literal["conversation.item.added"] = "conversation.item.added"


@attrs.frozen(kw_only=True)
class ConversationItemDone(ServerEnvelope):
    """An item is finished."""

    item: Item
    previous_item_id: str | None = None
    type: Literal["conversation.item.done"] = "conversation.item.done"


@attrs.frozen(kw_only=True)
class ConversationItemCreated(ServerEnvelope):
    """The legacy twin of `conversation.item.added`, tolerated."""

    item: Item
    previous_item_id: str | None = None
    type: Literal["conversation.item.created"] = "conversation.item.created"


@attrs.frozen(kw_only=True)
class ConversationItemRetrieved(ServerEnvelope):
    """The answer to `conversation.item.retrieve`, audio included."""

    item: Item
    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"


@attrs.frozen(kw_only=True)
class ConversationItemTruncated(ServerEnvelope):
    """The item now ends at `audio_end_ms`, and its transcript is gone."""

    item_id: str
    content_index: int
    audio_end_ms: int
    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"


@attrs.frozen(kw_only=True)
class ConversationItemDeleted(ServerEnvelope):
    """The item is gone."""

    item_id: str
    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionDelta(ServerEnvelope):
    """Some of what the caller said."""

    item_id: str
    content_index: int | None = None
    delta: str | None = None
    logprobs: tuple[JsonObject, ...] | None = None
    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionCompleted(ServerEnvelope):
    """All of what the caller said in one utterance; comes at any time after the commit."""

    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptionUsage | None = None
    languages: tuple[str | JsonObject, ...] | None = None
    logprobs: tuple[JsonObject, ...] | None = None
    type: Literal["conversation.item.input_audio_transcription.completed"] = (
        "conversation.item.input_audio_transcription.completed"
    )


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionSegment(ServerEnvelope):
    """A stretch of speech by one speaker; `start` and `end` in seconds."""

    item_id: str
    content_index: int
    id: str
    speaker: str
    start: float
    end: float
    text: str
    type: Literal["conversation.item.input_audio_transcription.segment"] = (
        "conversation.item.input_audio_transcription.segment"
    )


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionFailed(ServerEnvelope):
    """An utterance could not be written down."""

    item_id: str
    content_index: int
    error: ErrorDetail
    type: Literal["conversation.item.input_audio_transcription.failed"] = (
        "conversation.item.input_audio_transcription.failed"
    )


@attrs.frozen(kw_only=True)
class InputAudioBufferCommitted(ServerEnvelope):
    """The buffered audio became the user item `item_id`."""

    item_id: str
    previous_item_id: str | None = None
    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"


@attrs.frozen(kw_only=True)
class InputAudioBufferCleared(ServerEnvelope):
    """The buffered audio was dropped."""

    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStarted(ServerEnvelope):
    """The caller began to speak, at `audio_start_ms` of all audio appended (padding included)."""

    item_id: str
    audio_start_ms: int
    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStopped(ServerEnvelope):
    """The caller stopped, at `audio_end_ms` of all audio appended."""

    item_id: str
    audio_end_ms: int
    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"


@attrs.frozen(kw_only=True)
class InputAudioBufferTimeoutTriggered(ServerEnvelope):
    """The caller said nothing for `idle_timeout_ms`; the model goes on by itself."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int
    type: Literal["input_audio_buffer.timeout_triggered"] = "input_audio_buffer.timeout_triggered"


@attrs.frozen(kw_only=True)
class InputAudioBufferDtmfEventReceived(ServerEnvelope):
    """A key was pressed, at epoch second `received_at`. SIP only."""

    event: str
    received_at: int
    type: Literal["input_audio_buffer.dtmf_event_received"] = "input_audio_buffer.dtmf_event_received"


@attrs.frozen(kw_only=True)
class RateLimitsUpdated(ServerEnvelope):
    """What is left of the allowances."""

    rate_limits: tuple[RateLimit, ...]
    type: Literal["rate_limits.updated"] = "rate_limits.updated"


@attrs.frozen(kw_only=True)
class ErrorEvent(ServerEnvelope):
    """A request failed. Mostly recoverable: the session stays open."""

    error: ErrorDetail
    type: Literal["error"] = "error"
