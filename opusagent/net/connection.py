"""One WebSocket whose opening handshake is done: who reads, who answers pings, and how it ends.

Whoever receives reads the stream itself: a message goes from the kernel to its owner without another task in between.
The socket's own task, `tend`, does what is nobody's turn: it answers pings, asks a silent peer whether it is alive,
reads on when the owner has not asked for anything for a while, and says goodbye.

                 take() <--- FrameReader <--- guarded stream        (one reader at a time)
                                  ^--- tend(), while nobody takes, into a bounded queue
                 put()  ---> [one writer at a time] ---> guarded stream <--- pongs, pings, close: tend()

It ends by one value, `_end`: the error that is told to whoever receives or sends from then on. The first counts. What
was received before it is still taken first, unless it was we who left.
"""

import contextlib
import math
import os
from collections import deque
from collections.abc import Sequence
from typing import Final

import trio

from opusagent.errors import OpusagentError, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.frames import FrameReader, Goodbye, Opcode, Ping, answer_to, write_frame, write_goodbye
from opusagent.net.guard import GuardedStream
from opusagent.net.limits import SocketLimits
from opusagent.units import LoopTime

VANISHED: Final = 1006
"""RFC 6455 section 7.1.5: what the close code is considered to be where there was no close frame."""

LOOK: Final = 0.5
"""Seconds after which it is noticed that nobody receives. Until then a ping waits for its answer."""

LATE: Final = 0.5
"""Seconds behind its time at which an alarm tells of this process and not of the peer: it was stopped, or held."""

_IN_A_ROW: Final = 16
"""Messages that are taken without a turn for other tasks. What one read brings may be hundreds."""


class Connection:
    """One open connection. `glued` came behind the handshake. `is_client`: we dialled, so what we send is masked."""

    def __init__(self, guard: GuardedStream, limits: SocketLimits, glued: bytes, *, is_client: bool) -> None:
        self._guard: Final = guard
        self._limits: Final = limits
        self._is_client: Final = is_client
        self._frames: Final = FrameReader(limits, masked=not is_client)
        self._frames.push(glued)
        self._queue: Final[deque[str]] = deque()  # what was received and nobody took
        self._queued_bytes = 0
        self._in_a_row = 0
        self._pings: Final[list[Ping]] = []
        self._end: OpusagentError | None = None
        self._words: Goodbye | None = None  # what our close frame says, once there is to be one
        self._their_words: Goodbye | None = None
        self._is_read = self._is_written = False
        self._standby: trio.CancelScope | None = None
        self._silent_since: LoopTime | None = None  # since when somebody reads and nothing comes
        self._asked: tuple[LoopTime, LoopTime] | None = None  # about the silence since then, at that time
        self._takers = 0  # who wait until they may read
        self._bell = trio.Event()
        self._changed: Final = trio.lowlevel.ParkingLot()
        self._turn: Final = trio.lowlevel.ParkingLot()
        self._dry: Final = trio.Event()  # nothing more can be read
        self._gone: Final = trio.Event()

    # -- what the owner does -----------------------------------------------------------------------------------

    async def take(self) -> str:
        """The next message. Raises why there is none and never will be."""
        if self._queue or self._frames.holds_any or self._end is not None:
            await self._pause()  # else whatever comes is waited for, which is a pause
        while (message := self._next()) is None:
            if self._end is not None:
                raise self._end.with_traceback(None)
            if self._is_read or self._pings:
                await self._wait_to_read()
            else:
                self._in_a_row = 0
                self._frames.push(await self._read())
        return message

    async def put(self, messages: Sequence[str]) -> None:
        """Send `messages` in one write. Raises why it cannot; UnicodeEncodeError with nothing sent."""
        frames = [write_frame(Opcode.TEXT, each.encode(), self._key()) for each in messages]
        if not await self._write(b"".join(frames)):
            raise (self._end or self._lost()).with_traceback(None)

    async def part(self, code: int, reason: str) -> None:
        """Send a close frame, read on until the peer's, and close the stream; `tend` does it, and bounds it."""
        self._queue.clear()
        self._leave(Goodbye(code, reason), PeerGone(_closed_with(code, reason), code=code))
        try:
            await self._gone.wait()
        finally:
            await trio.aclose_forcefully(self._guard)

    # -- what the socket's own task does -----------------------------------------------------------------------

    async def tend(self) -> None:
        """Be there until the connection is over, and leave nothing behind. Never raises for what a peer does."""
        try:
            while self._end is None:
                await self._attend()
            with trio.move_on_after(self._limits.close_seconds):
                await self._take_leave()
        finally:
            self._finish(self._lost())
            self._gone.set()
            await trio.aclose_forcefully(self._guard)

    async def _attend(self) -> None:
        """Wait for something to do, and do it: pings to answer, a silence to ask about, a stream that nobody reads."""
        with trio.move_on_at(min(trio.current_time() + LOOK, self._alarm())) as patience:
            await self._bell.wait()
        self._bell = trio.Event()
        await self._answer_pings()
        await self._ask()
        if patience.cancelled_caught:
            await self._stand_by()

    async def _stand_by(self) -> None:
        """Read while nobody else does, into the queue, until it is full or somebody comes."""
        while self._end is None and not (self._is_read or self._takers):
            self._fill_queue()
            if self._pings:
                await self._answer_pings()
                continue
            if self._is_full or self._end is not None:
                break
            self._silent_since = self._silent_since or LoopTime(trio.current_time())
            with trio.CancelScope(deadline=self._alarm()) as self._standby:
                self._frames.push(await self._read())
            self._standby = None
            await self._ask()
        if not self._is_read:
            self._silent_since = None  # nobody listens: what is not heard is no evidence against the peer

    async def _answer_pings(self) -> None:
        while self._pings and self._is_written:
            await self._turn.park()
        if self._pings and self._end is None:  # else they go with the goodbye
            await self._write(self._pongs())
        self._changed.unpark_all()

    def _pongs(self) -> bytes:
        """The answers that are owed, each once."""
        pongs = b"".join([write_frame(Opcode.PONG, each.payload, self._key()) for each in self._pings])
        self._pings.clear()
        return pongs

    def _alarm(self) -> float:
        """When the peer's silence is worth a thought."""
        since = self._silent_since
        if since is None:
            return math.inf
        if self._asked is None or self._asked[0] != since:
            return since + self._limits.ping_seconds
        return self._asked[1] + self._limits.pong_seconds

    async def _ask(self) -> None:
        """Ask a peer that has been silent for long whether it is alive; give up one that has not answered.

        A process that stood still has heard nobody meanwhile: it asks anew, and blames no peer for its own silence.
        """
        now, since, alarm = LoopTime(trio.current_time()), self._silent_since, self._alarm()
        if since is None or now < alarm or self._end is not None:
            return
        if self._asked is None or self._asked[0] != since or now - alarm > LATE:
            self._asked = since, now
            await self._write(write_frame(Opcode.PING, b"", self._key()))
            return
        bound = self._limits.ping_seconds + self._limits.pong_seconds
        self._finish(PeerStalled(f"the peer sent nothing for {bound:g} s and answered no ping"))
        await trio.aclose_forcefully(self._guard)

    async def _take_leave(self) -> None:
        """Say goodbye where there is something to say, and read on until theirs, or until they leave.

        The server closes the stream first (RFC 6455 section 7.1.1). A peer that broke the protocol is read until it
        leaves, because a reset would destroy the close frame on its way.
        """
        broke = isinstance(self._end, RemoteProtocolError)
        if self._words is not None:
            goodbye = write_goodbye(self._words.code, self._words.reason, self._key())
            await self._write(self._pongs() + goodbye, farewell=True)
        if broke:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._guard.send_eof()
        while not self._dry.is_set():
            if not broke and self._hear_goodbye() and not self._is_client:
                break
            if self._is_read:
                await self._changed.park()
            else:
                rest = await self._read()
                if not broke:
                    self._frames.push(rest)

    # -- what both do --------------------------------------------------------------------------------------------

    async def _pause(self) -> None:
        """Be cancelled, and let others have their turn now and then."""
        self._in_a_row += 1
        if self._in_a_row > _IN_A_ROW:
            self._in_a_row = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _wait_to_read(self) -> None:
        self._takers += 1
        try:
            self._call_off_standby()
            await self._changed.park()
        finally:
            self._takers -= 1

    async def _read(self) -> bytes | bytearray:
        """What comes next; b"" once nothing will. Nobody else reads meanwhile."""
        self._is_read = True
        if self._silent_since is None:
            self._silent_since = LoopTime(trio.current_time())
        heard: bytes | bytearray = b""
        try:
            heard = await self._guard.receive_some(self._limits.read_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._is_read = False
            if heard or self._standby is None:
                self._silent_since = None
            if self._takers or self._end is not None:
                self._changed.unpark_all()
        if not heard:
            self._dry.set()
            self._finish(self._lost())
        return heard

    async def _write(self, data: bytes, *, farewell: bool = False) -> bool:
        """Write frames, unless the connection is over: nothing follows our close frame (RFC 6455 section 5.5.1)."""
        while self._is_written:
            await self._turn.park()
        if self._end is not None and not farewell:
            return False
        self._is_written = True
        try:
            await self._guard.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._finish(self._lost())
            return False
        finally:
            self._is_written = False
            self._turn.unpark_all()
        return True

    def _key(self) -> bytes:
        """The mask of one frame: nobody may be able to foresee it (RFC 6455 section 10.3)."""
        return os.urandom(4) if self._is_client else b""

    @property
    def _is_full(self) -> bool:
        return len(self._queue) > self._limits.queued_messages or self._queued_bytes > self._limits.queued_bytes

    def _fill_queue(self) -> None:
        while not self._is_full and (message := self._parsed()) is not None:
            self._queue_up(message)

    def _queue_up(self, message: str) -> None:
        self._queue.append(message)
        self._queued_bytes += len(message)

    def _next(self) -> str | None:
        if not self._queue:
            return self._parsed()
        message = self._queue.popleft()
        self._queued_bytes -= len(message)
        return message

    def _parsed(self) -> str | None:
        """The next message of what was read; None also while it waits behind pings that are to be answered."""
        while self._end is None:
            try:
                heard = self._frames.next()
            except RemoteProtocolError as error:
                self._leave(Goodbye(error.close_code, str(error)), error)
                return None
            match heard:
                case Ping():
                    self._pings.append(heard)
                    self._bell.set()
                case str() if self._pings:
                    self._queue_up(heard)
                    return None
                case Goodbye(code=code, reason=reason):
                    self._their_words = heard
                    self._leave(Goodbye(answer_to(heard)), PeerGone(_closed_with(code, reason), code=code))
                case _:
                    return heard
        return None

    def _hear_goodbye(self) -> bool:
        """Whether their close frame is here, after whatever else they still said."""
        with contextlib.suppress(RemoteProtocolError):
            while self._their_words is None and (heard := self._frames.next()) is not None:
                if isinstance(heard, Goodbye):
                    self._their_words = heard
        return self._their_words is not None

    def _leave(self, words: Goodbye, end: OpusagentError) -> None:
        """End, with a close frame, unless it has ended."""
        if self._end is None:
            self._words = words
            self._finish(end)

    def _finish(self, end: OpusagentError) -> None:
        if self._end is None:
            self._end = end
            self._bell.set()
            self._changed.unpark_all()
            self._call_off_standby()

    def _call_off_standby(self) -> None:
        if self._standby is not None:
            self._standby.cancel()

    def _lost(self) -> OpusagentError:
        if self._guard.stalled:
            return PeerStalled(f"the peer took no bytes for {self._limits.send_seconds:g} s")
        return PeerGone("the connection broke without a close frame", code=VANISHED)


def _closed_with(code: int, reason: str) -> str:
    return f"the connection was closed with {code}" + (f": {reason}" if reason else "")
