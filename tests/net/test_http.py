"""HTTP on the port: requests come complete, answers are what the site said, connections are kept or closed rightly."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.errors import LocalProtocolError
from opusagent.net.http import Request, Response, Upgrade, converse
from opusagent.net.limits import HttpLimits
from opusagent.net.message_socket import MessageSocket
from opusagent.testing.raw import TEXT, UPGRADE_REQUEST, close_frame, frame, read_to_end, read_until
from opusagent.testing.streams import MemoryStream, stream_pair

LIMITS = HttpLimits()

Answer = Callable[[Request], Awaitable[Response | Upgrade]]


async def hello(request: Request) -> Response | Upgrade:
    await trio.lowlevel.checkpoint()
    return Response(body=f"{request.method} {request.path}\n".encode())


@define
class Scripted:
    """A site that notes what it is asked."""

    script: Answer = hello
    asked: list[Request] = field(factory=list[Request])

    async def answer(self, request: Request) -> Response | Upgrade:
        self.asked.append(request)
        return await self.script(request)


@asynccontextmanager
async def a_connection(site: Scripted) -> AsyncGenerator[MemoryStream]:
    """One connection to `site`; afterwards the conversation must have ended by itself."""
    client, server = stream_pair()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await converse(server, "192.0.2.7", site, LIMITS, lambda: None)
        await server.aclose()

    async with trio.open_nursery() as house:
        await house.start(serve)
        yield client
        with trio.fail_after(LIMITS.idle_seconds + LIMITS.linger_seconds):
            await client.aclose()


def plain(body: bytes, status: bytes = b"200 ", extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % (status, len(body))
    return head + extra + b"\r\n" + body


async def test_a_request_comes_complete(autojump_clock: MockClock) -> None:
    """Method, path, query as written, headers in lower case, the body, and who asks."""
    site = Scripted()
    async with a_connection(site) as client:
        await client.send_all(
            b"POST /twilio/voice?a=%20b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 6\r\n\r\nfoo"
        )
        await trio.sleep(1)
        await client.send_all(b"bar")
        assert await read_until(client, b"voice\n") == plain(b"POST /twilio/voice\n")
    headers = (("host", "h"), ("x-a", "1"), ("x-a", "2"), ("content-length", "6"))
    assert site.asked == [Request("POST", "/twilio/voice", "a=%20b", headers, b"foobar", "192.0.2.7")]
    assert site.asked[0].values("X-A") == ("1", "2")
    assert site.asked[0].header("absent") is None


async def test_a_connection_is_kept_and_requests_may_queue_on_it(autojump_clock: MockClock) -> None:
    async with a_connection(Scripted()) as client:
        await client.send_all(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await read_until(client, b"/2\n") == plain(b"GET /1\n") + plain(b"GET /2\n")
        await trio.sleep(LIMITS.idle_seconds - 1)
        await client.send_all(b"GET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await read_until(client, b"/3\n") == plain(b"GET /3\n")


async def test_an_idle_connection_is_closed(autojump_clock: MockClock) -> None:
    async with a_connection(Scripted()) as client:
        await client.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await read_until(client, b"/\n")
        begin = trio.current_time()
        assert await read_to_end(client) == b""
        assert trio.current_time() - begin == LIMITS.idle_seconds


async def test_a_client_that_asks_for_it_is_closed_on(autojump_clock: MockClock) -> None:
    async with a_connection(Scripted()) as client:
        await client.send_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert await read_to_end(client) == plain(b"GET /\n", extra=b"Connection: close\r\n")


async def test_head_has_the_headers_of_get_and_no_body(autojump_clock: MockClock) -> None:
    async with a_connection(Scripted()) as client:
        await client.send_all(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert await read_to_end(client) == plain(b"HEAD /\n", extra=b"Connection: close\r\n").removesuffix(b"HEAD /\n")


async def test_a_client_that_waits_to_be_let_on_is_let_on(autojump_clock: MockClock) -> None:
    """Expect: 100-continue (RFC 9110 section 10.1.1)."""
    async with a_connection(Scripted()) as client:
        await client.send_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        await client.send_all(b"hi")
        assert await read_until(client, b"/\n") == plain(b"POST /\n")


async def test_a_body_that_would_be_too_large_is_refused_before_it_is_sent(autojump_clock: MockClock) -> None:
    site = Scripted()
    async with a_connection(site) as client:
        await client.send_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n")
        refusal = plain(b"a body of more than 65536 bytes\n", b"413 ", b"connection: close\r\n")
        assert await read_to_end(client) == refusal
    assert site.asked == []


async def test_the_largest_body_is_taken(autojump_clock: MockClock) -> None:
    site = Scripted()
    async with a_connection(site) as client, trio.open_nursery() as sender:
        body = b"x" * LIMITS.body_bytes
        sender.start_soon(client.send_all, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n" + body)
        await read_until(client, b"/\n")
    assert site.asked[0].body == body


async def test_an_upgrade_that_the_site_refuses_is_answered_in_http(autojump_clock: MockClock) -> None:
    """And what the client glued behind it is not taken for a request."""

    async def refuse(request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        return Response(403, b"no\n") if request.wants_websocket else Response()

    site = Scripted(refuse)
    async with a_connection(site) as client:
        await client.send_all(UPGRADE_REQUEST + frame(TEXT, b"GET / HTTP/1.1\r\n\r\n"))
        assert await read_to_end(client) == plain(b"no\n", b"403 ", b"connection: close\r\n")
    assert [asked.path for asked in site.asked] == ["/echo"]


async def test_an_upgrade_granted_to_a_plain_request_is_answered_in_http(autojump_clock: MockClock) -> None:
    async def grant(_request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        return Upgrade(idle)

    async with a_connection(Scripted(grant)) as client:
        await client.send_all(b"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = await read_to_end(client)
        assert answer == plain(b"Missing header, 'Connection: Upgrade'\n", b"400 ", b"connection: close\r\n")


async def idle(_socket: MessageSocket) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    "failure",
    [KeyError("a bug"), LocalProtocolError("also one")],
)
async def test_a_bug_of_the_site_is_500_and_comes_out(failure: Exception, autojump_clock: MockClock) -> None:
    async def fail(_request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        raise failure

    client, server = stream_pair()
    await client.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises(type(failure)):
        await converse(server, "", Scripted(fail), LIMITS, lambda: None)
    await server.aclose()
    assert await read_to_end(client) == plain(b"internal error\n", b"500 ", b"connection: close\r\n")


@pytest.mark.parametrize(
    "bad",
    [Response(headers=(("x", "a\r\nb"),)), Response(headers=(("a b", "c"),)), Response(99), Response(204, b"but")],
)
async def test_an_answer_that_is_no_http_is_our_own_fault(bad: Response, autojump_clock: MockClock) -> None:
    async def blunder(_request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        return bad

    client, server = stream_pair()
    await client.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises(LocalProtocolError, match="the site's answer is not HTTP"):
        await converse(server, "", Scripted(blunder), LIMITS, lambda: None)
    await server.aclose()
    assert await read_to_end(client) in {plain(b"internal error\n", b"500 ", b"connection: close\r\n"), b""}


async def test_a_site_that_does_not_decide_is_503(autojump_clock: MockClock) -> None:
    async def dither(_request: Request) -> Response | Upgrade:
        await trio.sleep(3600)
        return Response()

    with capture_logs() as logs:
        async with a_connection(Scripted(dither)) as client:
            await client.send_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_until(client, b"busy\n") == plain(b"busy\n", b"503 ", b"retry-after: 1\r\n")
    assert [entry["event"] for entry in logs] == ["the site did not answer in time"]


async def test_a_cancelled_call_still_closes_its_socket_in_order(autojump_clock: MockClock) -> None:
    """Cancellation reaches the work first, and the plumbing when the peer has had its close frame."""
    client, server = stream_pair()

    async def grant(_request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        return Upgrade(idle)

    async with trio.open_nursery() as house:
        house.start_soon(converse, server, "", Scripted(grant), LIMITS, lambda: None)
        await client.send_all(UPGRADE_REQUEST)
        await read_until(client, b"\r\n\r\n")
        house.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            assert await read_until(client, close_frame(1001, masked=False)) == close_frame(1001, masked=False)
            await client.send_all(close_frame(1001))
            assert await read_to_end(client) == b""
