"""What a conversation is made of: items, their content, and the errors that speak of them.

One permissive class for each thing, because the service adds kinds of item and of content without notice. Fields are
named as on the wire; what a kind does not have is None and is left off when written (OpenAI Realtime, GA shape).
"""

from collections.abc import Mapping
from typing import TypeAlias

import attrs

JsonObject: TypeAlias = Mapping[str, object]
"""A free-form JSON object: tool schemas, MCP errors, traces. Nothing in the call path looks inside."""


@attrs.frozen(kw_only=True)
class ContentPart:
    """One part of a message.

    `type`: `input_text`, `input_audio`, `input_image`, `output_text`, `output_audio`; in `response.content_part.*`
    `text` or `audio`. `audio` is in the session's format, base64 only on the wire.
    """

    type: str
    text: str | None = None
    audio: bytes | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None


@attrs.frozen(kw_only=True)
class Item:
    """One item of the conversation: a message, a function call or its output, an MCP step, or a reference to one.

    `type`: `message`, `function_call`, `function_call_output`, `item_reference`, `mcp_list_tools`, `mcp_call`,
    `mcp_approval_request`, `mcp_approval_response`. `arguments` is JSON in a string, as the model wrote it.
    """

    type: str
    id: str | None = None
    object: str | None = None
    status: str | None = None
    role: str | None = None
    content: tuple[ContentPart, ...] = ()
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    tools: tuple[JsonObject, ...] | None = None
    error: JsonObject | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None


@attrs.frozen(kw_only=True)
class Conversation:
    """The conversation that a session opened."""

    id: str | None = None
    object: str | None = None


@attrs.frozen(kw_only=True)
class ErrorDetail:
    """What went wrong. `event_id` is that of the client event which caused it."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


@attrs.frozen(kw_only=True)
class RateLimit:
    """One allowance (`requests` or `tokens`) and when it is whole again."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None
