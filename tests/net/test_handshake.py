"""The opening handshake as a pure machine."""

import pytest

from opusagent.errors import PeerRefused
from opusagent.net.handshake import Endpoint, Greeting
from opusagent.testing.raw import TEXT, frame, switching_protocols


@pytest.mark.parametrize(
    ("url", "endpoint", "authority"),
    [
        ("ws://a", Endpoint("a", 80, "/", tls=False), "a"),
        ("ws://A:8080/x?y=z#f", Endpoint("a", 8080, "/x?y=z", tls=False), "a:8080"),
        ("wss://a:443/", Endpoint("a", 443, "/", tls=True), "a"),
        ("wss://a:80/", Endpoint("a", 80, "/", tls=True), "a:80"),
        ("ws://[::1]:9/", Endpoint("::1", 9, "/", tls=False), "[::1]:9"),
    ],
)
def test_a_url_says_where_and_what_to_ask_for(url: str, endpoint: Endpoint, authority: str) -> None:
    assert Endpoint.parse(url) == endpoint
    assert endpoint.authority == authority


def test_a_greeting_is_a_websocket_request_with_our_headers() -> None:
    greeting = Greeting.to(Endpoint.parse("wss://a/v1?model=m"), [("Authorization", "Bearer key")])
    lines = greeting.request.split(b"\r\n")
    assert lines[0] == b"GET /v1?model=m HTTP/1.1"
    assert {b"Host: a", b"Upgrade: websocket", b"Connection: Upgrade", b"Authorization: Bearer key"} <= set(lines)
    assert not [line for line in lines if line.lower().startswith(b"sec-websocket-extensions")]


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_an_answer_is_taken_in_any_cuts_and_what_is_glued_behind_it_kept(cut: int) -> None:
    greeting = Greeting.to(Endpoint.parse("ws://a/"), [])
    answer = switching_protocols(greeting.request)
    for at in range(0, len(answer), cut):
        assert not greeting.settled
        greeting.feed(answer[at : at + cut] + (frame(TEXT, b"glued", masked=False) if at + cut >= len(answer) else b""))
    assert greeting.settled
    assert greeting.verdict() == frame(TEXT, b"glued", masked=False)


def test_an_extension_that_was_not_offered_is_refused() -> None:
    greeting = Greeting.to(Endpoint.parse("ws://a/"), [])
    answer = switching_protocols(greeting.request)[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    with pytest.raises(PeerRefused, match="unrecognized extension permessage-deflate"):
        greeting.feed(answer)


def test_what_is_said_of_a_refusal_is_bounded_and_printable() -> None:
    greeting = Greeting.to(Endpoint.parse("ws://a/"), [])
    greeting.feed(b"HTTP/1.1 500 X\r\nContent-Length: 100000\r\n\r\n" + b"\x1b\xff\n" * 3000)
    assert greeting.settled
    with pytest.raises(PeerRefused) as refused:
        greeting.verdict()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 4096
