"""Requests of ours: what is asked, what an answer may be, and that no server holds or fills us up."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.errors import (
    ConfigError,
    LocalProtocolError,
    OpusagentError,
    PeerGone,
    PeerRefused,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.client import (
    ClientLimits,
    ClientResponse,
    Exchange,
    HttpClient,
    Resolve,
    http_endpoint,
    system_resolver,
)
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import FrontDoor, open_listeners, serve
from opusagent.net.reach import Reach
from opusagent.testing.raw import read_until
from opusagent.testing.streams import MemoryStream, stream_pair

CERTIFICATE: Final = Path(__file__).parent / "tls" / "localhost.pem"
LIMITS: Final = ClientLimits(pause_seconds=0)
URL: Final = "http://hooks.example.net/"


async def answered(raw: bytes, limits: ClientLimits = LIMITS) -> ClientResponse:
    """What becomes of the answer `raw`, after which the server closes."""
    ours, theirs = stream_pair(1 << 22)
    await theirs.send_all(raw)
    await theirs.send_eof()
    return await Exchange.of(http_endpoint(URL), "GET", [], b"", limits).perform(ours)


async def test_what_is_asked(autojump_clock: MockClock) -> None:
    """To the letter: the body's length, no connection kept, nothing compressed, and the caller's headers."""
    ours, theirs = stream_pair()
    endpoint = http_endpoint("http://hooks.example.net:8080/a?b=%20c")
    exchange = Exchange.of(endpoint, "POST", [("X-Key", "k")], b"{}", LIMITS)
    async with trio.open_nursery() as peer:
        peer.start_soon(exchange.perform, ours)
        assert await read_until(theirs, b"{}") == (
            b"POST /a?b=%20c HTTP/1.1\r\nhost: hooks.example.net:8080\r\nX-Key: k\r\ncontent-length: 2\r\n"
            b"connection: close\r\naccept-encoding: identity\r\n\r\n{}"
        )
        await theirs.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        await theirs.aclose()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 204 No\r\n\r\n", ClientResponse(204, (), b"")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ClientResponse(200, (("content-length", "2"),), b"hi")),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", ClientResponse(200, (), b"until the end")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n",
            ClientResponse(200, (("transfer-encoding", "chunked"),), b"hi!"),
        ),
        (b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 500 No\r\n\r\n", ClientResponse(500, (), b"")),
        (b"HTTP/1.1 302 F\r\nLocation: http://a/\r\n\r\n", ClientResponse(302, (("location", "http://a/"),), b"")),
        (b"HTTP/1.1 200 OK\r\nX: \xe9\r\n\r\n", ClientResponse(200, (("x", "\u00e9"),), b"")),
    ],
)
async def test_answers_that_are_taken(raw: bytes, expected: ClientResponse, autojump_clock: MockClock) -> None:
    assert await answered(raw) == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "does not answer in HTTP"),
        (b"SSH-2.0-x\r\n", "does not answer in HTTP"),
        (b"\x00" * 100, "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "compresses its answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65_537, "answers with more than 65536 bytes"),
        (b"HTTP/1.1 100 Go\r\n\r\n" * 10_000, "answers with more than 147456 bytes in all"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"e" * 9_000 + b"\r\nx\r\n") * 20,
            "answers with more than 147456 bytes in all",
        ),
    ],
)
async def test_answers_that_are_none(raw: bytes, words: str, autojump_clock: MockClock) -> None:
    with pytest.raises(RemoteProtocolError) as broken:
        await answered(raw)
    assert str(broken.value).startswith(f"hooks.example.net {words}")


async def test_the_largest_body_is_taken(autojump_clock: MockClock) -> None:
    body = b"x" * LIMITS.body_bytes
    assert (await answered(b"HTTP/1.1 200 OK\r\n\r\n" + body)).body == body


async def test_a_reset_is_a_peer_that_left(autojump_clock: MockClock) -> None:
    ours, theirs = stream_pair()
    theirs.reset()
    with pytest.raises(PeerGone):
        await Exchange.of(http_endpoint(URL), "GET", [], b"", LIMITS).perform(ours)


@pytest.mark.parametrize("header", [("X-Key", "a\r\nb"), ("X Key", "a"), ("X-Key", "\u20ac"), ("\u00fc", "a")])
def test_a_header_that_cannot_be_sent_is_our_fault_and_not_shown(header: tuple[str, str]) -> None:
    with pytest.raises(LocalProtocolError) as wrong:
        Exchange.of(http_endpoint(URL), "GET", [header], b"", LIMITS)
    assert "a\r\nb" not in str(wrong.value)
    assert str(wrong.value).startswith("the request to hooks.example.net holds a character that HTTP forbids")


@pytest.mark.parametrize(
    "url",
    ["ftp://a/", "//a/", "http://", "http://u:p@a/", "http://a:x/", "http://a:99999/", "http://[::1", "http://\u00fc/"],
)
def test_what_is_no_url_to_ask(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be asked"):
        http_endpoint(url)


# Servers on loopback.


@define
class Scripted:
    """A site that notes what it is asked."""

    script: Callable[[Request], Response]
    asked: list[Request] = field(factory=list[Request])

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        return self.script(request)


def hello(request: Request) -> Response:
    return Response(body=f"{request.method} {request.path} {request.header('host')}".encode())


@asynccontextmanager
async def a_server(site: Scripted, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """The port on 127.0.0.1 that `site` is served at."""
    listeners = await open_listeners("127.0.0.1", 0, ssl_context=context)
    async with trio.open_nursery() as house:
        door: FrontDoor = await house.start(serve, listeners, site)
        yield door.port
        house.cancel_scope.cancel()


def at(*addresses: str) -> Resolve:
    """A resolver that knows one answer."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return addresses

    return resolve


async def ask(client: HttpClient, url: str, limits: ClientLimits = LIMITS) -> ClientResponse:
    return await client.request("GET", url, [], b"", limits, reach=Reach.PRIVATE)


async def test_a_name_is_resolved_once_and_the_address_is_asked_by_the_name() -> None:
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        asked.append((host, port))
        return ["127.0.0.1"]

    site = Scripted(hello)
    async with a_server(site) as port:
        response = await ask(HttpClient(resolve), f"http://hooks.example.net:{port}/x")
    assert (response.status, response.body) == (200, f"GET /x hooks.example.net:{port}".encode())
    assert asked == [("hooks.example.net", port)]


async def test_the_systems_resolver_knows_this_machine() -> None:
    assert set(await system_resolver()("localhost", 80)) <= {"127.0.0.1", "::1"}


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    site = Scripted(lambda _: Response(302, headers=(("location", "http://127.0.0.1/elsewhere"),)))
    async with a_server(site) as port:
        response = await ask(HttpClient(), f"http://127.0.0.1:{port}/")
    assert (response.status, response.header("Location")) == (302, "http://127.0.0.1/elsewhere")
    assert len(site.asked) == 1


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def certified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_https_goes_by_the_name_although_the_address_is_dialled() -> None:
    async with a_server(Scripted(hello), certified()) as port:
        client = HttpClient(at("127.0.0.1"), trusting())
        assert (await ask(client, f"https://localhost:{port}/")).body == f"GET / localhost:{port}".encode()
        with pytest.raises(PeerRefused, match=r"cannot be reached: .*certificate verify failed"):
            await ask(client, f"https://hooks.example.net:{port}/")
        with pytest.raises(PeerRefused, match=r"cannot be reached: .*certificate verify failed"):
            await ask(HttpClient(at("127.0.0.1")), f"https://localhost:{port}/")


async def test_plain_text_where_tls_is_expected_is_refused() -> None:
    async with a_server(Scripted(hello)) as port:
        with pytest.raises(PeerRefused, match="cannot be reached"):
            await ask(HttpClient(at("127.0.0.1"), trusting()), f"https://localhost:{port}/")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://127.0.0.1:{port}/", ()),
        ("http://localhost:{port}/", ("127.0.0.1",)),
        ("http://rebound.example.net:{port}/", ("8.8.8.8", "127.0.0.1")),
        ("http://mapped.example.net:{port}/", ("::ffff:127.0.0.1",)),
        ("http://[::ffff:127.0.0.1]:{port}/", ()),
        ("http://metadata.example.net:{port}/", ("169.254.169.254",)),
        ("http://169.254.169.254:{port}/", ()),
        ("http://zone.example.net:{port}/", ("fe80::1%lo",)),
        ("http://[fd00::1]:{port}/", ()),
    ],
)
async def test_what_is_not_the_internet_is_not_asked(url: str, addresses: tuple[str, ...]) -> None:
    """By name, by number, by a name with one good address, and with no packet sent."""
    site = Scripted(hello)
    async with a_server(site) as port:
        with pytest.raises(PeerRefused, match="where requests may not go"):
            await HttpClient(at(*addresses)).request("GET", url.format(port=port), [], b"", LIMITS)
    assert site.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "localhost"])
async def test_odd_ways_to_write_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(PeerRefused, match=r"is at (127\.0\.0\.1|::1), where requests may not go"):
        await HttpClient().request("GET", f"http://{host}:9/", [], b"", LIMITS)


async def test_a_name_without_addresses_is_refused() -> None:
    async def fail(_host: str, _port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        raise OSError("no such name")

    with pytest.raises(PeerRefused, match=r"^a\.example has no address$"):
        await ask(HttpClient(at()), "http://a.example/")
    with pytest.raises(PeerRefused, match=r"^a\.example has no address: no such name$"):
        await ask(HttpClient(fail), "http://a.example/")
    with pytest.raises(PeerRefused, match="has no address"):
        await ask(HttpClient(), f"http://{'a' * 64}.example/")


async def test_addresses_are_tried_one_after_the_other() -> None:
    """127.0.0.2 has nobody listening; 127.0.0.1 has."""
    async with a_server(Scripted(hello)) as port:
        response = await ask(HttpClient(at("127.0.0.2", "127.0.0.1")), f"http://a.example:{port}/")
    assert response.status == 200


async def test_nobody_there_is_refused_after_the_second_try() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listener.socket.getsockname()[1])
    await listener.aclose()
    with pytest.raises(PeerRefused, match=f"^127.0.0.1:{port} cannot be reached: "):
        await ask(HttpClient(), f"http://127.0.0.1:{port}/")


# Servers that are slow, in virtual time.


async def drip(theirs: MemoryStream) -> None:
    await theirs.send_all(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await theirs.send_all(b"x")
        await trio.sleep(0.1)


async def say_nothing(_theirs: MemoryStream) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize("server", [drip, say_nothing])
async def test_an_answer_that_does_not_end_is_given_up(
    server: Callable[[MemoryStream], Awaitable[None]], autojump_clock: MockClock
) -> None:
    """The bound is on the whole exchange: a byte now and then buys no time."""
    ours, theirs = stream_pair()
    async with trio.open_nursery() as peer:
        peer.start_soon(server, theirs)
        with trio.move_on_after(LIMITS.total_seconds) as patience:
            await Exchange.of(http_endpoint(URL), "GET", [], b"", LIMITS).perform(ours)
        assert patience.cancelled_caught
        assert trio.current_time() == pytest.approx(LIMITS.total_seconds)
        peer.cancel_scope.cancel()


async def test_the_name_counts_for_the_bound_as_well(autojump_clock: MockClock) -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await trio.sleep(3600)
        return ()

    begin = trio.current_time()
    with pytest.raises(PeerStalled, match=r"^a\.example did not answer within 5 s$"):
        await ask(HttpClient(never), "http://a.example/")
    assert trio.current_time() - begin == pytest.approx(LIMITS.total_seconds)


async def test_a_server_that_takes_connections_and_says_nothing_is_given_up() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listeners[0].socket.getsockname()[1])
    with pytest.raises(OpusagentError) as stalled:
        await ask(HttpClient(), f"http://127.0.0.1:{port}/", evolve(LIMITS, total_seconds=0.05))
    assert isinstance(stalled.value, PeerStalled)
    await listeners[0].aclose()


async def test_a_server_that_is_being_restarted_is_there_at_the_second_try() -> None:
    """Nothing was asked at the first, so nothing is asked twice."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = int(listener.socket.getsockname()[1])
    await listener.aclose()
    site, statuses = Scripted(hello), list[int]()

    async def request() -> None:
        statuses.append(
            (await ask(HttpClient(), f"http://127.0.0.1:{port}/", evolve(LIMITS, pause_seconds=0.1))).status
        )

    async with trio.open_nursery() as house:
        async with trio.open_nursery() as client:
            client.start_soon(request)
            await wait_all_tasks_blocked(0.01)
            house.start_soon(serve, await open_listeners("127.0.0.1", port), site)
        house.cancel_scope.cancel()
    assert (statuses, len(site.asked)) == ([200], 1)
