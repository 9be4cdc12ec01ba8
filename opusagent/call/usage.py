"""What a call costs: tokens by kind, as the service counts them, times the prices of the configuration.

Cached tokens are part of the input tokens, not beside them. Everything that the service leaves out counts as zero, so a
cost is never more than what was used (OpenAI Realtime, `response.done` usage; prices per million tokens).
"""

from datetime import date
from typing import Final

import attrs

from opusagent.realtime.events import Usage

MILLION: Final = 1_000_000


@attrs.frozen
class Prices:
    """US dollars per million tokens, and when they were looked up. The defaults are gpt-realtime-2.1's."""

    text_in: float = 4.0
    text_cached: float = 0.4
    text_out: float = 24.0
    audio_in: float = 32.0
    audio_cached: float = 0.4
    audio_out: float = 64.0
    as_of: date = date(2026, 11, 22)


@attrs.frozen
class Tokens:
    """Tokens by kind; `text_in` and `audio_in` without what was cached."""

    text_in: int = 0
    text_cached: int = 0
    text_out: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    audio_out: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(attrs.astuple(self))

    def __add__(self, other: "Tokens") -> "Tokens":
        """Kind by kind."""
        return Tokens(*(mine + theirs for mine, theirs in zip(attrs.astuple(self), attrs.astuple(other), strict=True)))

    def cost(self, prices: Prices) -> float:
        """In US dollars.

        >>> Tokens(audio_in=1_000_000, audio_out=500_000).cost(Prices())
        64.0
        """
        return (
            self.text_in * prices.text_in
            + self.text_cached * prices.text_cached
            + self.text_out * prices.text_out
            + self.audio_in * prices.audio_in
            + self.audio_cached * prices.audio_cached
            + self.audio_out * prices.audio_out
        ) / MILLION


def tokens_of(usage: Usage | None) -> Tokens:
    """The tokens of one response."""
    if usage is None:
        return Tokens()
    given, made = usage.input_token_details, usage.output_token_details
    cached = given.cached_tokens_details if given else None
    text_cached = (cached.text_tokens if cached else None) or 0
    audio_cached = (cached.audio_tokens if cached else None) or 0
    return Tokens(
        text_in=max(0, ((given.text_tokens if given else None) or 0) - text_cached),
        text_cached=text_cached,
        text_out=(made.text_tokens if made else None) or 0,
        audio_in=max(0, ((given.audio_tokens if given else None) or 0) - audio_cached),
        audio_cached=audio_cached,
        audio_out=(made.audio_tokens if made else None) or 0,
    )
