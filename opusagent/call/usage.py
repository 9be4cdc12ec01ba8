"""What a call costs: tokens by kind, as the service counts them, times the prices of the configuration.

Cached tokens are part of the input tokens, not beside them. Everything that the service leaves out counts as zero, so a
cost is never more than what was used (OpenAI Realtime, `response.done` usage; prices per million tokens). What callers
say is written down by another model, which is charged apart, by its tokens or by the length of what it heard.
"""

import math
from datetime import date
from typing import Final

import attrs

from opusagent.realtime.events import TranscriptionUsage, Usage
from opusagent.realtime.responses import CachedTokens, InputTokens, OutputTokens

MILLION: Final = 1_000_000


@attrs.frozen
class Prices:
    """US dollars per million tokens, and when they were looked up. The defaults are gpt-realtime-2.1's.

    `transcribed_in`, `transcribed_out`: what writes down callers' words, by default gpt-4o-transcribe's; for models
    that are charged by time, `transcribed_minute` is dollars per minute, by default gpt-realtime-whisper's.
    """

    text_in: float = 4.0
    text_cached: float = 0.4
    text_out: float = 24.0
    audio_in: float = 32.0
    audio_cached: float = 0.4
    audio_out: float = 64.0
    transcribed_in: float = 6.0
    transcribed_out: float = 10.0
    transcribed_minute: float = 0.017
    as_of: date = date(2026, 11, 22)


@attrs.frozen
class Tokens:
    """Tokens by kind; `text_in` and `audio_in` without what was cached.

    `transcribed_*` is what writing down the caller's words took; `transcribed_seconds`, which are no tokens, where
    that is charged by time.
    """

    text_in: int = 0
    text_cached: int = 0
    text_out: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    audio_out: int = 0
    transcribed_in: int = 0
    transcribed_out: int = 0
    transcribed_seconds: float = 0.0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(attrs.astuple(attrs.evolve(self, transcribed_seconds=0)))

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
            + self.transcribed_in * prices.transcribed_in
            + self.transcribed_out * prices.transcribed_out
        ) / MILLION + self.transcribed_seconds * prices.transcribed_minute / 60


def transcribed(usage: TranscriptionUsage | None) -> Tokens:
    """What writing down one utterance took. A service that counts less than nothing gives nobody money back."""
    if usage is None:
        return Tokens()
    seconds = usage.seconds or 0.0
    return Tokens(
        transcribed_in=_counted(usage.input_tokens),
        transcribed_out=_counted(usage.output_tokens),
        transcribed_seconds=seconds if 0 < seconds < math.inf else 0.0,
    )


def tokens_of(usage: Usage | None) -> Tokens:
    """The tokens of one response."""
    if usage is None:
        return Tokens()
    given, made = usage.input_token_details or InputTokens(), usage.output_token_details or OutputTokens()
    cached = given.cached_tokens_details or CachedTokens()
    text_cached, audio_cached = _counted(cached.text_tokens), _counted(cached.audio_tokens)
    return Tokens(
        text_in=max(0, _counted(given.text_tokens) - text_cached),
        text_cached=text_cached,
        text_out=_counted(made.text_tokens),
        audio_in=max(0, _counted(given.audio_tokens) - audio_cached),
        audio_cached=audio_cached,
        audio_out=_counted(made.audio_tokens),
    )


def _counted(tokens: int | None) -> int:
    return max(0, tokens or 0)
