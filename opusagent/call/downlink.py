"""From the model to the caller: `hear_model` listens to the service, `tell_caller` sends what is due to the platform.

Between the two lies the playout. Listening never waits for sending: it leaves audio in the playout and control
messages in the outbox, and rings. Control goes first, so that a barge-in does not queue behind what it interrupts.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import trio

from opusagent.audio.g711 import decode
from opusagent.call.bell import Bell
from opusagent.call.ending import Ending
from opusagent.call.playout import Batch, Playout
from opusagent.call.reasons import CALLER_LEG, MODEL_LEG
from opusagent.call.tape import Witness
from opusagent.errors import RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import Dialect
from opusagent.realtime.codec import parse_server_event
from opusagent.realtime.events import ServerEvent, UnknownEvent
from opusagent.units import LoopTime

GARBAGE_LIMIT: Final = 20
"""Messages of a model that cannot be read, after which it is not worth listening to."""

WORTH_WAKING: Final = 0.001
"""Seconds by which something must be due earlier than the sender wakes anyway. The ear's place is known to a sample, so
the same moment, asked for twice, differs by a little."""


class Downlink:
    """One call's way down: the playout, the control messages before it, and the bell that wakes the sender."""

    def __init__(self, playout: Playout, dialect: Dialect, tape: Witness, on_batch: Callable[[Batch], None]) -> None:
        self.playout: Final = playout
        self._on_batch: Final = on_batch
        self._dialect: Final = dialect
        self._tape: Final = tape
        self._control: deque[str] = deque()
        self._going: Sequence[str] = ()
        self._bell: Final = Bell()
        self._until: LoopTime | None = None
        self.frames_sent = 0

    def clear(self, now: LoopTime) -> None:
        """Have the platform drop what it has not played, and the tape what was not heard."""
        self.say(self._dialect.clear())
        self._tape.cut(now)

    def say(self, messages: Sequence[str]) -> None:
        """Have `messages` sent before any audio."""
        self._control.extend(messages)
        if messages:
            self._bell.ring()

    def lose_line(self, now: LoopTime) -> None:
        """The platform's socket is gone, and with it what was on its way."""
        self._forget()
        self.playout.lose(now)
        self._tape.cut(now)

    def regain_line(self, messages: Sequence[str]) -> None:
        """The platform is back on another socket, which `messages` come first on: what was said to nobody is not."""
        self._forget()
        self.say(messages)

    def ring(self) -> None:
        """Something has happened. Wakes the sender if anything is due before it wakes of itself."""
        due = self.playout.next_due(LoopTime(trio.current_time()))
        if due is not None and (self._until is None or due < self._until - WORTH_WAKING):
            self._bell.ring()

    def is_due(self, now: LoopTime) -> bool:
        """Whether there is something to send now."""
        due = self.playout.next_due(now)
        return bool(self._control) or (due is not None and due <= now)

    def take_due(self, now: LoopTime) -> Sequence[str]:
        """The messages to send now, until `on_sent`: control first, then frames."""
        self._going = messages = list(self._control)
        self._control.clear()
        batch = self.playout.pop_due(now)
        if batch is not None:
            messages += self._play(batch)
        return messages

    def on_sent(self) -> None:
        """What was taken has been sent."""
        self._going = ()

    @property
    def unsaid(self) -> Sequence[str]:
        """What the dialect has said and the platform was not sent, because the talk ended: it comes before a goodbye.

        A send that is cancelled before its first byte has sent nothing, and the socket lives; after it, the socket is
        dead, and nobody hears any of this.
        """
        return (*self._going, *self._control)

    async def wait(self) -> None:
        """Until something may be due."""
        self._until = self.playout.next_due(LoopTime(trio.current_time()))
        await self._bell.wait(self._until)

    def _forget(self) -> None:
        self._going = ()
        self._control.clear()

    def _play(self, batch: Batch) -> Sequence[str]:
        self.frames_sent += len(batch.frames)
        if batch.frames:
            self._on_batch(batch)
            self._tape.play(decode(self.playout.leg, b"".join(batch.frames)), batch.plays_at)
        return self._dialect.play(batch.frames, batch.mark, last=batch.last)


async def hear_model(
    socket: MessageSocket,
    on_event: Callable[[ServerEvent | UnknownEvent], None],
    on_garbage: Callable[[RemoteProtocolError], None],
    ending: Ending,
) -> None:
    """The service's receive loop. A message that cannot be read is counted and passed over, up to a limit."""
    garbage = 0
    with ending.if_lost(MODEL_LEG):
        while True:
            text = await socket.receive()
            try:
                event = parse_server_event(text)
            except RemoteProtocolError as unreadable:
                garbage += 1
                on_garbage(unreadable)
                if garbage >= GARBAGE_LIMIT:
                    raise
                continue
            on_event(event)


async def tell_caller(socket: MessageSocket, downlink: Downlink, line: Ending) -> None:
    """The paced sender: whatever is due in one write, then sleep until something is."""
    with line.if_lost(CALLER_LEG):
        while True:
            messages = downlink.take_due(LoopTime(trio.current_time()))
            if messages:
                await socket.send(*messages)
                downlink.on_sent()
            else:
                await downlink.wait()
