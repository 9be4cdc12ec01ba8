"""Two `MessageSocket`s joined in memory: the contract of the real ones, on any clock, with faults on command.

Messages sent before a close are received before it; what was on its way when a connection breaks is lost. Each end
keeps the error that it meets once the connection is over, because the two sides of one event are told differently: who
sends too much is told that its peer closed (1009), and the peer that the protocol was broken.
"""

import math
from collections import deque
from typing import Final

import trio
from attrs import define, field

from opusagent.errors import (
    MESSAGE_TOO_BIG,
    NORMAL_CLOSURE,
    LocalProtocolError,
    OpusagentError,
    PeerGone,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.limits import PLATFORM, SocketLimits

VANISHED: Final = 1006  # RFC 6455 section 7.1.5


def memory_pair(limits: SocketLimits = PLATFORM) -> tuple["MemorySocket", "MemorySocket"]:
    """Two ends of one connection, both bounded by `limits`: what is sent into either is received from the other."""
    left, right, changed = _End(), _End(), trio.lowlevel.ParkingLot()
    return MemorySocket(left, right, changed, limits), MemorySocket(right, left, changed, limits)


@define(eq=False)
class _End:
    """What one end has received and not taken, and the error that it meets when that is taken."""

    inbox: deque[str] = field(factory=deque[str], init=False)
    over: OpusagentError | None = field(default=None, init=False)
    frozen: bool = field(default=False, init=False)
    frozen_at: float = field(default=0.0, init=False)


class MemorySocket:
    """One end of a `memory_pair`. `vanish` and `stall` are what networks and stopped processes do."""

    def __init__(self, mine: _End, peer: _End, changed: trio.lowlevel.ParkingLot, limits: SocketLimits) -> None:
        self._mine: Final = mine
        self._peer: Final = peer
        self._changed: Final = changed
        self._limits: Final = limits

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        since = trio.current_time()
        while not self._mine.inbox or self._mine.frozen:
            await self._hear_or_give_up(since)
        self._changed.unpark_all()
        return self._mine.inbox.popleft()

    async def send(self, *messages: str) -> None:
        await trio.lowlevel.checkpoint()
        if self._mine.frozen:
            await trio.sleep_forever()
        sizes = [_octets(message) for message in messages]
        with trio.move_on_after(self._limits.send_seconds) as patience:
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
                for message, size in zip(messages, sizes, strict=True):
                    self._check()
                    while len(self._peer.inbox) >= self._limits.queued_messages:
                        await self._changed.park()
                        self._check()
                    self._deliver(message, size)
            except trio.Cancelled:
                self.vanish()  # the peer may have got half of it
                raise
        if patience.cancelled_caught:
            stalled = PeerStalled(f"the peer took no bytes for {self._limits.send_seconds:g} s")
            self._mine.over = stalled
            raise stalled

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        said = f"the connection was closed with {code}" + (f": {reason}" if reason else "")
        over = self._mine.over is not None
        self._mine.inbox.clear()
        self._end(PeerGone(said, code=code), PeerGone(said, code=code))
        await trio.lowlevel.checkpoint()
        if self._peer.frozen and not over:
            await trio.sleep(self._limits.close_seconds)

    def vanish(self) -> None:
        """Break the connection as a reset does: no close frame, and what is on its way is lost, both ways."""
        self._mine.inbox.clear()
        self._peer.inbox.clear()
        broken = "the connection broke without a close frame"
        self._end(PeerGone(broken, code=VANISHED), PeerGone(broken, code=VANISHED))

    def stall(self) -> None:
        """Stop this end for good, as SIGSTOP does a process: it takes, gives, and answers pings no more."""
        self._mine.frozen, self._mine.frozen_at = True, trio.current_time()
        self._changed.unpark_all()

    def half_close(self) -> None:
        """End this end's half of the connection: the peer meets a broken line, and this end its leaving."""
        self._peer.over = self._peer.over or PeerGone("the connection broke without a close frame", code=VANISHED)
        self._changed.unpark_all()

    def _end(self, mine: OpusagentError, peer: OpusagentError) -> None:
        self._mine.over = self._mine.over or mine
        self._peer.over = self._peer.over or peer
        self._changed.unpark_all()

    def _check(self) -> None:
        if self._mine.over is not None:
            raise self._mine.over.with_traceback(None)

    async def _hear_or_give_up(self, since: float) -> None:
        """Wait until something changes: a frozen peer is silent, and its pongs are missed."""
        self._check()
        bound = self._limits.ping_seconds + self._limits.pong_seconds
        asks = self._peer.frozen and not self._mine.frozen
        with trio.move_on_at(max(since, self._peer.frozen_at) + bound if asks else math.inf) as patience:
            await self._changed.park()
        if patience.cancelled_caught:
            silent = PeerStalled(f"the peer sent nothing for {bound:g} s and answered no ping")
            self._end(silent, PeerGone("the connection broke without a close frame", code=VANISHED))

    def _deliver(self, message: str, size: int) -> None:
        if size <= self._limits.message_bytes:
            self._peer.inbox.append(message)
            self._changed.unpark_all()
            return
        text = f"a message of more than {self._limits.message_bytes} bytes"
        told = PeerGone(f"the connection was closed with {MESSAGE_TOO_BIG}: {text}", code=MESSAGE_TOO_BIG)
        self._end(told, RemoteProtocolError(text, close_code=MESSAGE_TOO_BIG))


def _octets(message: str) -> int:
    try:
        return len(message.encode())
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a message to send is not Unicode text: {error.reason}") from None
