"""What `MessageSocket` promises, held against every implementation: in memory, over streams, over TCP and over TLS."""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import trio
from attrs import evolve, frozen
from trio.abc import Clock
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.errors import (
    MESSAGE_TOO_BIG,
    NORMAL_CLOSURE,
    LocalProtocolError,
    PeerGone,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.handshake import Endpoint, Greeting
from opusagent.net.http import Request, Response, Upgrade, converse
from opusagent.net.limits import PLATFORM, HttpLimits, SocketLimits
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect, greet
from opusagent.testing.memory import memory_pair
from opusagent.testing.streams import stream_pair

LIMITS: Final = evolve(PLATFORM, send_seconds=0.6, close_seconds=0.5)
CERTIFICATE: Final = Path(__file__).parent / "tls" / "localhost.pem"

Pair = tuple[MessageSocket, MessageSocket]
Scenario = Callable[[MessageSocket, MessageSocket], Awaitable[None]]


class Handover:
    """A site that gives its end of the first WebSocket to the test, until `release` is set."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._give, self.taken = trio.open_memory_channel[MessageSocket](1)
        self.release = trio.Event()

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        assert request.wants_websocket
        return Upgrade(self._hand_over, self._limits)

    async def _hand_over(self, socket: MessageSocket) -> None:
        await self._give.send(socket)
        await self.release.wait()


async def in_memory(_house: trio.Nursery, _plumbing: trio.Nursery, _site: Handover) -> Pair:
    await trio.lowlevel.checkpoint()
    return memory_pair(LIMITS)


async def over_streams(house: trio.Nursery, plumbing: trio.Nursery, site: Handover) -> Pair:
    ours, theirs = stream_pair()
    house.start_soon(converse, theirs, "", site, HttpLimits(), lambda: None)
    client = await greet(plumbing, ours, Greeting.to(Endpoint.parse("ws://memory/"), []), LIMITS)
    return client, await site.taken.receive()


async def over_tcp(house: trio.Nursery, plumbing: trio.Nursery, site: Handover) -> Pair:
    listeners = await open_listeners("127.0.0.1", 0)
    house.start_soon(serve, listeners, site)
    client = await connect(plumbing, f"ws://127.0.0.1:{bound_port(listeners)}/", [], LIMITS)
    return client, await site.taken.receive()


async def over_tls(house: trio.Nursery, plumbing: trio.Nursery, site: Handover) -> Pair:
    ours = ssl.create_default_context(cafile=CERTIFICATE)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(CERTIFICATE)
    listeners = await open_listeners("127.0.0.1", 0, ssl_context=theirs)
    house.start_soon(serve, listeners, site)
    client = await connect(plumbing, f"wss://127.0.0.1:{bound_port(listeners)}/", [], LIMITS, ssl_context=ours)
    return client, await site.taken.receive()


@frozen
class Kind:
    """A way to open a pair, the clock that its deadlines run on, and which end is the scenario's left one."""

    open: Callable[[trio.Nursery, trio.Nursery, Handover], Awaitable[Pair]]
    virtual: bool
    left: str

    def play(self, scenario: Scenario) -> None:
        """Run `scenario` on a fresh pair; then both ends close, and no task of either is left."""
        clock: Clock | None = MockClock(autojump_threshold=0) if self.virtual else None
        trio.run(self._play, scenario, clock=clock)

    async def _play(self, scenario: Scenario) -> None:
        with trio.fail_after(100):
            async with trio.open_nursery() as house:
                site = Handover(LIMITS)
                async with trio.open_nursery() as plumbing:
                    client, server = await self.open(house, plumbing, site)
                    await (scenario(client, server) if self.left == "client" else scenario(server, client))
                    await client.close()
                    await server.close()
                    site.release.set()
                house.cancel_scope.cancel()


KINDS: Final = {
    f"{name}-{left}": Kind(how, virtual, left)
    for name, how, virtual in [
        ("memory", in_memory, True),
        ("streams", over_streams, True),
        ("tcp", over_tcp, False),
        ("tls", over_tls, False),
    ]
    for left in ("client", "server")
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    found = request.param
    assert isinstance(found, Kind)
    return found


async def exhaust(socket: MessageSocket) -> None:
    """Take what is left until there is nothing more, and raise why."""
    while True:
        await socket.receive()


async def flood(socket: MessageSocket) -> None:
    """Send until something stops it."""
    while True:
        await socket.send("x" * 60_000)


def test_messages_arrive_whole_and_in_order(kind: Kind) -> None:
    """Whatever their size and alphabet, and however many share one write."""
    messages = ["a", "", "grüße, 您好", "x" * 60_000, '{"event":"media"}']

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        await left.send(*messages)
        assert messages == [await right.receive() for _ in messages]
        for message in messages:
            await left.send(message)
        assert messages == [await right.receive() for _ in messages]

    kind.play(scenario)


def test_the_close_code_is_carried_behind_the_messages_before_it(kind: Kind) -> None:
    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        await left.send("one", "two")
        async with trio.open_nursery() as talk:
            talk.start_soon(left.close, 4001, "enough")
            assert await right.receive() == "one"
            assert await right.receive() == "two"
            with pytest.raises(PeerGone) as gone:
                await right.receive()
        assert gone.value.code == 4001
        with pytest.raises(PeerGone) as gone:
            await right.send("late")
        assert gone.value.code == 4001

    kind.play(scenario)


def test_after_its_own_close_a_socket_is_gone(kind: Kind) -> None:
    """Closing twice is closing once."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        await right.send("unread")
        await left.close()
        await left.close(4002)
        with pytest.raises(PeerGone):
            await left.receive()
        with pytest.raises(PeerGone):
            await left.send("late")
        with pytest.raises(PeerGone) as gone:
            await right.receive()
        assert gone.value.code == NORMAL_CLOSURE

    kind.play(scenario)


def test_a_close_wakes_the_task_that_receives(kind: Kind) -> None:
    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        woken: list[PeerGone] = []

        async def hear() -> None:
            with pytest.raises(PeerGone) as gone:
                await left.receive()
            woken.append(gone.value)

        async with trio.open_nursery() as talk:
            talk.start_soon(hear)
            await wait_all_tasks_blocked()
            await left.close()
        assert len(woken) == 1

    kind.play(scenario)


def test_a_peer_that_does_not_read_stalls_the_sender(kind: Kind) -> None:
    """Within the bound of one write; afterwards the socket is dead to both."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with pytest.raises(PeerStalled):
            await flood(left)
        with pytest.raises(PeerStalled):
            await left.send("late")
        with pytest.raises(PeerGone) as gone:
            await exhaust(right)
        assert gone.value.code == 1006

    kind.play(scenario)


def test_a_send_cancelled_half_way_kills_the_socket(kind: Kind) -> None:
    """Half a frame may be on the wire, so nothing may follow it."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with trio.move_on_after(0.3) as patience:
            await flood(left)
        assert patience.cancelled_caught
        with pytest.raises(PeerGone):
            await left.send("late")
        with pytest.raises(PeerGone) as gone:
            await exhaust(right)
        assert gone.value.code == 1006

    kind.play(scenario)


def test_a_send_cancelled_before_it_begins_breaks_nothing(kind: Kind) -> None:
    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await left.send("never sent")
        await left.send("sent")
        assert await right.receive() == "sent"

    kind.play(scenario)


def test_a_cancelled_receive_loses_nothing(kind: Kind) -> None:
    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with trio.move_on_after(0.01):
            await right.receive()
        await left.send("still there")
        with trio.CancelScope() as scope:
            scope.cancel()
            await right.receive()
        assert await right.receive() == "still there"

    kind.play(scenario)


def test_a_message_over_the_size_ends_the_connection(kind: Kind) -> None:
    """The receiver blames its peer; the peer is told 1009."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        await left.send("small")
        await left.send("é" * (LIMITS.message_bytes // 2 + 1))
        assert await right.receive() == "small"
        with pytest.raises(RemoteProtocolError) as broken:
            await right.receive()
        assert broken.value.close_code == MESSAGE_TOO_BIG
        with pytest.raises(PeerGone) as gone:
            await left.receive()
        assert gone.value.code == MESSAGE_TOO_BIG

    kind.play(scenario)


def test_text_that_is_not_unicode_is_our_own_fault(kind: Kind) -> None:
    """A lone surrogate is refused with nothing sent, and the socket lives on."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with pytest.raises(LocalProtocolError):
            await left.send("fine", "\ud800")
        await left.send("alive")
        assert await right.receive() == "alive"

    kind.play(scenario)


def test_senders_interleave_whole_batches(kind: Kind) -> None:
    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        async with trio.open_nursery() as senders:
            for name in "abc":
                senders.start_soon(left.send, f"{name}1", f"{name}2", f"{name}3")
            got = [await right.receive() for _ in range(9)]
        batches = [tuple(got[at : at + 3]) for at in (0, 3, 6)]
        assert {("a1", "a2", "a3"), ("b1", "b2", "b3"), ("c1", "c2", "c3")} == set(batches)

    kind.play(scenario)


def test_close_under_cancellation_returns_at_once(kind: Kind) -> None:
    """Without its goodbye, but the peer notices."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await left.close()
        with pytest.raises(PeerGone):
            await right.receive()

    kind.play(scenario)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.virtual], indirect=True)
def test_an_idle_connection_lives(kind: Kind) -> None:
    """Pings are answered while nobody talks."""

    async def scenario(left: MessageSocket, right: MessageSocket) -> None:
        await trio.sleep(60)
        await left.send("still here")
        assert await right.receive() == "still here"

    kind.play(scenario)
