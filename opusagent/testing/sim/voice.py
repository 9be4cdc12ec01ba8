"""A peer's way to say things: sometimes it says what nobody understands, and sometimes, for a while, nothing."""

from collections.abc import Sequence
from random import Random
from typing import Final

import attrs
import trio

from opusagent.errors import NORMAL_CLOSURE
from opusagent.net.message_socket import MessageSocket

GARBAGE: Final = (
    "{",
    "[]",
    "null",
    '"x"',
    "{}",
    '{"event":"media"}',
    '{"event":"wat"}',
    '{"type":"wat"}',
    '{"type":5}',
)
"""Texts that are no message of any protocol here, or half of one, or of a kind that nobody knows."""


@attrs.define(eq=False)
class Manners:
    """How peers of one kind behave: how often a message has garbage before it, and until when they are silent."""

    garbage: float = 0.0
    silent_until: float = 0.0
    texts: Sequence[str] = GARBAGE

    def heal(self) -> None:
        """Be well-mannered."""
        self.garbage, self.silent_until = 0.0, 0.0


@attrs.frozen(eq=False)
class Voice:
    """A `MessageSocket` whose owner has `manners`."""

    socket: MessageSocket
    manners: Manners
    dice: Random

    async def receive(self) -> str:
        return await self.socket.receive()

    async def send(self, *messages: str) -> None:
        if self.manners.silent_until > trio.current_time():
            await trio.sleep_until(self.manners.silent_until)
        if self.manners.garbage and self.dice.random() < self.manners.garbage:
            await self.socket.send(self.dice.choice(self.manners.texts))
        await self.socket.send(*messages)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self.socket.close(code, reason)
