"""What the service says about its answers, the tools it calls by itself, and playout.

One class for each event, named after it, with the fields of the wire.
"""

from typing import Literal

import attrs

from opusagent.realtime.items import ContentPart, Item
from opusagent.realtime.responses import Response
from opusagent.realtime.server_events import ServerEnvelope


@attrs.frozen(kw_only=True)
class OutputEvent(ServerEnvelope):
    """What every event about one output item of an answer carries."""

    response_id: str
    item_id: str
    output_index: int


@attrs.frozen(kw_only=True)
class ContentEvent(OutputEvent):
    """What every event about one content part of an output item carries."""

    content_index: int


@attrs.frozen(kw_only=True)
class McpCallEvent(ServerEnvelope):
    """What every event about the progress of an MCP call carries."""

    item_id: str
    output_index: int


@attrs.frozen(kw_only=True)
class ResponseCreated(ServerEnvelope):
    """An answer began."""

    response: Response
    type: Literal["response.created"] = "response.created"


@attrs.frozen(kw_only=True)
class ResponseDone(ServerEnvelope):
    """An answer ended, well or not: look at its `status`."""

    response: Response
    type: Literal["response.done"] = "response.done"


@attrs.frozen(kw_only=True)
class ResponseOutputItemAdded(ServerEnvelope):
    """An item of the answer began."""

    response_id: str
    output_index: int
    item: Item
    type: Literal["response.output_item.added"] = "response.output_item.added"


@attrs.frozen(kw_only=True)
class ResponseOutputItemDone(ServerEnvelope):
    """An item of the answer is finished; a function call may run now if its status is `completed`."""

    response_id: str
    output_index: int
    item: Item
    type: Literal["response.output_item.done"] = "response.output_item.done"


@attrs.frozen(kw_only=True)
class ResponseContentPartAdded(ContentEvent):
    """A part of an item began."""

    part: ContentPart
    type: Literal["response.content_part.added"] = "response.content_part.added"


@attrs.frozen(kw_only=True)
class ResponseContentPartDone(ContentEvent):
    """A part of an item is finished."""

    part: ContentPart
    type: Literal["response.content_part.done"] = "response.content_part.done"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDelta(ContentEvent):
    """Sound of the model, any length, in the session's output format; faster than real time."""

    delta: bytes
    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDone(ContentEvent):
    """All sound of this part was sent."""

    type: Literal["response.output_audio.done"] = "response.output_audio.done"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDelta(ContentEvent):
    """Some of the words of the sound."""

    delta: str
    type: Literal["response.output_audio_transcript.delta"] = "response.output_audio_transcript.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDone(ContentEvent):
    """All the words of the sound."""

    transcript: str
    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"


@attrs.frozen(kw_only=True)
class ResponseOutputTextDelta(ContentEvent):
    """Some text."""

    delta: str
    type: Literal["response.output_text.delta"] = "response.output_text.delta"


@attrs.frozen(kw_only=True)
class ResponseOutputTextDone(ContentEvent):
    """All the text of this part."""

    text: str
    type: Literal["response.output_text.done"] = "response.output_text.done"


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDelta(OutputEvent):
    """Some of the arguments of a function call."""

    call_id: str
    delta: str
    type: Literal["response.function_call_arguments.delta"] = "response.function_call_arguments.delta"


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDone(OutputEvent):
    """All arguments of a function call, JSON in a string."""

    call_id: str
    arguments: str
    name: str | None = None
    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDelta(OutputEvent):
    """Some of the arguments of an MCP call."""

    delta: str
    obfuscation: str | None = None
    type: Literal["response.mcp_call_arguments.delta"] = "response.mcp_call_arguments.delta"


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDone(OutputEvent):
    """All arguments of an MCP call."""

    arguments: str
    type: Literal["response.mcp_call_arguments.done"] = "response.mcp_call_arguments.done"


@attrs.frozen(kw_only=True)
class ResponseMcpCallInProgress(McpCallEvent):
    """The service is calling an MCP tool."""

    type: Literal["response.mcp_call.in_progress"] = "response.mcp_call.in_progress"


@attrs.frozen(kw_only=True)
class ResponseMcpCallCompleted(McpCallEvent):
    """The MCP tool answered."""

    type: Literal["response.mcp_call.completed"] = "response.mcp_call.completed"


@attrs.frozen(kw_only=True)
class ResponseMcpCallFailed(McpCallEvent):
    """The MCP tool failed."""

    type: Literal["response.mcp_call.failed"] = "response.mcp_call.failed"


@attrs.frozen(kw_only=True)
class McpListToolsInProgress(ServerEnvelope):
    """The service is asking an MCP server for its tools."""

    item_id: str
    type: Literal["mcp_list_tools.in_progress"] = "mcp_list_tools.in_progress"


@attrs.frozen(kw_only=True)
class McpListToolsCompleted(ServerEnvelope):
    """The MCP server named its tools."""

    item_id: str
    type: Literal["mcp_list_tools.completed"] = "mcp_list_tools.completed"


@attrs.frozen(kw_only=True)
class McpListToolsFailed(ServerEnvelope):
    """The MCP server did not name its tools."""

    item_id: str
    type: Literal["mcp_list_tools.failed"] = "mcp_list_tools.failed"


@attrs.frozen(kw_only=True)
class OutputAudioBufferStarted(ServerEnvelope):
    """Playout of an answer began. WebRTC and SIP only."""

    response_id: str
    type: Literal["output_audio_buffer.started"] = "output_audio_buffer.started"


@attrs.frozen(kw_only=True)
class OutputAudioBufferStopped(ServerEnvelope):
    """Playout of an answer ended. WebRTC and SIP only."""

    response_id: str
    type: Literal["output_audio_buffer.stopped"] = "output_audio_buffer.stopped"


@attrs.frozen(kw_only=True)
class OutputAudioBufferCleared(ServerEnvelope):
    """Playout of an answer was cut. WebRTC and SIP only."""

    response_id: str
    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"
