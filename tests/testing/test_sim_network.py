"""The simulated network behaves as TCP does towards trio's own streams and listeners: also when it misbehaves."""

import errno
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.net.guard import tune
from opusagent.testing.sim.dice import Dice
from opusagent.testing.sim.network import Network
from opusagent.testing.sim.pipe import WINDOW, Connection, Pipe, Weather
from opusagent.testing.sim.trace import Trace

HOST = "10.0.0.2"
PORT = 7
STEADY = Weather(latency=0.01)


@attrs.frozen
class Line:
    """Both ends of a connection, and what can happen to it."""

    client: trio.SocketStream
    server: trio.SocketStream
    network: Network

    @property
    def connection(self) -> Connection:
        return self.network.connections[0]


@asynccontextmanager
async def line(weather: Weather) -> AsyncGenerator[Line]:
    """A connection through trio's own listener and dialler."""
    network = Network(Dice(1), Trace(), {PORT: "echo"}, lambda _: weather)
    trio.socket.set_custom_socket_factory(network)
    (listener,) = await trio.open_tcp_listeners(PORT, host=HOST)
    async with listener, await trio.open_tcp_stream(HOST, PORT) as client, await listener.accept() as server:
        yield Line(client, server, network)
    assert not network.open


def on(script: Callable[[Line], Awaitable[None]], weather: Weather = STEADY) -> None:
    """Play `script` on a connection."""

    async def play() -> None:
        async with line(weather) as wire:
            await script(wire)

    trio.run(play, clock=MockClock(autojump_threshold=0))


async def received(stream: trio.SocketStream, count: int) -> bytes:
    got = b""
    while len(got) < count and (data := await stream.receive_some()):
        got += data
    return got


@pytest.mark.parametrize("weather", [STEADY, Weather(0.04, jitter=0.2), Weather(0.01, cuts=0.9)])
def test_what_is_sent_arrives_whole_and_in_order(weather: Weather) -> None:
    async def script(wire: Line) -> None:
        said = bytes(range(256)) * 16
        async with trio.open_nursery() as both:
            both.start_soon(wire.client.send_all, said)
            assert await received(wire.server, len(said)) == said
        assert trio.current_time() >= weather.latency

    on(script, weather)


def test_the_end_of_the_stream_comes_behind_what_was_sent() -> None:
    async def script(wire: Line) -> None:
        await wire.client.send_all(b"last words")
        await wire.client.send_eof()
        assert await received(wire.server, 100) == b"last words"
        assert await wire.server.receive_some() == b""
        await wire.server.send_all(b"still here")
        assert await wire.client.receive_some() == b"still here"

    on(script)


def test_a_reader_that_does_not_read_stops_the_writer() -> None:
    async def script(wire: Line) -> None:
        with trio.move_on_after(60) as patience:
            await wire.client.send_all(bytes(2 * WINDOW))
        assert patience.cancelled_caught
        assert wire.connection.there.peak == WINDOW

    on(script)


def test_a_reset_breaks_both_ends_and_loses_what_was_on_its_way() -> None:
    async def script(wire: Line) -> None:
        await wire.client.send_all(b"lost")
        wire.connection.reset()
        for stream in (wire.client, wire.server):
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"nobody")

    on(script)


def test_a_closed_end_is_closed_for_whoever_waits_in_it() -> None:
    async def script(wire: Line) -> None:
        async with trio.open_nursery() as waiting:
            waiting.start_soon(expect_closed, wire.client)
            await trio.testing.wait_all_tasks_blocked()
            await wire.client.aclose()
        assert await wire.server.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await wire.server.send_all(b"nobody")

    on(script)


async def expect_closed(stream: trio.SocketStream) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()


def test_a_stall_delivers_later_and_everything() -> None:
    async def script(wire: Line) -> None:
        wire.connection.there.block(trio.current_time(), trio.current_time() + 4)
        begun = trio.current_time()
        await wire.client.send_all(b"patience")
        assert await wire.server.receive_some() == b"patience"
        assert trio.current_time() == pytest.approx(begun + 4)

    on(script)


def test_a_cable_that_is_pulled_is_noticed_by_the_user_timeout_alone() -> None:
    """`tune` sets 5 s (RFC 5482); the end that sends nothing notices nothing, and what healed is delivered."""

    async def script(wire: Line) -> None:
        tune(wire.client, send_buffer_bytes=None)
        wire.connection.block(trio.current_time(), 1e9)
        begun = trio.current_time()
        await wire.client.send_all(b"hello?")
        with pytest.raises(trio.BrokenResourceError) as broken:
            await wire.client.receive_some()
        assert isinstance(broken.value.__cause__, OSError)
        assert broken.value.__cause__.errno == errno.ETIMEDOUT
        assert trio.current_time() == pytest.approx(begun + 5)
        with trio.move_on_after(60) as patience:
            await wire.server.receive_some()
        assert patience.cancelled_caught
        wire.network.heal()
        assert await wire.server.receive_some() == b"hello?"

    on(script)


def test_nobody_answers_where_nobody_listens_or_may_be_reached() -> None:
    async def script(wire: Line) -> None:
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream(HOST, PORT + 1)
        wire.network.refused_until = trio.current_time() + 1
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream(HOST, PORT)

    on(script)


def test_a_slow_line_takes_its_time() -> None:
    async def script(wire: Line) -> None:
        begun = trio.current_time()
        await wire.client.send_all(bytes(1000))
        await received(wire.server, 1000)
        assert trio.current_time() == pytest.approx(begun + 1.01)

    on(script, Weather(latency=0.01, bytes_per_second=1000))


def test_a_socket_is_what_trio_takes_for_one() -> None:
    """Options are kept, and addresses are those of the connection."""

    async def script(wire: Line) -> None:
        await trio.lowlevel.checkpoint()
        tcp = wire.client.socket
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert tcp.getpeername() == (HOST, PORT)
        assert wire.server.socket.getpeername() == tcp.getsockname()

    on(script)


def test_a_pipe_counts_what_it_holds() -> None:
    """What was put and not taken; nothing once all is taken."""

    async def script() -> None:
        await trio.lowlevel.checkpoint()
        pipe = Pipe("p", STEADY, Dice(1).of("p"))
        assert pipe.put(b"12345", 0.0) == 5
        assert (pipe.held, pipe.room, pipe.due()) == (5, WINDOW - 5, 0.01)
        assert (pipe.take(3), pipe.take(3), pipe.held) == (b"123", b"45", 0)

    trio.run(script)
