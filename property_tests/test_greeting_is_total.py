"""For all bytes that a server answers, in any cuts: a greeting is accepted, refused in our words, or still waits."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.errors import PeerRefused
from opusagent.net.handshake import Endpoint, Greeting

heads = st.sampled_from(
    [
        b"",
        b"HTTP/1.1 101 S\r\n",
        b"HTTP/1.1 401 No\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
    ]
)
known = st.sampled_from(
    [b"Upgrade: websocket", b"Connection: Upgrade", b"Connection: \xff", b"Content-Length: 3", b""],
)
lines = st.lists(st.one_of(st.binary(max_size=30), known)).map(b"\r\n".join)


def outcome(answer: bytes, cut: int) -> str:
    """Nothing for a connection, or the words of its refusal. Whatever else is raised comes out."""
    greeting = Greeting.to(Endpoint.parse("ws://a/"), [])
    try:
        for at in range(0, len(answer), cut):
            if not greeting.settled:
                greeting.feed(answer[at : at + cut])
        if not greeting.settled:
            greeting.feed(b"")
        greeting.verdict()
    except PeerRefused as refused:
        return str(refused)
    return ""


@given(heads, lines, st.binary(max_size=50), st.integers(1, 200))
def test_any_answer(head: bytes, rest: bytes, body: bytes, cut: int) -> None:
    """None of these holds the accept key, so each is refused, and the words begin with who refused."""
    assert outcome(head + rest + b"\r\n\r\n" + body, cut).startswith("a ")
