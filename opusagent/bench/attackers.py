"""Who attacks a daemon on this machine: `python -m opusagent.bench.attackers NAME PORT SECONDS`, a process of its own.

Nobody outside of it can be meant: every attacker binds an address of the loopback network, and dials one.
"""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio

from opusagent.testing.raw import CONTINUATION, PING, TEXT, frame, read_until

UPGRADE: Final = (
    b"GET /twilio/media HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

Attack = Callable[[int], Awaitable[None]]


async def crowd(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """`count` at once, each on its own; what the daemon does to one is no reason for the others to stop."""

    async def alone(number: int) -> None:
        with contextlib.suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            await one(number)

    async with trio.open_nursery() as attackers:
        for number in range(count):
            attackers.start_soon(alone, number)


async def dial(port: int, number: int) -> trio.SocketStream:
    """A connection from one of several addresses of this machine: a single one is let in only so often."""
    tcp = trio.socket.socket()
    await tcp.bind((f"127.0.0.{2 + number % 8}", 0))
    await tcp.connect(("127.0.0.1", port))
    return trio.SocketStream(tcp)


async def send_slowly(port: int, number: int) -> None:
    """A byte of a request every second."""
    async with await dial(port, number) as line:
        for byte in UPGRADE:
            await line.send_all(bytes([byte]))
            await trio.sleep(1)


async def say_nothing(port: int, number: int) -> None:
    """A connection and no more."""
    async with await dial(port, number) as line:
        await line.receive_some()


async def over_and_over(port: int, number: int, data: bytes, *, reads: bool) -> None:
    """Connect, send, read or not, leave, and again."""
    while True:
        await trio.lowlevel.checkpoint()
        with contextlib.suppress(OSError, trio.BrokenResourceError):
            async with await dial(port, number) as line:
                if data:
                    await line.send_all(data)
                if reads:
                    await line.receive_some()


async def after_the_upgrade(port: int, number: int, data: bytes, *, repeats: bool) -> None:
    """Be let in, then send `data`, once or for ever, and read what comes."""
    async with await dial(port, number) as line, trio.open_nursery() as both:
        await line.send_all(UPGRADE)
        await read_until(line, b"\r\n\r\n")
        both.start_soon(_read_all, line)
        await line.send_all(data)
        while repeats:
            await line.send_all(data)
        await trio.sleep_forever()


async def _read_all(line: trio.SocketStream) -> None:
    while await line.receive_some():
        pass
    raise trio.BrokenResourceError


def attack(count: int, one: Callable[[int, int], Awaitable[None]]) -> Attack:
    """`count` attackers, each of whom does `one`."""

    async def all_of_them(port: int) -> None:
        await crowd(count, partial(one, port))

    return all_of_them


def again(data: bytes) -> Attack:
    """Eight who connect, send `data`, hear what is said to it, and do it again."""
    return attack(8, partial(over_and_over, data=data, reads=True))


def inside(count: int, data: bytes, *, repeats: bool) -> Attack:
    """`count` who are let in and then send `data`."""
    return attack(count, partial(after_the_upgrade, data=data, repeats=repeats))


HUGE: Final = UPGRADE[:-2] + b"X: " + b"x" * 32_000 + b"\r\n\r\n"
BOMB: Final = frame(TEXT, b'{"event":' + b"[" * 30_000)
FRAGMENTS: Final = frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 500
ATTACKS: Final[Mapping[str, Attack]] = {
    "slow handshakes": attack(400, send_slowly),
    "idle flood": attack(1000, say_nothing),
    "half-open calls (no start)": inside(60, b"", repeats=False),
    "connect and close": attack(8, partial(over_and_over, data=b"", reads=False)),
    "requests for nothing": again(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    "huge headers": again(HUGE),
    "garbage for HTTP": again(b"\x16\x03\x01 hello\r\n\r\n"),
    "bad UTF-8": again(UPGRADE + frame(TEXT, b"\xff\xfe")),
    "compressed frames": again(UPGRADE + frame(TEXT, b"x", rsv=4)),
    "fragments without end": inside(8, FRAGMENTS, repeats=True),
    "ping flood": inside(4, frame(PING, b"x" * 100) * 200, repeats=True),
    "JSON bombs": again(UPGRADE + BOMB),
    "messages of 1 MB": inside(8, frame(TEXT, b"x" * 1_000_000), repeats=False),
}
"""By name; the number is how many attack at once."""


async def assail(name: str, port: int, seconds: float) -> None:
    """Attack for so long, and leave."""
    with trio.move_on_after(seconds):
        await ATTACKS[name](port)


if __name__ == "__main__":
    trio.run(assail, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
