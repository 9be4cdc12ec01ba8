"""What the model answered and what it cost.

A response whose `status` is `failed` is not announced by an `error` event: `status_details` is where it is told.
"""

from collections.abc import Mapping

import attrs

from opusagent.realtime.items import ErrorDetail, Item
from opusagent.realtime.sessions import ResponseAudio


@attrs.frozen(kw_only=True)
class CachedTokens:
    """How the cached part of the input divides."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


@attrs.frozen(kw_only=True)
class InputTokens:
    """How the input divides. `cached_tokens` is a subset of the others."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


@attrs.frozen(kw_only=True)
class OutputTokens:
    """How the output divides."""

    text_tokens: int | None = None
    audio_tokens: int | None = None


@attrs.frozen(kw_only=True)
class Usage:
    """What one response used. The whole conversation is charged again as input each time."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


@attrs.frozen(kw_only=True)
class TranscriptionUsage:
    """What writing down one utterance used: `tokens` (counts) or `duration` (seconds)."""

    type: str
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class StatusDetails:
    """Why a response ended as it did.

    `reason`: `turn_detected`, `client_cancelled`, `max_output_tokens` or `content_filter`.
    """

    type: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


@attrs.frozen(kw_only=True)
class Response:
    """One answer of the model, without its audio.

    `status`: `in_progress`, `completed`, `cancelled`, `failed` or `incomplete`. `conversation_id` is None if it was
    out of band.
    """

    id: str
    status: str | None = None
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] = ()
    usage: Usage | None = None
    object: str | None = None
    conversation_id: str | None = None
    output_modalities: tuple[str, ...] | None = None
    audio: ResponseAudio | None = None
    max_output_tokens: int | str | None = None
    metadata: Mapping[str, str] | None = None
