"""A caller on a Twilio media stream: the platform's side of the socket, with the truth about what was heard.

It speaks as Twilio does (`connected`, `start`, a frame of 160 bytes every 20 ms whether anybody talks or not, `stop`)
and plays out as Twilio does (`TwilioPlayout`). Beside the 20 ms of the mouth there is one timer, for the next echo of
a mark.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias, assert_never

import trio
from typing_extensions import override

from opusagent.errors import NORMAL_CLOSURE, PeerGone, PeerStalled
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import Unknown
from opusagent.platforms.twilio import BridgeMessage, Clear, OutboundMark, OutboundMedia, parse_bridge_message
from opusagent.testing.caller import NO_DELAY, ScriptedCaller
from opusagent.testing.twilio_messages import Identity, PlatformMessages
from opusagent.testing.twilio_playout import ReachedMark, TwilioPlayout
from opusagent.units import LoopTime, Ms, Mulaw

FRAME_BYTES: Final = 160
FRAME_SECONDS: Final = 0.02

# Twilio takes no more audio, and warns with 31931, when about ten minutes are queued.
MOST_QUEUED: Final = Ms(600_000)

NOBODY_IN_PARTICULAR: Final = Identity()

FromBridge: TypeAlias = BridgeMessage | Unknown


class ScriptedTwilioCaller(ScriptedCaller[FromBridge, TwilioPlayout]):
    """One caller, one call. Enter `on_the_line` once, then say, hear, press and hang up as the script wants."""

    def __init__(
        self,
        socket: MessageSocket,
        identity: Identity = NOBODY_IN_PARTICULAR,
        *,
        arrival_delays: Iterator[float] = NO_DELAY,
        echo_delays: Iterator[float] = NO_DELAY,
        start_delay: float = 0.0,
        frame_bytes: int = FRAME_BYTES,
    ) -> None:
        """A caller at the other end of `socket`.

        Args:
            socket: the platform's end of the connection to the bridge.
            identity: who calls whom.
            arrival_delays: for each message of the bridge, how many seconds it is under way; order is kept.
            echo_delays: for each mark, how many seconds its echo is held back after it is reached; order is kept.
            start_delay: how many seconds the platform waits between `connected` and `start`.
            frame_bytes: how much sound a message has; more than Twilio's makes a long call cheap to play.
        """
        super().__init__(socket, TwilioPlayout(), arrival_delays)
        self.identity: Final = identity
        self.echoed: Final[list[ReachedMark]] = []
        """The marks that were sent back."""
        self.is_mute = False
        """Whether no frames come from the platform: what the caller says waits, and everything else goes on."""
        self._echo_delays: Final = echo_delays
        self._start_delay: Final = start_delay
        self._frame_bytes: Final = frame_bytes
        self._messages: Final = PlatformMessages(identity)
        self._pen: Final = trio.Lock()

    async def press(self, keys: str) -> None:
        """Press keys, one after the other. Raises `PeerGone` if the line has ended."""
        for key in keys:
            await self._send(partial(self._messages.key, key))
        await trio.lowlevel.checkpoint()

    @override
    async def hang_up(self) -> None:
        """Leave: the platform says `stop` and closes. Nothing happens if the line has ended already."""
        with suppress(PeerGone, PeerStalled):
            await self._send(self._messages.stop)
        self._end(NORMAL_CLOSURE)
        await self._socket.close()

    # The three parts of a caller.

    @override
    async def _be_connected(self) -> None:
        with self._line:
            async with trio.open_nursery() as parts:
                parts.start_soon(self._speak)
                parts.start_soon(self._listen)
                parts.start_soon(self._echo_marks)

    async def _speak(self) -> None:
        """Announce the call, then a frame every 20 ms. The n-th leaves at its own time: lateness does not add up."""
        with self._losing_voice():
            await self._socket.send(self._messages.connected())
            await trio.sleep(self._start_delay)
            await self._send(self._messages.start)
            begun = trio.current_time()
            for count in itertools.count(1):
                await trio.sleep_until(begun + count * self._frame_bytes / FRAME_BYTES * FRAME_SECONDS)
                if self.is_mute:
                    continue
                frame = Mulaw(self._mouth.next(self._frame_bytes))
                await self._send(partial(self._messages.media, frame))
                self._mouth.let_go(self._frame_bytes)

    async def _echo_marks(self) -> None:
        with self._losing_voice():
            while True:
                with trio.move_on_at(self._queue.next_echo()):
                    await self._news.wait()
                for mark in self._queue.take_echoes(LoopTime(trio.current_time())):
                    await self._send(partial(self._messages.mark, mark.name))
                    self.echoed.append(mark)

    # What the bridge said.

    @override
    def _read(self, text: str) -> FromBridge:
        return parse_bridge_message(text)

    @override
    def _take(self, message: FromBridge, at: LoopTime) -> None:
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
                self._queue.mark(message.mark.name, at, echo_delay=next(self._echo_delays))
            case Clear():
                self._queue.clear(at)
            case _:
                assert_never(message)

    def _take_audio(self, audio: Mulaw, at: LoopTime) -> None:
        if len(audio) != FRAME_BYTES:
            self.complaints.append(f"media: {len(audio)} bytes, not {FRAME_BYTES}")
        if self._queue.queued(at) > MOST_QUEUED:
            self.complaints.append("media: discarded, ten minutes are queued (31931)")
            return
        self._queue.play(audio, at)

    async def _send(self, message: Callable[[], str]) -> None:
        """Send a message that is written when its turn has come: numbers leave in order, whichever part sends."""
        async with self._pen:
            self._check_line()
            await self._socket.send(message())
