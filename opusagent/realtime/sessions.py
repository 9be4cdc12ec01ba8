"""The settings of a session and of one response.

Present fields are merged by the service and absent ones keep their value. Where null clears a setting, the field's
default is `msgspec.UNSET` (absent) and None is written as null; everywhere else None means absent.
"""

from collections.abc import Mapping
from typing import TypeAlias

import attrs
from msgspec import UNSET, UnsetType

from opusagent.realtime.items import Item, JsonObject
from opusagent.wire import SPREAD

ToolChoice: TypeAlias = str | JsonObject
"""`auto`, `none`, `required`, or an object that names a tool."""


@attrs.frozen(kw_only=True)
class AudioFormat:
    """`audio/pcm` with rate 24000, or `audio/pcmu` or `audio/pcma`, which must not carry a rate."""

    type: str
    rate: int | None = None


@attrs.frozen(kw_only=True)
class NoiseReduction:
    """`type`: `near_field` or `far_field`. `strength` 0.0 to 1.0."""

    type: str | None = None
    strength: float | None = None


@attrs.frozen(kw_only=True)
class Transcription:
    """How the caller's speech is written down. `language` is ISO 639-1."""

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    keywords: tuple[str, ...] | None = None
    prompt: str | None = None
    delay: str | None = None


@attrs.frozen(kw_only=True)
class TurnDetection:
    """Who decides that the caller has finished: `server_vad` (threshold and times) or `semantic_vad` (eagerness).

    The service's defaults: threshold 0.5, padding 300 ms, silence 500 ms, both switches on.
    """

    type: str
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


@attrs.frozen(kw_only=True)
class AudioInput:
    """The caller's audio. None switches a setting off; UNSET leaves it as it is."""

    format: AudioFormat | None = None
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


@attrs.frozen(kw_only=True)
class Voice:
    """A custom voice."""

    id: str


@attrs.frozen(kw_only=True)
class AudioOutput:
    """The model's audio. `voice` is fixed after the first audio; `speed` 0.25 to 1.5."""

    format: AudioFormat | None = None
    voice: str | Voice | None = None
    speed: float | None = None


@attrs.frozen(kw_only=True)
class SessionAudio:
    """Both directions."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


@attrs.frozen(kw_only=True)
class Tool:
    """What the model may call: `function` (name, description, JSON Schema in `parameters`) or `mcp` (a server)."""

    type: str = "function"
    name: str | None = None
    description: str | None = None
    parameters: JsonObject | None = None
    server_label: str | None = None
    server_url: str | None = None
    server_description: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: str | None = None
    headers: Mapping[str, str] | None = None
    allowed_tools: tuple[str, ...] | JsonObject | None = None
    require_approval: str | JsonObject | None = None
    defer_loading: bool | None = None
    allowed_callers: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class Reasoning:
    """`effort`: minimal, low, medium, high or xhigh. Only for gpt-realtime-2 and later."""

    effort: str | None = None


@attrs.frozen(kw_only=True)
class TokenLimits:
    """How much of the context truncation may keep after the instructions, in tokens."""

    post_instructions: int | None = None


@attrs.frozen(kw_only=True)
class RetentionTruncation:
    """Cut the oldest items down to `retention_ratio` (0.0 to 1.0) of the limit."""

    retention_ratio: float
    token_limits: TokenLimits | None = None
    type: str = "retention_ratio"


@attrs.frozen(kw_only=True)
class Prompt:
    """A prompt stored at the service."""

    id: str
    version: str | None = None
    variables: JsonObject | None = None


@attrs.frozen(kw_only=True)
class Session:
    """The whole configuration. `type` is required by the service in every update, partial ones too.

    `id`, `object` and `expires_at` (epoch seconds) only come from the service; `model` is fixed at connect.
    """

    type: str = "realtime"
    id: str | None = None
    object: str | None = None
    expires_at: int | None = None
    model: str | None = None
    output_modalities: tuple[str, ...] | None = None
    instructions: str | None = None
    audio: SessionAudio | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | str | None = None
    truncation: str | RetentionTruncation | None = None
    tracing: str | JsonObject | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    include: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class SessionAndMore(Session):
    """Settings of which some have no names here: they are written beside and into the others, as they are."""

    beside: JsonObject = attrs.field(factory=dict[str, object], metadata={SPREAD: True})


@attrs.frozen(kw_only=True)
class ResponseAudio:
    """The audio of one response."""

    output: AudioOutput | None = None


@attrs.frozen(kw_only=True)
class ResponseOptions:
    """What `response.create` may say. Each field replaces the session's for this response alone.

    `conversation` is `auto` or `none` (out of band). An empty `input` is an empty context; None is the conversation.
    """

    conversation: str | None = None
    input: tuple[Item, ...] | None = None
    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    audio: ResponseAudio | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | str | None = None
    reasoning: Reasoning | None = None
    prompt: Prompt | None = None
    metadata: Mapping[str, str] | None = None
