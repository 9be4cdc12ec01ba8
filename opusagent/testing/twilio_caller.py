"""A caller on a Twilio media stream: the platform's side of the socket, with the truth about what was heard.

It speaks as Twilio does (`connected`, `start`, a frame of 160 bytes every 20 ms whether anybody talks or not, `stop`)
and plays out as Twilio does (`TwilioPlayout`). All timing is trio's clock, so that the same caller serves in virtual
time over a memory pair and in real time over a socket. Beside the 20 ms of the mouth there is one timer, for the next
echo of a mark; what is heard is computed.
"""

import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Final, assert_never

import attrs
import trio

from opusagent.errors import NORMAL_CLOSURE, OpusagentError, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import Unknown
from opusagent.platforms.twilio import BridgeMessage, Clear, OutboundMark, OutboundMedia, parse_bridge_message
from opusagent.testing.twilio_messages import Identity, PlatformMessages
from opusagent.testing.twilio_playout import BYTES_PER_SECOND, Cleared, Heard, ReachedMark, TwilioPlayout
from opusagent.units import LoopTime, Ms, Mulaw

FRAME_BYTES: Final = 160
FRAME_SECONDS: Final = FRAME_BYTES / BYTES_PER_SECOND
SILENT_FRAME: Final = Mulaw(b"\xff" * FRAME_BYTES)

# Twilio takes no more audio, and warns with 31931, when about ten minutes are queued.
MOST_QUEUED: Final = Ms(600_000)

CLOSE_SECONDS: Final = 2.0

# RFC 6455 section 7.4.1: no close frame came.
ABNORMAL_CLOSURE: Final = 1006

NOBODY_IN_PARTICULAR: Final = Identity()

_NO_DELAY: Final = itertools.repeat(0.0)


@attrs.frozen
class Received:
    """A message of the bridge and when it came."""

    at: LoopTime
    message: BridgeMessage | Unknown


@attrs.frozen
class LineEnded:
    """When the line went dead and with which close code; NORMAL_CLOSURE if the caller hung up."""

    at: LoopTime
    code: int


@attrs.define
class _Word:
    """One frame to say. `said` is set when it has gone out."""

    frame: Mulaw
    said: trio.Event = attrs.field(factory=trio.Event)


class ScriptedTwilioCaller:
    """One caller, one call. Enter `on_the_line` once, then say, hear, press and hang up as the script wants."""

    def __init__(
        self,
        socket: MessageSocket,
        identity: Identity = NOBODY_IN_PARTICULAR,
        *,
        arrival_delays: Iterator[float] = _NO_DELAY,
        echo_delays: Iterator[float] = _NO_DELAY,
        start_delay: float = 0.0,
    ) -> None:
        """A caller at the other end of `socket`.

        Args:
            socket: the platform's end of the connection to the bridge.
            identity: who calls whom.
            arrival_delays: for each message of the bridge, how many seconds it is under way; order is kept.
            echo_delays: for each mark, how many seconds its echo is held back after it is reached; order is kept.
            start_delay: how many seconds the platform waits between `connected` and `start`.
        """
        self.identity: Final = identity
        self.received: Final[list[Received]] = []
        """Every message that could be read, as it came from the socket."""
        self.complaints: Final[list[str]] = []
        """How the bridge broke the protocol, or the house's own rule of 160 bytes a message."""
        self.echoed: Final[list[ReachedMark]] = []
        """The marks that were sent back."""
        self._socket: Final = socket
        self._arrival_delays: Final = arrival_delays
        self._echo_delays: Final = echo_delays
        self._start_delay: Final = start_delay
        self._messages: Final = PlatformMessages(identity)
        self._playout: Final = TwilioPlayout()
        self._words: Final[deque[_Word]] = deque()
        self._pen: Final = trio.Lock()
        self._line: Final = trio.CancelScope()
        self._last_arrival = LoopTime(0.0)
        self._news = trio.Event()
        self._ended: LineEnded | None = None

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What the caller has heard up to now, or up to the end of the line."""
        return self._playout.heard(self._now())

    @property
    def heard_bytes(self) -> int:
        """How much of it: 8 bytes are one millisecond."""
        return self._playout.heard_bytes(self._now())

    @property
    def cleared(self) -> tuple[Cleared, ...]:
        """What was sent and taken back before it was heard."""
        return tuple(self._playout.cleared)

    @property
    def queued(self) -> Ms:
        """How much the platform holds that has not been played yet."""
        return self._playout.queued(self._now())

    @property
    def ended(self) -> LineEnded | None:
        """How and when the line ended, if it has."""
        return self._ended

    @asynccontextmanager
    async def on_the_line(self) -> AsyncGenerator[None, None]:
        """Be connected: the call begins, and the socket is closed on the way out, without a `stop` if nobody hung up.

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

    async def say(self, words: Mulaw) -> None:
        """Speak, behind what is still being said. Returns when the last frame went out, filled up with silence.

        Raises `PeerGone` if the line ends before.
        """
        await trio.lowlevel.checkpoint()
        self._check_line()
        frames = [words[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff") for at in range(0, len(words), FRAME_BYTES)]
        spoken = [_Word(Mulaw(frame)) for frame in frames]
        self._words.extend(spoken)
        for word in spoken[-1:]:
            await word.said.wait()
        self._check_line()

    async def silence(self, ms: Ms) -> None:
        """Say nothing for `ms`, behind what is still being said. Raises as `say`."""
        await self.say(Mulaw(b"\xff" * (ms * BYTES_PER_SECOND // 1000)))

    async def hear(self, ms: Ms) -> None:
        """Listen until `ms` more have been heard. Raises `PeerGone` if the line ends before."""
        wanted = self.heard_bytes + ms * BYTES_PER_SECOND // 1000
        await self._until(lambda: self._playout.when_heard(wanted))

    async def quiet(self, ms: Ms) -> None:
        """Listen until nothing has been heard for `ms`, from now on or since the last sound. Raises as `hear`."""
        begun = trio.current_time()
        await self._until(lambda: LoopTime(max(begun, self._playout.busy_until) + ms / 1000))

    async def press(self, keys: str) -> None:
        """Press keys, one after the other. Raises `PeerGone` if the line has ended."""
        for key in keys:
            await self._send(partial(self._messages.key, key))
        await trio.lowlevel.checkpoint()

    async def hang_up(self) -> None:
        """Leave: the platform says `stop` and closes. Nothing happens if the line has ended already."""
        with suppress(PeerGone, PeerStalled):
            await self._send(self._messages.stop)
        self._end(NORMAL_CLOSURE)
        await self._socket.close()

    async def until_ended(self) -> LineEnded:
        """Wait until the bridge hangs up, and say how."""
        await trio.lowlevel.checkpoint()
        while self._ended is None:
            await self._news.wait()
        return self._ended

    # The three parts of a caller.

    async def _be_connected(self) -> None:
        with self._line:
            async with trio.open_nursery() as parts:
                parts.start_soon(self._mouth)
                parts.start_soon(self._ear)
                parts.start_soon(self._echo_marks)

    async def _mouth(self) -> None:
        """Announce the call, then a frame every 20 ms. The n-th leaves at its own time: lateness does not add up."""
        with self._losing_voice():
            await self._socket.send(self._messages.connected())
            await trio.sleep(self._start_delay)
            await self._send(self._messages.start)
            begun = trio.current_time()
            for count in itertools.count(1):
                await trio.sleep_until(begun + count * FRAME_SECONDS)
                await self._say_one_frame()

    async def _say_one_frame(self) -> None:
        """The next word leaves the queue when it has gone out: nobody waits for one that is lost with the line."""
        word = self._words[0] if self._words else _Word(SILENT_FRAME)
        await self._send(partial(self._messages.media, word.frame))
        if self._words and self._words[0] is word:
            self._words.popleft().said.set()

    async def _ear(self) -> None:
        """Take every message at once; a delay moves its time, never the reading of the next one."""
        with self._losing_hearing():
            while True:
                text = await self._socket.receive()
                now = LoopTime(trio.current_time())
                self._last_arrival = LoopTime(max(self._last_arrival, now + next(self._arrival_delays)))
                self._read(text, now)
                self._wake()

    async def _echo_marks(self) -> None:
        with self._losing_voice():
            while True:
                with trio.move_on_at(self._playout.next_echo()):
                    await self._news.wait()
                for mark in self._playout.take_echoes(LoopTime(trio.current_time())):
                    await self._send(partial(self._messages.mark, mark.name))
                    self.echoed.append(mark)

    @contextmanager
    def _losing_voice(self) -> Generator[None, None, None]:
        """What a bridge said before it went is still to be read: the mouth stops, and the ear ends the line."""
        try:
            yield
        except PeerGone:
            return
        except PeerStalled as stalled:
            self._end_badly(stalled)

    @contextmanager
    def _losing_hearing(self) -> Generator[None, None, None]:
        try:
            yield
        except PeerGone as gone:
            self._end(gone.code)
        except (PeerStalled, RemoteProtocolError) as fault:
            self._end_badly(fault)

    def _read(self, text: str, now: LoopTime) -> None:
        try:
            message = parse_bridge_message(text)
        except RemoteProtocolError as fault:
            self.complaints.append(str(fault))
            return
        self.received.append(Received(now, message))
        self._take(message, self._last_arrival)

    def _take(self, message: BridgeMessage | Unknown, at: LoopTime) -> None:
        if isinstance(message, Unknown):
            self.complaints.append(f"{message.kind}: Twilio knows no such message")
            return
        if not self._messages.has_started:
            self.complaints.append(f"{message.event}: came before start")
        if message.streamSid != self.identity.stream_sid:
            self.complaints.append(f"{message.event}: for the stream {message.streamSid}, which is not this one")
            return
        match message:
            case OutboundMedia():
                self._take_audio(Mulaw(message.media.payload), at)
            case OutboundMark():
                self._playout.mark(message.mark.name, at, echo_delay=next(self._echo_delays))
            case Clear():
                self._playout.clear(at)
            case _:
                assert_never(message)

    def _take_audio(self, audio: Mulaw, at: LoopTime) -> None:
        if len(audio) != FRAME_BYTES:
            self.complaints.append(f"media: {len(audio)} bytes, not {FRAME_BYTES}")
        if self._playout.queued(at) > MOST_QUEUED:
            self.complaints.append("media: discarded, ten minutes are queued (31931)")
            return
        self._playout.play(audio, at)

    async def _send(self, message: Callable[[], str]) -> None:
        """Send a message that is written when its turn has come: numbers leave in order, whichever part sends."""
        async with self._pen:
            self._check_line()
            await self._socket.send(message())

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
        for word in self._words:
            word.said.set()
        self._wake()

    def _end_badly(self, fault: OpusagentError) -> None:
        if self._ended is None:
            self.complaints.append(str(fault))
        self._end(ABNORMAL_CLOSURE)

    def _check_line(self) -> None:
        if self._ended is not None:
            raise PeerGone("the line has ended", code=self._ended.code)

    def _now(self) -> LoopTime:
        return LoopTime(trio.current_time()) if self._ended is None else self._ended.at
