"""Clients that misbehave. Each is bounded in time, is told what it did, and touches no other connection.

Most run in virtual time, over streams in memory; those about the kernel's sockets run over loopback.
"""

import socket
import struct
from contextlib import suppress
from typing import Final

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from opusagent.net.limits import ListenerLimits
from opusagent.net.listener import FrontDoor, ListenerStatistics, bound_port, open_listeners
from opusagent.net.sockets import connect
from opusagent.testing.descriptors import descriptors
from opusagent.testing.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE_REQUEST,
    EchoSite,
    close_frame,
    frame,
    read_to_end,
    read_until,
    switching_protocols,
)
from opusagent.testing.streams import MemoryStream
from tests.net.house import LIMITS, Doomed, a_house, keep_echoing, leave, seconds_until_closed

GARBAGE: Final = b"\x16\x03\x01 hello\r\n\r\n"


# Before the upgrade.


async def test_garbage_gets_400_and_is_closed(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.port.connect()
        await client.send_all(GARBAGE)
        answer, seconds = await seconds_until_closed(client)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert seconds <= 1


@pytest.mark.parametrize(
    "sent", [b"", b"GET /ec", UPGRADE_REQUEST[:-2], GARBAGE], ids=["nothing", "a bit", "most", "garbage"]
)
async def test_a_client_that_leaves_in_the_handshake_is_gone_at_once(sent: bytes, autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.port.connect()
        if sent:
            await client.send_all(sent)
        await client.aclose()
        await trio.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"GET /ec", UPGRADE_REQUEST[:-2]], ids=["nothing", "a bit", "most"])
async def test_a_client_that_stalls_in_the_handshake_is_closed_in_time(sent: bytes, autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.port.connect()
        if sent:
            await client.send_all(sent)
        answer, seconds = await seconds_until_closed(client)
        assert answer == b""
        assert 4 <= seconds <= 5


async def test_slow_headers_buy_no_time(autojump_clock: MockClock) -> None:
    """The bound is on the whole request, not on one read."""

    async def drip(client: MemoryStream) -> None:
        await trio.sleep(0.5)
        with suppress(trio.BrokenResourceError):
            for byte in UPGRADE_REQUEST:
                await client.send_all(bytes([byte]))
                await trio.sleep(0.5)

    async with a_house() as house, trio.open_nursery() as peers:
        client = await house.port.connect()
        peers.start_soon(drip, client)
        _, seconds = await seconds_until_closed(client)
        assert 4 <= seconds <= 5


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 20_000, 431, id="20 KB header"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413, id="64 KiB and a byte"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, id="negative length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11000\r\n" + b"x" * 0x11000,
            413,
            id="a chunk too large",
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="target not ASCII"),
        pytest.param(UPGRADE_REQUEST.replace(b"13", b"8"), 426, id="WebSocket version 8"),
        pytest.param(UPGRADE_REQUEST.replace(b"Connection: Upgrade\r\n", b""), 400, id="no Connection"),
        pytest.param(UPGRADE_REQUEST.replace(b"Sec-WebSocket-Key", b"Sec-WebSocket-Kez"), 400, id="no key"),
        pytest.param(UPGRADE_REQUEST.replace(b"Host: a", b"Host: \xff"), 400, id="host not ASCII"),
        pytest.param(UPGRADE_REQUEST.replace(b"Connection: Upgrade", b"Connection: \xff"), 400, id="token not ASCII"),
        pytest.param(UPGRADE_REQUEST.replace(b"GET", b"PUT"), 400, id="upgrade by PUT"),
    ],
)
async def test_a_bad_request_is_told_why(request_bytes: bytes, status: int, autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.port.connect()
        await client.send_all(request_bytes)
        answer, seconds = await seconds_until_closed(client)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert (b"sec-websocket-version: 13" in answer.lower()) == (status == 426)
        assert seconds <= 1


# After the upgrade.


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param(frame(TEXT, b"x" * (LIMITS.message_bytes + 1)), 1009, id="oversize"),
        pytest.param(
            frame(TEXT, b"x" * 40_000, fin=False) + frame(CONTINUATION, b"x" * 40_000), 1009, id="oversize in two"
        ),
        pytest.param(frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 5_000, 1009, id="empty fragments"),
        pytest.param(frame(BINARY, b"x"), 1003, id="binary"),
        pytest.param(frame(TEXT, b"\xff\xfe"), 1007, id="invalid UTF-8"),
        pytest.param(frame(TEXT, b"\xe2\x82"), 1007, id="UTF-8 cut short"),
        pytest.param(frame(0x3, b"x"), 1002, id="reserved opcode"),
        pytest.param(frame(0xB, b"x"), 1002, id="reserved control opcode"),
        pytest.param(frame(TEXT, b"x", rsv=0b100), 1002, id="compressed"),
        pytest.param(frame(TEXT, b"x", rsv=0b001), 1002, id="RSV3"),
        pytest.param(frame(TEXT, b"x", masked=False), 1002, id="unmasked"),
        pytest.param(frame(CONTINUATION, b"x"), 1002, id="nothing to continue"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002, id="message in a message"),
        pytest.param(frame(PING, b"x", fin=False), 1002, id="fragmented ping"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="long ping"),
        pytest.param(frame(CLOSE, b"x"), 1002, id="half a close code"),
        pytest.param(close_frame(1006), 1002, id="a close code that is never sent"),
        pytest.param(b"\x81\xff" + b"\xff" * 12, 1002, id="a length with its highest bit"),
    ],
)
async def test_broken_framing_is_told_its_code_and_closed(frames: bytes, code: int, autojump_clock: MockClock) -> None:
    """A peer that then stays, and answers no close frame, stays two seconds at most."""
    async with a_house() as house:
        client = await house.upgraded()
        await client.send_all(frames)
        answer, seconds = await seconds_until_closed(client)
        assert answer[:1] + answer[2:4] == bytes([0x80 | CLOSE]) + struct.pack("!H", code)
        await trio.sleep(LIMITS.close_seconds + 0.1)
        assert seconds <= LIMITS.close_seconds


@pytest.mark.parametrize(
    "frames", [frame(PING, b"x" * 100) * 5_000, frame(PONG, b"x") * 50_000], ids=["pings", "pongs"]
)
async def test_a_flood_of_control_frames_is_survived(frames: bytes, autojump_clock: MockClock) -> None:
    async with a_house() as house, trio.open_nursery() as peers:
        client = await house.upgraded()
        peers.start_soon(client.send_all, frames + frame(TEXT, b"alive"))
        alive = frame(TEXT, b"alive", masked=False)
        pongs = frame(PONG, b"x" * 100, masked=False) * frames.count(frame(PING, b"x" * 100))
        assert await read_until(client, alive) == pongs + alive
        await client.aclose()


async def test_a_flood_of_pings_whose_pongs_nobody_reads_is_cut_off(autojump_clock: MockClock) -> None:
    """Our pongs fill the peer's window; a write that takes longer than its bound ends the connection."""
    async with a_house() as house:
        client = await house.upgraded()
        with trio.fail_after(LIMITS.send_seconds + 0.1):
            with pytest.raises(trio.BrokenResourceError):
                await client.send_all(frame(PING, b"x" * 100) * 10_000)


async def test_an_upgraded_client_that_falls_silent_is_asked_and_given_up(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.upgraded()
        heard, seconds = await seconds_until_closed(client)
        assert heard == frame(PING, masked=False)
        assert seconds == LIMITS.ping_seconds + LIMITS.pong_seconds


async def test_a_process_that_stood_still_asks_anew_and_does_not_blame_the_client(autojump_clock: MockClock) -> None:
    """It stops for three seconds just before the answer to its ping is due: the answer that comes then is in time.

    One that never comes ends the connection within one more bound.
    """
    async with a_house() as house:
        for answers in (True, False):
            client = await house.upgraded()
            await trio.sleep(LIMITS.ping_seconds + LIMITS.pong_seconds - 0.1)
            autojump_clock.jump(3)
            await trio.sleep(0.2)
            stopped = trio.current_time()
            if answers:
                await client.send_all(frame(PONG, b""))
                await trio.sleep(LIMITS.ping_seconds)
                await client.send_all(frame(TEXT, b"alive"))
                echo = frame(TEXT, b"alive", masked=False)
                assert (await read_until(client, echo)).endswith(echo)
                await client.aclose()
            else:
                await read_to_end(client)
                assert trio.current_time() - stopped < LIMITS.pong_seconds


async def test_a_pong_keeps_a_silent_client(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        client = await house.upgraded()
        for _ in range(10):
            assert await client.receive_some() == frame(PING, masked=False)
            await client.send_all(frame(PONG))
        await client.aclose()
        await trio.sleep(0.01)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 10_000])
async def test_frames_glued_behind_the_request_and_cut_anywhere_are_kept(cut: int, autojump_clock: MockClock) -> None:
    sent = UPGRADE_REQUEST + frame(TEXT, b"glued") + frame(PING, b"p") + close_frame(1000)
    expected = switching_protocols(UPGRADE_REQUEST) + frame(TEXT, b"glued", masked=False)
    async with a_house() as house:
        client = await house.port.connect()
        for at in range(0, len(sent), cut):
            await client.send_all(sent[at : at + cut])
            await trio.sleep(0.001)
        answer, _ = await seconds_until_closed(client)
        assert answer.startswith(switching_protocols(UPGRADE_REQUEST))
        assert answer.endswith(close_frame(1000, masked=False))
        assert sorted(answer) == sorted(expected + frame(PONG, b"p", masked=False) + close_frame(1000, masked=False))


async def test_a_ping_that_comes_while_we_write_is_answered_before_the_goodbye(autojump_clock: MockClock) -> None:
    """The echo of a long message waits for the peer to read; its ping and its close are there already."""
    async with a_house() as house:
        client = await house.upgraded()
        long = b"x" * 60_000
        await client.send_all(frame(TEXT, long) + frame(PING, b"p") + close_frame(1000))
        await trio.sleep(2)
        answer, _ = await seconds_until_closed(client)
        pong, goodbye = frame(PONG, b"p", masked=False), close_frame(1000, masked=False)
        assert answer == frame(TEXT, long, masked=False) + pong + goodbye


async def test_a_ping_behind_our_close_frame_is_not_answered(autojump_clock: MockClock) -> None:
    """No frame may follow a close frame; the peer's own close frame still ends it at once."""
    async with a_house(Doomed(leave)) as house:
        client = await house.port.connect()
        await client.send_all(UPGRADE_REQUEST)
        assert close_frame(1000, masked=False) in await read_until(client, close_frame(1000, masked=False))
        await client.send_all(frame(PING) + close_frame(1000))
        assert await seconds_until_closed(client) == (b"", 0)


async def test_a_peer_that_ignores_our_close_is_closed(autojump_clock: MockClock) -> None:
    async with a_house(Doomed(leave)) as house:
        client = await house.port.connect()
        await client.send_all(UPGRADE_REQUEST)
        _, seconds = await seconds_until_closed(client)
        assert seconds == LIMITS.close_seconds


# Over loopback: what only the kernel does.


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        GARBAGE,
        UPGRADE_REQUEST,
        UPGRADE_REQUEST + b"\xff" * 80,
        UPGRADE_REQUEST + frame(PING, b"x" * 100) * 500,
        UPGRADE_REQUEST + frame(TEXT, b"hello"),
    ],
    ids=["nothing", "garbage", "request", "request and garbage", "request and pings", "request and a message"],
)
async def test_a_hundred_resets_leave_nothing_behind(sent: bytes) -> None:
    """Send, reset, at any progress of the handshake. One to three of these end a server on the bare library."""
    listeners = await open_listeners("127.0.0.1", 0)
    door = FrontDoor(listeners, EchoSite(), ListenerLimits())
    address = ("127.0.0.1", bound_port(listeners))
    with trio.fail_after(30):
        async with trio.open_nursery() as house:
            house.start_soon(door.accept, house)
            bystander = await connect(house, f"ws://127.0.0.1:{address[1]}/echo", [], LIMITS)
            house.start_soon(keep_echoing, bystander)
            before = descriptors()
            for turn in range(100):
                await send_and_reset(address, sent, turn)
            await only_the_bystander_is_left(door)
            assert evolve(door.statistics(), accepted=101) == ListenerStatistics(accepted=101, open=1)
            assert not descriptors() - before
            house.cancel_scope.cancel()


async def only_the_bystander_is_left(door: FrontDoor) -> None:
    for _ in range(500):
        if door.statistics().open == 1:
            break
        await trio.sleep(0.01)
    await trio.lowlevel.checkpoint()


async def send_and_reset(address: tuple[str, int], sent: bytes, turn: int) -> None:
    client = trio.socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await client.connect(address)
    if sent:
        await client.send(sent)
    for _ in range(turn % 8):
        await trio.lowlevel.checkpoint()
    client.close()
    await trio.lowlevel.checkpoint()
