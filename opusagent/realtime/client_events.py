"""What the bridge says to the service.

One class for each event, named after it, with the fields of the wire.
"""

from typing import Literal

import attrs

from opusagent.realtime.items import Item, JsonObject
from opusagent.realtime.sessions import ResponseOptions, Session


@attrs.frozen(kw_only=True)
class ClientEnvelope:
    """What every client event may carry. `event_id` comes back in `error.event_id` if the event fails."""

    event_id: str | None = None


@attrs.frozen(kw_only=True)
class SessionUpdate(ClientEnvelope):
    """Change the settings. Refused as a whole if any key is unknown."""

    session: Session
    type: Literal["session.update"] = "session.update"


@attrs.frozen(kw_only=True)
class InputAudioBufferAppend(ClientEnvelope):
    """Sound of the caller, at most 15 MiB. Never answered."""

    audio: bytes
    type: Literal["input_audio_buffer.append"] = "input_audio_buffer.append"


@attrs.frozen(kw_only=True)
class InputAudioBufferCommit(ClientEnvelope):
    """Make the buffered audio a user item; at least 100 ms must be there."""

    type: Literal["input_audio_buffer.commit"] = "input_audio_buffer.commit"


@attrs.frozen(kw_only=True)
class InputAudioBufferClear(ClientEnvelope):
    """Drop the buffered audio."""

    type: Literal["input_audio_buffer.clear"] = "input_audio_buffer.clear"


@attrs.frozen(kw_only=True)
class ConversationItemCreate(ClientEnvelope):
    """Put an item into the conversation, behind `previous_item_id` (or `root`; None appends)."""

    item: Item
    previous_item_id: str | None = None
    type: Literal["conversation.item.create"] = "conversation.item.create"


@attrs.frozen(kw_only=True)
class ConversationItemRetrieve(ClientEnvelope):
    """Ask for an item as the service holds it."""

    item_id: str
    type: Literal["conversation.item.retrieve"] = "conversation.item.retrieve"


@attrs.frozen(kw_only=True)
class ConversationItemTruncate(ClientEnvelope):
    """Cut an assistant audio item to what was heard; never beyond its length."""

    item_id: str
    audio_end_ms: int
    content_index: int = 0
    type: Literal["conversation.item.truncate"] = "conversation.item.truncate"


@attrs.frozen(kw_only=True)
class ConversationItemDelete(ClientEnvelope):
    """Take an item out of the conversation."""

    item_id: str
    type: Literal["conversation.item.delete"] = "conversation.item.delete"


@attrs.frozen(kw_only=True)
class ResponseCreate(ClientEnvelope):
    """Ask for an answer. Refused while one is active in the default conversation."""

    response: ResponseOptions | None = None
    type: Literal["response.create"] = "response.create"


@attrs.frozen(kw_only=True)
class ResponseCancel(ClientEnvelope):
    """Stop an answer: the one named, or the active one."""

    response_id: str | None = None
    type: Literal["response.cancel"] = "response.cancel"


@attrs.frozen(kw_only=True)
class OutputAudioBufferClear(ClientEnvelope):
    """Cut playout. WebRTC and SIP only."""

    type: Literal["output_audio_buffer.clear"] = "output_audio_buffer.clear"


@attrs.frozen(kw_only=True)
class SessionClose(ClientEnvelope):
    """End the session. Named by the live service's own list; its effect is not documented."""

    type: Literal["session.close"] = "session.close"


@attrs.frozen(kw_only=True)
class TranscriptionSessionUpdate(ClientEnvelope):
    """The legacy settings of a transcription session, tolerated."""

    session: JsonObject
    type: Literal["transcription_session.update"] = "transcription_session.update"
