"""Streams in memory behave like TCP where our sockets can tell."""

import pytest
import trio
from trio.testing import MockClock

from opusagent.testing.streams import stream_pair


async def test_bytes_arrive_in_order_and_no_more_than_the_window_waits(autojump_clock: MockClock) -> None:
    left, right = stream_pair(window=4)
    async with trio.open_nursery() as line:
        line.start_soon(left.send_all, b"abcdefghij")
        await trio.sleep(1)
        assert await right.receive_some(3) == b"abc"
        await trio.sleep(1)
        assert [await right.receive_some(), await right.receive_some()] == [b"defg", b"hij"]


async def test_an_end_of_one_direction_leaves_the_other_open(autojump_clock: MockClock) -> None:
    left, right = stream_pair()
    await left.send_all(b"last words")
    await left.send_eof()
    assert [await right.receive_some(), await right.receive_some()] == [b"last words", b""]
    await right.send_all(b"heard")
    assert await left.receive_some() == b"heard"


async def test_a_close_is_an_end_to_who_reads_and_a_break_to_who_writes(autojump_clock: MockClock) -> None:
    left, right = stream_pair()
    await left.send_all(b"last words")
    await left.aclose()
    assert [await right.receive_some(), await right.receive_some()] == [b"last words", b""]
    with pytest.raises(trio.BrokenResourceError):
        await right.send_all(b"unheard")
    with pytest.raises(trio.ClosedResourceError):
        await left.send_all(b"late")
    with pytest.raises(trio.ClosedResourceError):
        await left.receive_some()


async def test_a_close_wakes_a_writer_that_waits_for_the_window(autojump_clock: MockClock) -> None:
    left, right = stream_pair(window=1)

    async def close_later() -> None:
        await trio.sleep(1)
        await right.aclose()

    async with trio.open_nursery() as line:
        line.start_soon(close_later)
        with pytest.raises(trio.BrokenResourceError):
            await left.send_all(b"too much")


async def test_a_reset_loses_what_is_on_its_way(autojump_clock: MockClock) -> None:
    left, right = stream_pair()
    await left.send_all(b"lost")
    left.reset()
    for end in (left, right):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await end.send_all(b"late")
