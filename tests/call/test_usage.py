"""Tokens by kind, and what they cost."""

import math

from opusagent.call.usage import Prices, Tokens, tokens_of, transcribed
from opusagent.realtime.events import TranscriptionUsage, Usage
from opusagent.realtime.responses import CachedTokens, InputTokens, OutputTokens


def test_cached_tokens_are_part_of_the_input_and_counted_once() -> None:
    usage = Usage(
        total_tokens=1000,
        input_token_details=InputTokens(
            text_tokens=300,
            audio_tokens=500,
            cached_tokens=250,
            cached_tokens_details=CachedTokens(text_tokens=200, audio_tokens=50),
        ),
        output_token_details=OutputTokens(text_tokens=40, audio_tokens=160),
    )
    tokens = Tokens(text_in=100, text_cached=200, text_out=40, audio_in=450, audio_cached=50, audio_out=160)
    assert tokens_of(usage) == tokens
    assert tokens.total == 1000


def test_what_the_service_leaves_out_counts_as_nothing() -> None:
    assert tokens_of(None) == Tokens()
    assert tokens_of(Usage(total_tokens=5)) == Tokens()
    assert tokens_of(Usage(input_token_details=InputTokens(text_tokens=7))) == Tokens(text_in=7)


def test_a_service_that_counts_wrong_gives_nobody_money_back() -> None:
    """More cached than there was: nothing negative."""
    cached = InputTokens(text_tokens=5, cached_tokens_details=CachedTokens(text_tokens=9))
    assert tokens_of(Usage(input_token_details=cached)) == Tokens(text_cached=9)


def test_a_service_that_counts_less_than_nothing_gives_none_back_either() -> None:
    usage = Usage(
        input_token_details=InputTokens(text_tokens=-5, cached_tokens_details=CachedTokens(text_tokens=-7)),
        output_token_details=OutputTokens(text_tokens=-1, audio_tokens=-1),
    )
    assert tokens_of(usage) == Tokens()


def test_tokens_add_up_kind_by_kind() -> None:
    one, two = Tokens(1, 2, 3, 4, 5, 6, 7, 8, 9.5), Tokens(10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert one + two == Tokens(11, 22, 33, 44, 55, 66, 77, 88, 99.5)
    assert one.total == 36


def test_each_kind_has_its_price_per_million() -> None:
    """The defaults are gpt-realtime-2.1's."""
    million = 1_000_000
    kinds = ["text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out"]
    kinds += ["transcribed_in", "transcribed_out"]
    costs = [Tokens(**{kind: million}).cost(Prices()) for kind in kinds]
    assert costs == [4.0, 0.4, 24.0, 32.0, 0.4, 64.0, 6.0, 10.0]
    assert round(Tokens(transcribed_seconds=90).cost(Prices()), 9) == 0.0255


def test_what_a_transcription_took_is_counted_apart() -> None:
    """By tokens or by time, as the service charges it; nonsense counts as nothing."""
    tokens = TranscriptionUsage(type="tokens", total_tokens=30, input_tokens=20, output_tokens=10)
    assert transcribed(tokens) == Tokens(transcribed_in=20, transcribed_out=10)
    assert transcribed(TranscriptionUsage(type="duration", seconds=1.5)) == Tokens(transcribed_seconds=1.5)
    nonsense = TranscriptionUsage(type="x", input_tokens=-1, output_tokens=None, seconds=-math.inf)
    assert (transcribed(nonsense), transcribed(None)) == (Tokens(), Tokens())
