"""The faults of memory sockets; what they share with real ones is in tests/net/test_socket_contract.py."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from opusagent.errors import PeerGone, PeerStalled
from opusagent.net.limits import PLATFORM
from opusagent.testing.memory import memory_pair


async def test_vanishing_loses_what_is_on_its_way_and_ends_both(autojump_clock: MockClock) -> None:
    left, right = memory_pair()
    await left.send("lost")
    await right.send("lost too")
    left.vanish()
    for end in (left, right):
        with pytest.raises(PeerGone) as gone:
            await end.receive()
        assert gone.value.code == 1006
        with pytest.raises(PeerGone):
            await end.send("late")
        await end.close()


async def test_a_stalled_peer_is_noticed_by_its_missing_pong(autojump_clock: MockClock) -> None:
    left, right = memory_pair()
    await left.send("heard before")
    left.stall()
    assert await right.receive() == "heard before"
    begin = trio.current_time()
    with pytest.raises(PeerStalled):
        await right.receive()
    assert trio.current_time() - begin == PLATFORM.ping_seconds + PLATFORM.pong_seconds
    with pytest.raises(PeerStalled):
        await right.send("late")


async def test_a_stall_is_noticed_by_who_already_waits(autojump_clock: MockClock) -> None:
    left, right = memory_pair()

    async def stall_later() -> None:
        await trio.sleep(100)
        left.stall()

    async with trio.open_nursery() as line:
        line.start_soon(stall_later)
        with pytest.raises(PeerStalled):
            await right.receive()
    assert trio.current_time() == 100 + PLATFORM.ping_seconds + PLATFORM.pong_seconds


async def test_a_stalled_end_takes_and_gives_nothing(autojump_clock: MockClock) -> None:
    left, right = memory_pair()
    await right.send("unread")
    left.stall()
    for attempt in (left.receive, left.send):
        with trio.move_on_after(3600) as patience:
            await attempt()
        assert patience.cancelled_caught


async def test_closing_towards_a_stalled_peer_costs_the_bound(autojump_clock: MockClock) -> None:
    left, right = memory_pair()
    left.stall()
    begin = trio.current_time()
    await right.close()
    await right.close()
    assert trio.current_time() - begin == PLATFORM.close_seconds


async def test_the_queue_is_bounded(autojump_clock: MockClock) -> None:
    left, right = memory_pair(evolve(PLATFORM, queued_messages=2))
    await left.send("1", "2")
    async with trio.open_nursery() as line:
        line.start_soon(left.send, "3")
        await trio.sleep(1)
        assert [await right.receive() for _ in range(3)] == ["1", "2", "3"]
