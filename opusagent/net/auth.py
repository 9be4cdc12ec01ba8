"""Whether a peer may come in: bearer tokens, compared so that time tells nothing (RFC 6750)."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

_SCHEME: Final = "bearer"


class BearerTokens:
    """Several tokens, any of which is right: a new one is added before the old one is taken away."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._digests: Final = tuple(_digest(token) for token in tokens)

    def recognise(self, authorization: str | None) -> str | None:
        """A name for the token in an `Authorization` header, which is not the token; None if it is none of ours.

        Digests are compared, and all of them always: neither a token's length nor its place shows in the time.

        >>> BearerTokens(["old", "new"]).recognise("Bearer nwe") is None
        True
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        given = _digest(token.strip())
        matches = [hmac.compare_digest(given, ours) for ours in self._digests]
        return given.hex() if any(matches) and scheme.lower() == _SCHEME else None


def _digest(token: str) -> bytes:
    # What a header may hold is Latin-1 or worse; no token is refused by an exception.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
