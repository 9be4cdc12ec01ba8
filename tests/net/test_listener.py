"""Who may come in, and that one connection's end is its own."""

import errno
import resource
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Final

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock
from typing_extensions import override

from opusagent.errors import CannotBind, PeerGone, RemoteProtocolError
from opusagent.net.blame import Fault
from opusagent.net.handshake import Endpoint, Greeting
from opusagent.net.limits import PLATFORM, ListenerLimits
from opusagent.net.listener import (
    FrontDoor,
    Gate,
    ListenerStatistics,
    affordable_connections,
    bound_port,
    open_listeners,
    serve,
    spread,
)
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import greet
from opusagent.testing.raw import UPGRADE_REQUEST, EchoSite, close_frame, read_until, switching_protocols
from opusagent.testing.streams import MemoryListener
from tests.net.house import Doomed, a_house, leave, seconds_until_closed


def echo_greeting() -> Greeting:
    return Greeting.to(Endpoint.parse("ws://a/echo"), [])


async def blunder(_socket: MessageSocket) -> None:
    await trio.lowlevel.checkpoint()
    raise KeyError("a bug")


async def blame_the_peer(_socket: MessageSocket) -> None:
    await trio.lowlevel.checkpoint()
    raise RemoteProtocolError("not what I asked for", close_code=1003)


@pytest.mark.parametrize(
    ("handler", "code", "reason", "failed", "logged"),
    [
        (blunder, 1011, b"", 1, [("a connection failed", "error")]),
        (blame_the_peer, 1003, b"not what I asked for", 0, [("a peer broke the protocol", "warning")]),
        (leave, 1000, b"", 0, []),
    ],
)
async def test_how_a_handler_ends_is_what_the_peer_is_told(
    handler: Callable[[MessageSocket], Awaitable[None]],
    code: int,
    reason: bytes,
    failed: int,
    logged: list[tuple[str, str]],
    autojump_clock: MockClock,
) -> None:
    """A bug is logged once and counted, and no other connection notices."""
    with capture_logs() as logs:
        async with a_house(Doomed(handler)) as house:
            client = await house.port.connect()
            await client.send_all(UPGRADE_REQUEST)
            goodbye = close_frame(code, reason, masked=False)
            assert await read_until(client, goodbye) == switching_protocols(UPGRADE_REQUEST) + goodbye
            await client.send_all(close_frame(1000))
            assert await seconds_until_closed(client) == (b"", 0)
            await trio.sleep(0.01)
            assert house.door.statistics().failed == failed
    assert [(entry["event"], entry["log_level"]) for entry in logs] == logged


async def test_both_sides_closing_at_once_both_hear_a_close_frame(autojump_clock: MockClock) -> None:
    """Whichever task runs first, the stream is not closed under a close frame that is on its way."""
    async with a_house(Doomed(leave)) as house:
        for _ in range(50):
            client = await house.port.connect()
            await client.send_all(UPGRADE_REQUEST + close_frame(1000))
            answer, seconds = await seconds_until_closed(client)
            assert (answer, seconds) == (switching_protocols(UPGRADE_REQUEST) + close_frame(1000, masked=False), 0)


async def test_half_open_connections_are_capped_and_the_cap_frees_itself(autojump_clock: MockClock) -> None:
    limits = ListenerLimits(half_open=20, half_open_per_ip=20)
    async with a_house(limits=limits) as house:
        flood = [await house.port.connect() for _ in range(200)]
        await trio.sleep(0.1)
        seen = house.door.statistics()
        assert (seen.half_open, seen.refused_half_open) == (20, 180)
        late = await house.port.connect()
        assert await seconds_until_closed(late) == (b"", 0)
        await trio.sleep(limits.http.request_seconds)
        await (await house.upgraded()).aclose()
        for client in flood:
            await client.aclose()
        await trio.sleep(0.1)


async def test_a_full_house_refuses_and_keeps_its_guests(autojump_clock: MockClock) -> None:
    async with a_house(limits=ListenerLimits(connections=2)) as house:
        guest = await house.upgraded()
        late = await house.port.connect()
        assert await seconds_until_closed(late) == (b"", 0)
        await guest.aclose()
        await trio.sleep(0.1)
        assert house.door.statistics() == ListenerStatistics(accepted=2, refused_full=1, open=1)


class Exhausted(MemoryListener):
    """A port of a system that is out of file descriptors for a while."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self._left = failures

    @override
    async def accept(self) -> trio.abc.Stream:
        if self._left:
            self._left -= 1
            await trio.lowlevel.checkpoint()
            raise OSError(errno.EMFILE, "Too many open files")
        return await super().accept()


async def test_running_out_of_descriptors_is_survived_and_told_once(autojump_clock: MockClock) -> None:
    port = Exhausted(failures=50)
    door = FrontDoor([port], EchoSite(), ListenerLimits())
    with capture_logs() as logs:
        async with trio.open_nursery() as house:
            house.start_soon(door.accept, house)
            client = await port.connect()
            await client.send_all(b"GET / HTTP/1.0\r\n\r\n")
            assert b"hello" in await read_until(client, b"hello")
            assert door.statistics().accept_errors == 50
            house.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == ["no room for new connections"]


async def test_an_address_that_is_taken_is_told() -> None:
    listeners = await open_listeners("127.0.0.1", 0)
    port = bound_port(listeners)
    with pytest.raises(CannotBind) as refused:
        await open_listeners("127.0.0.1", port)
    assert str(refused.value).startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert str(refused.value).endswith("(another program listens there: stop it or choose another port)")
    for listener in listeners:
        await listener.aclose()


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("192.0.2.1", 0, "(no network interface of this machine has that address)"),
        ("127.0.0.1", 70_000, "cannot listen on 127.0.0.1:70000: ports are 0 to 65535"),
        ("x" * 64, 0, "cannot listen on xxx"),
    ],
    ids=["not ours", "no port", "no name"],
)
async def test_an_address_that_cannot_be_listened_on_is_told(host: str, port: int, text: str) -> None:
    with pytest.raises(CannotBind) as refused:
        await open_listeners(host, port)
    assert text in str(refused.value)


async def test_a_drain_stops_accepting_and_keeps_the_connections(autojump_clock: MockClock) -> None:
    """Connections live in the nursery that was passed in; the listeners are closed with the loop."""
    port, accepting = MemoryListener(), trio.CancelScope()

    async with trio.open_nursery() as guests, trio.open_nursery() as plumbing:

        async def accept() -> None:
            with accepting:
                await serve([port], EchoSite(), connections=guests)

        plumbing.start_soon(accept)
        client = await greet(plumbing, await port.connect(), echo_greeting(), PLATFORM)
        accepting.cancel()
        await trio.sleep(1)
        with pytest.raises(trio.BrokenResourceError):
            await port.connect()
        await client.send("still here")
        assert await client.receive() == "still here"
        await client.close()


async def test_without_a_nursery_of_their_own_connections_end_with_the_loop(autojump_clock: MockClock) -> None:
    """Each with a close frame that says that we leave."""
    port = MemoryListener()
    async with trio.open_nursery() as plumbing:
        async with trio.open_nursery() as loops:
            door: FrontDoor = await loops.start(serve, [port], EchoSite())
            client = await greet(plumbing, await port.connect(), echo_greeting(), PLATFORM)
            await client.send("hello")
            assert await client.receive() == "hello"
            loops.cancel_scope.cancel()
        with pytest.raises(PeerGone) as gone:
            await client.receive()
        await client.close()
    assert gone.value.code == 1001
    assert door.statistics() == ListenerStatistics(accepted=1)


def test_one_address_may_not_take_every_place() -> None:
    gate = Gate(ListenerLimits(half_open=10, half_open_per_ip=2))
    visits = [gate.admit("192.0.2.1") for _ in range(3)]
    other = gate.admit("192.0.2.2")
    assert [visit is not None for visit in (*visits, other)] == [True, True, False, True]
    assert gate.statistics() == ListenerStatistics(accepted=3, refused_per_ip=1, open=3, half_open=3)


def test_a_place_is_free_again_when_its_request_is_complete_and_once_only() -> None:
    gate = Gate(ListenerLimits(half_open_per_ip=1))
    visit = gate.admit("192.0.2.1")
    assert visit is not None
    visit.settle()
    visit.settle()
    assert gate.statistics() == ListenerStatistics(accepted=1, open=1)
    visit.leave()
    assert gate.statistics() == ListenerStatistics(accepted=1)
    assert gate.admit("192.0.2.1") is not None


def test_what_the_system_can_carry_bounds_what_is_asked_for() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert affordable_connections() == max(1, (soft - 64) // 3)


def test_deadlines_of_a_crowd_are_spread_over_a_fifth_of_the_bound() -> None:
    bounds = sorted(spread(5.0, turn) for turn in range(1000))
    gaps = [later - sooner for sooner, later in pairwise(bounds)]
    assert bounds[0] >= 4.0
    assert bounds[-1] == 5.0
    assert max(gaps) <= 3 * (5.0 - 4.0) / 1000


UNMASKED: Final = b"\x81\x02hi"


@pytest.mark.parametrize(
    ("sent", "leaves", "fault"),
    [
        (b"GET / HT", False, Fault.TOO_SLOW),
        (b"", False, Fault.TOO_SLOW),
        (b"", True, Fault.LEFT),
        (b"GET / HT", True, Fault.BAD_REQUEST),
        (b"\x16\x03\x01 hello\r\n\r\n", False, Fault.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, False, Fault.BAD_REQUEST),
        (UPGRADE_REQUEST.replace(b"Version: 13", b"Version: 12"), False, Fault.BAD_HANDSHAKE),
        (UPGRADE_REQUEST + UNMASKED, False, Fault.BROKE_PROTOCOL),
        (UPGRADE_REQUEST, False, Fault.STALLED),
        (UPGRADE_REQUEST + close_frame(1000), False, None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, None),
    ],
)
async def test_what_a_peer_does_wrong_is_counted_once(
    sent: bytes,
    leaves: bool,  # noqa: FBT001 - a parameter
    fault: Fault | None,
    autojump_clock: MockClock,
) -> None:
    async with a_house() as house:
        before = house.door.faults()
        client = await house.port.connect()
        await client.send_all(sent)
        if leaves:
            await client.aclose()
        else:
            await seconds_until_closed(client)
        await trio.sleep(3)
        assert house.door.faults() == {each: before[each] + (each is fault) for each in Fault}
