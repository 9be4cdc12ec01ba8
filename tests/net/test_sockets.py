"""A socket whose peer turns bad, seen from its owner: it ends in time and by the peer's blame. In virtual time."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from opusagent.errors import OpusagentError, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.handshake import Endpoint, Greeting
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import greet
from opusagent.testing.raw import PING, PONG, TEXT, close_frame, frame, read_until, switching_protocols
from opusagent.testing.streams import MemoryStream, stream_pair


@asynccontextmanager
async def a_client() -> AsyncGenerator[tuple[MessageSocket, MemoryStream]]:
    """Our socket, and the bytes of the server that it is connected to."""
    ours, theirs = stream_pair()

    async def accept() -> None:
        await theirs.send_all(switching_protocols(await read_until(theirs, b"\r\n\r\n")))

    async with trio.open_nursery() as plumbing:
        plumbing.start_soon(accept)
        yield await greet(plumbing, ours, Greeting.to(Endpoint.parse("ws://a/"), []), MODEL), theirs
    # The nursery ends by itself: nothing of the socket is left.


async def outcome(socket: MessageSocket) -> tuple[type[OpusagentError], int, float]:
    """How `receive` ends, with which code, after how long; then close, which is bounded too."""
    begin = trio.current_time()
    with pytest.raises(OpusagentError) as ended:
        await socket.receive()
    match ended.value:
        case RemoteProtocolError(close_code=code) | PeerGone(code=code):
            pass
        case _:
            code = 0
    seconds = trio.current_time() - begin
    await socket.close()
    assert trio.current_time() - begin - seconds <= MODEL.close_seconds
    return type(ended.value), code, round(seconds, 3)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (frame(0x3, b"x", masked=False), (RemoteProtocolError, 1002, 0)),
        (frame(TEXT, b"\xff", masked=False), (RemoteProtocolError, 1007, 0)),
        (frame(TEXT, b"x", rsv=0b100, masked=False), (RemoteProtocolError, 1002, 0)),
        (frame(TEXT, b"x"), (RemoteProtocolError, 1002, 0)),
        (frame(TEXT, b"x" * (MODEL.message_bytes + 1), masked=False), (RemoteProtocolError, 1009, 0)),
        (close_frame(1001, masked=False), (PeerGone, 1001, 0)),
        (frame(PING, b"x", masked=False), (PeerStalled, 0, MODEL.ping_seconds + MODEL.pong_seconds)),
        (b"", (PeerStalled, 0, MODEL.ping_seconds + MODEL.pong_seconds)),
    ],
    ids=[
        "opcode",
        "UTF-8",
        "compressed",
        "masked",
        "oversize",
        "close frame, then silence",
        "a ping, then silence",
        "silence",
    ],
)
async def test_a_backend_that_turns_bad_and_stays_is_left_by_its_blame(
    frames: bytes, expected: tuple[type[OpusagentError], int, float], autojump_clock: MockClock
) -> None:
    async with a_client() as (socket, theirs), trio.open_nursery() as backend:
        backend.start_soon(theirs.send_all, frames)
        assert await outcome(socket) == expected


async def test_a_backend_that_ends_without_a_close_frame_is_gone(autojump_clock: MockClock) -> None:
    async with a_client() as (socket, theirs):
        await theirs.aclose()
        assert await outcome(socket) == (PeerGone, 1006, 0)


async def test_a_backend_that_resets_is_gone(autojump_clock: MockClock) -> None:
    async with a_client() as (socket, theirs):
        theirs.reset()
        assert await outcome(socket) == (PeerGone, 1006, 0)


async def test_a_backend_that_ignores_our_close_costs_two_seconds(autojump_clock: MockClock) -> None:
    async with a_client() as (socket, _):
        begin = trio.current_time()
        await socket.close()
        assert trio.current_time() - begin == MODEL.close_seconds


async def test_a_close_after_the_plumbing_is_gone_does_not_wait(autojump_clock: MockClock) -> None:
    """When everything was cancelled from outside, nobody is left to read the peer's close frame."""
    begin = trio.current_time()
    with trio.CancelScope() as outside:
        async with a_client() as (socket, _):
            outside.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
                await socket.close()
                with pytest.raises(PeerGone):
                    await socket.send("late")
                with pytest.raises(PeerGone):
                    await socket.receive()
    assert trio.current_time() == begin


async def test_a_call_that_is_busy_for_a_while_still_answers_pings(autojump_clock: MockClock) -> None:
    """Up to the queue's bound messages wait, and the pings between them are answered."""
    async with a_client() as (socket, theirs), trio.open_nursery() as backend:
        words = [str(each) for each in range(MODEL.queued_messages)]
        frames = b"".join(frame(TEXT, word.encode(), masked=False) + frame(PING, b"p", masked=False) for word in words)
        backend.start_soon(theirs.send_all, frames)
        await trio.sleep(1)
        pongs = await theirs.receive_some()
        assert len(pongs) == len(words) * len(frame(PONG, b"p"))
        assert words == [await socket.receive() for _ in words]
        await theirs.aclose()


async def test_a_queue_that_is_full_of_bytes_holds_the_peer_back(autojump_clock: MockClock) -> None:
    """And loses nothing; the silence that comes of it is not held against the peer."""
    word = "x" * 1_000_000
    async with a_client() as (socket, theirs), trio.open_nursery() as backend:
        sent = trio.Event()

        async def send() -> None:
            for _ in range(8):
                await theirs.send_all(frame(TEXT, word.encode(), masked=False))
            sent.set()

        backend.start_soon(send)
        await trio.sleep(2)
        assert not sent.is_set()
        await trio.sleep(30)
        assert [word] * 8 == [await socket.receive() for _ in range(8)]
        await theirs.aclose()
