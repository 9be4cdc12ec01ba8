"""Bearer tokens: which are recognised, and that no header makes the comparison fail."""

import pytest

from opusagent.net.auth import BearerTokens

TOKENS = BearerTokens(["the old token", "the-new-token"])


@pytest.mark.parametrize("header", ["Bearer the-new-token", "bearer the-new-token", "  Bearer   the-new-token  "])
def test_a_token_is_recognised_however_its_scheme_is_written(header: str) -> None:
    assert TOKENS.recognise(header) is not None


def test_several_tokens_are_right_at_once_and_told_apart() -> None:
    """A resume must show the token that its call came with, so they have names; the names are not the tokens."""
    old, new = TOKENS.recognise("Bearer the old token"), TOKENS.recognise("Bearer the-new-token")
    assert old is not None
    assert new is not None
    assert old != new
    assert "token" not in old + new


NOT_OURS = {
    "none": None,
    "empty": "",
    "scheme": "Bearer",
    "blank": "Bearer ",
    "bare": "the-new-token",
    "basic": "Basic the-new-token",
    "nearly": "Bearer the-new-tokem",
    "not ascii": "Bearer \u00fcber",
    "surrogate": "Bearer \ud800",
    "twice": "Bearer the-new-token, Bearer the-new-token",
    "huge": "Bearer " + "x" * 100_000,
}


@pytest.mark.parametrize("header", NOT_OURS.values(), ids=NOT_OURS)
def test_anything_else_is_not(header: str | None) -> None:
    assert TOKENS.recognise(header) is None


def test_without_tokens_nobody_is_recognised() -> None:
    assert BearerTokens([]).recognise("Bearer ") is None
