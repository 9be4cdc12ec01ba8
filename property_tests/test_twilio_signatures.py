"""Signatures of Twilio's: what is signed is believed, and nothing that differs from it in anything."""

import base64
import hashlib
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from opusagent.platforms.twilio_signature import (
    BadSignature,
    Hash,
    SharedKey,
    SignedRequest,
    TwilioKeys,
    fault_of,
    signature_of,
    signed_urls,
)
from opusagent.secret import Secret

KEYS = TwilioKeys((Secret("the token now"), Secret("the token next")), (SharedKey("WK1", Secret("a shared key")),))
SETTINGS = "key=WK1,algorithm=HMAC_SHA256"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
fields = st.lists(st.tuples(text, text), max_size=8)
urls = text.map(lambda path: f"https://voice.example.net/{path}")


def plainly(key: str, url: str, form: Sequence[tuple[str, str]], algorithm: str) -> str:
    """Twilio's description, word by word: each name in order, each of its distinct values in order."""
    told = url
    for name in sorted({name for name, _ in form}):
        for value in sorted({value for each, value in form if each == name}):
            told += name + value
    block = key.encode().ljust(64, b"\0")
    inner = hashlib.new(algorithm, bytes(byte ^ 0x36 for byte in block) + told.encode()).digest()  # RFC 2104
    return base64.b64encode(hashlib.new(algorithm, bytes(byte ^ 0x5C for byte in block) + inner).digest()).decode()


@given(urls, fields, st.sampled_from(["sha1", "sha256"]))
def test_it_is_what_the_description_says(url: str, form: list[tuple[str, str]], algorithm: Hash) -> None:
    assert signature_of("12345", url, form, algorithm) == plainly("12345", url, form, algorithm)


@given(urls, fields, st.sampled_from(KEYS.auth_tokens), st.randoms(use_true_random=False))
def test_any_of_the_tokens_is_believed_in_whatever_order_the_form_comes(
    url: str, form: list[tuple[str, str]], token: Secret, order: random.Random
) -> None:
    signature = plainly(token.reveal(), url, form, "sha1")
    order.shuffle(form)
    assert fault_of(SignedRequest(("https://elsewhere/", url), tuple(form), signature), KEYS) is None


@given(urls, fields, st.sampled_from(["HMAC_SHA1", "HMAC_SHA256"]))
def test_a_shared_key_is_believed_by_its_name_and_hash_and_not_without(
    url: str, form: list[tuple[str, str]], algorithm: str
) -> None:
    signature = plainly("a shared key", url, form, algorithm.removeprefix("HMAC_").lower())
    named = SignedRequest((url,), tuple(form), signature, f"key=WK1,algorithm={algorithm}")
    other = SignedRequest((url,), tuple(form), signature, f"key=WK2,algorithm={algorithm}")
    unnamed = SignedRequest((url,), tuple(form), signature)
    assert [fault_of(each, KEYS) for each in (named, other, unnamed)] == [None, BadSignature.WRONG, BadSignature.WRONG]


@given(urls, fields, urls, fields)
def test_another_address_or_form_is_not_believed(
    url: str, form: list[tuple[str, str]], other_url: str, other_form: list[tuple[str, str]]
) -> None:
    signature = signature_of("the token now", url, form)
    told, other = (plainly("x", url, form, "sha1"), plainly("x", other_url, other_form, "sha1"))
    fault = fault_of(SignedRequest((other_url,), tuple(other_form), signature), KEYS)
    assert (fault is None) == (told == other)


@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text(), st.just(SETTINGS)))
def test_whatever_else_is_shown_is_refused_and_never_an_exception(signature: str | None, settings: str | None) -> None:
    fault = fault_of(SignedRequest(("wss://voice.example.net/media",), (), signature, settings), KEYS)
    assert fault is (BadSignature.WRONG if signature else BadSignature.MISSING)


@given(st.one_of(st.none(), st.just(SETTINGS)), text)
def test_without_keys_nobody_is_believed(settings: str | None, url: str) -> None:
    assert fault_of(SignedRequest((url,), (), signature_of("", url, ()), settings), TwilioKeys()) is BadSignature.WRONG


def test_an_address_may_be_written_with_its_port_or_without() -> None:
    assert signed_urls("https://a.example/phones/", "/media", websocket=True) == (
        "wss://a.example/phones/media",
        "wss://a.example:443/phones/media",
        "https://a.example/phones/media",
        "https://a.example:443/phones/media",
    )
    assert signed_urls("http://[::1]:8080", "/voice?a=%20b", websocket=False) == (
        "http://[::1]:8080/voice?a=%20b",
        "http://[::1]/voice?a=%20b",
    )
