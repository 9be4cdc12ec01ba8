"""From the caller to the model: `hear_caller` listens to the platform, `tell_model` converts and sends.

Between the two lies one bounded channel, so that listening never waits for sending. It holds what the caller says
while the model is still being dialled; when it is full the newest frame loses and is counted.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from opusagent.audio.framing import Framer
from opusagent.audio.g711 import decode
from opusagent.audio.media import MediaFormat
from opusagent.audio.resample import Resampler
from opusagent.call.ending import Ending
from opusagent.call.reasons import CALLER_LEG, MODEL_LEG, EndReason
from opusagent.call.recorder import Tape
from opusagent.errors import PeerGone
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerAudio, CallerEvent, CallerLeft, Dialect
from opusagent.realtime.codec import render_append
from opusagent.units import LoopTime, Ms

UPLINK: Final = Ms(12_000)
"""What the channel may hold: as long as dialling and configuring a model may take, and a little more. It fills only
while no model listens; a model that stalls later is given up sooner than this."""

PAIR: Final = Ms(40)
"""Twilio's 20 ms frames go up in pairs: half the messages for 20 ms of delay."""

DRAIN_SECONDS: Final = 1.0
"""How long the model may take to accept what a caller said just before hanging up."""


class Uplink:
    """One call's way up: the channel, and the stream's state behind it."""

    def __init__(self, leg: MediaFormat, model: MediaFormat, tape: Tape) -> None:
        frames = UPLINK // 20
        self._frames_in, self._frames_out = trio.open_memory_channel[CallerAudio](frames)
        self.drained: Final = trio.Event()
        self._leg: Final = leg
        self._untouched: Final = leg == model
        self._tape: Final = tape
        self._pairs: Final = Framer(leg.bytes_of(PAIR))
        self._resampler: Final = Resampler(leg.rate, model.rate)
        self.received_bytes = 0
        self.dropped_bytes = 0
        self.appended_bytes = 0
        self.peak_frames = 0

    def put(self, heard: CallerAudio, now: LoopTime) -> None:
        """Tape what was heard and queue it. Never waits; a full channel drops it and counts it."""
        self.received_bytes += len(heard.audio)
        self._tape.hear(decode(self._leg, heard.audio), heard.at, now)
        try:
            self._frames_in.send_nowait(heard)
        except trio.WouldBlock:
            self.dropped_bytes += len(heard.audio)
        self.peak_frames = max(self.peak_frames, self._frames_in.statistics().current_buffer_used)

    async def drain(self) -> None:
        """Nothing more will come; the model still gets what came before, within `DRAIN_SECONDS`."""
        self._frames_in.close()
        with trio.move_on_after(DRAIN_SECONDS):
            await self.drained.wait()

    async def take(self) -> CallerAudio:
        """The next of what was put. Raises `trio.EndOfChannel` after the last."""
        return await self._frames_out.receive()

    def convert(self, heard: CallerAudio) -> Sequence[str]:
        """The messages that carry to the model whatever `heard` completes."""
        return [self._message(pair) for pair in self._pairs.push(heard.audio)]

    def last(self) -> Sequence[str]:
        """The message with the half pair that is left when the caller has gone."""
        rest = self._pairs.take()
        return [self._message(rest)] if rest else []

    def _message(self, audio: bytes) -> str:
        up = audio if self._untouched else self._resampler.push(decode(self._leg, audio))
        self.appended_bytes += len(up)
        return render_append(up)


async def hear_caller(
    socket: MessageSocket,
    dialect: Dialect,
    uplink: Uplink,
    on_event: Callable[[CallerEvent], None],
    ending: Ending,
) -> None:
    """The platform's receive loop: audio into the channel, everything else to the session. Never waits for a writer."""
    with ending.if_lost(CALLER_LEG):
        try:
            left = await _listen(socket, dialect, uplink, on_event)
        except PeerGone:
            await uplink.drain()
            raise
        await uplink.drain()
        ending.end(EndReason.CALLER_HUNG_UP, left.reason)


async def _listen(
    socket: MessageSocket, dialect: Dialect, uplink: Uplink, on_event: Callable[[CallerEvent], None]
) -> CallerLeft:
    while True:
        event = dialect.parse(await socket.receive())
        if isinstance(event, CallerAudio):
            uplink.put(event, LoopTime(trio.current_time()))
            continue
        on_event(event)
        if isinstance(event, CallerLeft):
            return event


async def tell_model(socket: MessageSocket, uplink: Uplink, ending: Ending) -> None:
    """The audio processor: what the caller says, decoded, resampled and sent, in order."""
    with ending.if_lost(MODEL_LEG):
        try:
            while True:
                messages = uplink.convert(await uplink.take())
                if messages:
                    await socket.send(*messages)
        except trio.EndOfChannel:
            last = uplink.last()
            if last:
                await socket.send(*last)
        uplink.drained.set()
