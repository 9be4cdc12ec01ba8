"""Who may come in, and that one connection's end is its own."""

import errno
from collections.abc import Awaitable, Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock
from typing_extensions import override

from opusagent.errors import RemoteProtocolError
from opusagent.net.limits import ListenerLimits
from opusagent.net.listener import FrontDoor, ListenerStatistics
from opusagent.net.message_socket import MessageSocket
from opusagent.testing.raw import UPGRADE_REQUEST, EchoSite, close_frame, read_until, switching_protocols
from opusagent.testing.streams import MemoryListener
from tests.net.house import Doomed, a_house, leave, seconds_until_closed


async def blunder(_socket: MessageSocket) -> None:
    await trio.lowlevel.checkpoint()
    raise KeyError("a bug")


async def blame_the_peer(_socket: MessageSocket) -> None:
    await trio.lowlevel.checkpoint()
    raise RemoteProtocolError("not what I asked for", close_code=1003)


@pytest.mark.parametrize(
    ("handler", "code", "failed", "logged"),
    [
        (blunder, 1011, 1, [("a connection failed", "error")]),
        (blame_the_peer, 1003, 0, [("a peer broke the protocol", "warning")]),
        (leave, 1000, 0, []),
    ],
)
async def test_how_a_handler_ends_is_what_the_peer_is_told(
    handler: Callable[[MessageSocket], Awaitable[None]],
    code: int,
    failed: int,
    logged: list[tuple[str, str]],
    autojump_clock: MockClock,
) -> None:
    """A bug is logged once and counted, and no other connection notices."""
    with capture_logs() as logs:
        async with a_house(Doomed(handler)) as house:
            client = await house.port.connect()
            await client.send_all(UPGRADE_REQUEST)
            goodbye = close_frame(code, masked=False)
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
