"""A caller by any platform: words that wait for the mouth, sound at the ear, and the end of the line.

Everything here is the same for every platform; which messages say it, and when, is the business of the platform's own
caller. All timing is trio's clock, so that the same caller serves in virtual time over a memory pair and in real time
over a socket. What is heard is computed.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Generic, TypeVar

import attrs
import trio

from opusagent.audio.media import MediaFormat
from opusagent.errors import NORMAL_CLOSURE, OpusagentError, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.testing.play_queue import Cleared, Heard, PlayQueue
from opusagent.units import LoopTime, Ms

CLOSE_SECONDS: Final = 2.0

# RFC 6455 section 7.4.1: no close frame came.
ABNORMAL_CLOSURE: Final = 1006

NO_DELAY: Final = itertools.repeat(0.0)

NEVER: Final = LoopTime(math.inf)

M = TypeVar("M")
Q = TypeVar("Q", bound=PlayQueue)


@attrs.frozen
class Received(Generic[M]):
    """A message of the bridge and when it came."""

    at: LoopTime
    message: M


@attrs.frozen
class LineEnded:
    """When the line went dead and with which close code; NORMAL_CLOSURE if the caller hung up."""

    at: LoopTime
    code: int


@attrs.define
class _Words:
    """Speech up to the `end`-th byte ever said. `said` is set when it has gone out."""

    end: int
    said: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Mouth:
    """What the caller says, as a stream of whole samples: speech as far as there is some, silence otherwise."""

    media: MediaFormat
    _sound: bytearray = attrs.field(factory=bytearray, init=False)
    _gone_out: int = attrs.field(default=0, init=False)
    _words: deque[_Words] = attrs.field(factory=deque[_Words], init=False)

    def say(self, words: bytes) -> trio.Event:
        """Say `words` behind what is still being said. The event is set when the last of them has gone out."""
        self._sound += words
        spoken = _Words(self._gone_out + len(self._sound))
        self._words.append(spoken)
        return spoken.said

    def next(self, count: int) -> bytes:
        """The next `count` bytes for the line. They are given again until they have gone out."""
        missing = count - len(self._sound)
        if missing > 0:
            self._sound += self.media.silence * -(-missing // self.media.bytes_per_sample)
        return bytes(self._sound[:count])

    def align(self) -> None:
        """Begin anew with a whole sample: half of one that went out before has no other half."""
        self.let_go(len(self._sound) % self.media.bytes_per_sample)

    def let_go(self, count: int) -> None:
        """So many bytes have gone out."""
        del self._sound[:count]
        self._gone_out += count
        while self._words and self._words[0].end <= self._gone_out:
            self._words.popleft().said.set()

    def give_up(self) -> None:
        """Nothing goes out any more: whoever waits is told."""
        for words in self._words:
            words.said.set()


class ScriptedCaller(ABC, Generic[M, Q]):
    """One caller, one call: enter `on_the_line` once, then say and hear as the script wants.

    `M` is what a bridge may say, `Q` the platform's play queue.
    """

    def __init__(self, socket: MessageSocket, queue: Q, arrival_delays: Iterator[float]) -> None:
        self.received: Final[list[Received[M]]] = []
        """Every message that could be read, as it came from the socket."""
        self.complaints: Final[list[str]] = []
        """How the bridge broke the platform's protocol, or a rule of the house's own."""
        self._socket = socket
        self._queue = queue
        self._mouth = Mouth(queue.media)
        self._line = trio.CancelScope()
        self._arrival_delays: Final = arrival_delays
        self._last_arrival = LoopTime(0.0)
        self._news = trio.Event()
        self._ended: LineEnded | None = None

    @property
    def media(self) -> MediaFormat:
        """How the caller's words are written, and what is heard; known for sure once the call is taken."""
        return self._queue.media

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What the caller has heard up to now, or up to the end of the line."""
        return self._queue.heard(self._now())

    @property
    def heard_bytes(self) -> int:
        """How much of it."""
        return self._queue.heard_bytes(self._now())

    @property
    def cleared(self) -> tuple[Cleared, ...]:
        """What was sent and dropped before it was heard."""
        return tuple(self._queue.cleared)

    @property
    def queued(self) -> Ms:
        """How much the platform holds that has not been played yet."""
        return self._queue.queued(self._now())

    @property
    def ended(self) -> LineEnded | None:
        """How and when the line ended, if it has."""
        return self._ended

    @asynccontextmanager
    async def on_the_line(self) -> AsyncGenerator[None, None]:
        """Be connected: the call begins, and the socket is closed on the way out, without a goodbye if nobody left.

        An exception of the script leaves in an `ExceptionGroup`, as from any nursery.
        """
        try:
            async with trio.open_nursery() as call:
                call.start_soon(self._be_connected)
                yield
                self._end(NORMAL_CLOSURE)
        finally:
            self._end(NORMAL_CLOSURE)
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._socket.close()

    async def say(self, words: bytes) -> None:
        """Speak, behind what is still being said. Returns when the last of it went out.

        Raises `PeerGone` if the line ends before.
        """
        await self._connected()
        if words:
            await self._mouth.say(words).wait()
        self._check_line()

    async def silence(self, ms: Ms) -> None:
        """Say nothing for `ms`, behind what is still being said. Raises as `say`."""
        await self._connected()
        media = self._queue.media
        await self.say(media.silence * (media.bytes_of(ms) // media.bytes_per_sample))

    async def hear(self, ms: Ms) -> None:
        """Listen until `ms` more have been heard. Raises `PeerGone` if the line ends before."""
        await self._connected()
        wanted = self.heard_bytes + self._queue.media.bytes_of(ms)
        await self._until(lambda: self._queue.when_heard(wanted))

    async def quiet(self, ms: Ms) -> None:
        """Listen until nothing has been heard for `ms`, from now on or since the last sound. Raises as `hear`."""
        begun = trio.current_time()
        await self._until(lambda: LoopTime(max(begun, self._queue.busy_until) + ms / 1000))

    async def until_ended(self) -> LineEnded:
        """Wait until the line has ended, and say how."""
        await trio.lowlevel.checkpoint()
        while self._ended is None:
            await self._news.wait()
        return self._ended

    # What each platform does in its own way.

    @abstractmethod
    async def hang_up(self) -> None:
        """Leave, in the platform's words. Nothing happens if the line has ended already."""

    @abstractmethod
    async def _be_connected(self) -> None:
        """The platform's side of the connection, until the line ends."""

    @abstractmethod
    def _read(self, text: str) -> M:
        """What `text` says. Raises `RemoteProtocolError` if it says nothing."""

    @abstractmethod
    def _take(self, message: M, at: LoopTime) -> None:
        """Do what the platform does when `message` arrives `at` a time, which may be later than now."""

    async def _connected(self) -> None:
        """Wait until it is known how sound is written. Raises `PeerGone` if the line has ended."""
        await trio.lowlevel.checkpoint()
        self._check_line()

    def _lose(self, code: int) -> None:
        """The socket is gone, as `code` says."""
        self._end(code)

    # The ear, and what becomes of a voice.

    async def _listen(self) -> None:
        """Take every message at once; a delay moves its time, never the reading of the next one."""
        with self._losing_hearing():
            while True:
                text = await self._socket.receive()
                now = LoopTime(trio.current_time())
                self._last_arrival = LoopTime(max(self._last_arrival, now + next(self._arrival_delays)))
                self._hear_message(text, now)
                self._wake()

    def _hear_message(self, text: str, now: LoopTime) -> None:
        try:
            message = self._read(text)
        except RemoteProtocolError as fault:
            self.complaints.append(str(fault))
            return
        self.received.append(Received(now, message))
        self._take(message, self._last_arrival)

    @contextmanager
    def _losing_voice(self) -> Generator[None, None, None]:
        """What a bridge said before it went is still to be read: the mouth stops, and the ear ends the line."""
        try:
            yield
        except PeerGone:
            return
        except PeerStalled as stalled:
            self._lose_badly(stalled)

    @contextmanager
    def _losing_hearing(self) -> Generator[None, None, None]:
        try:
            yield
        except PeerGone as gone:
            self._lose(gone.code)
        except (PeerStalled, RemoteProtocolError) as fault:
            self._lose_badly(fault)

    # Waiting and ending.

    async def _until(self, moment: Callable[[], LoopTime]) -> None:
        """Wait for a moment that arriving messages may move."""
        await trio.lowlevel.checkpoint()
        while self._ended is None and trio.current_time() < (due := moment()):
            with trio.move_on_at(due):
                await self._news.wait()
        self._check_line()

    def _wake(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()

    def _end(self, code: int) -> None:
        """The line is dead: the first reason stays, every part stops, and whoever waits is told."""
        if self._ended is None:
            self._ended = LineEnded(LoopTime(trio.current_time()), code)
        self._line.cancel()
        self._mouth.give_up()
        self._wake()

    def _lose_badly(self, fault: OpusagentError) -> None:
        if self._ended is None:
            self.complaints.append(str(fault))
        self._lose(ABNORMAL_CLOSURE)

    def _check_line(self) -> None:
        if self._ended is not None:
            raise PeerGone("the line has ended", code=self._ended.code)

    def _now(self) -> LoopTime:
        return LoopTime(trio.current_time()) if self._ended is None else self._ended.at
