"""The model's service: sessions on a port, each of which answers whoever speaks and whoever asks, as its dice say."""

from contextlib import suppress
from random import Random
from typing import Final

import attrs
import trio

from opusagent.audio.media import MULAW_8K, PCM16_24K, MediaFormat
from opusagent.errors import OpusagentError
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ResponseCreate,
    SessionUpdate,
)
from opusagent.testing.model import NotSaid, ScriptedModel
from opusagent.testing.sim.dice import Dice
from opusagent.testing.sim.trace import Trace
from opusagent.testing.sim.voice import Manners, Voice
from opusagent.units import Ms

REFUSALS: Final = (401, 429, 500, 503)
"""How a service answers a dial that it does not take."""

RECOVERABLE: Final = ("rate_limit_exceeded", "server_error", "input_audio_buffer_commit_empty")
FATAL: Final = ("insufficient_quota", "session_expired")

CLOSES: Final = (1000, 1001, 1008, 1011)
"""What a service that leaves closes with."""


@attrs.define(eq=False)
class Service:
    """The site at the model's address. `session_seconds`: how long a session may last.

    `refuses_until`: when it takes sessions again.
    """

    dice: Dice
    trace: Trace
    session_seconds: float
    refuses_until: float = 0.0
    manners: Manners = attrs.field(factory=Manners, init=False)
    floors: list[float] = attrs.field(factory=list[float], init=False)
    """When somebody was heard to begin to speak."""
    sessions: list[ScriptedModel] = attrs.field(factory=list[ScriptedModel], init=False)
    complaints: list[str] = attrs.field(factory=list[str], init=False)
    """What the bridge said that is no event of the protocol."""

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        if trio.current_time() < self.refuses_until or not request.wants_websocket:
            return Response(self.dice.of(f"refusal at {trio.current_time():.6f}").choice(REFUSALS), b"no\n")
        return Upgrade(self._serve, MODEL)

    @property
    def has_pauses(self) -> bool:
        """Whether sessions are so short that there have to be pauses in which one can relieve another."""
        return self.session_seconds < 60

    @property
    def alive(self) -> list[ScriptedModel]:
        """The sessions that the bridge has not left."""
        return [each for each in self.sessions if each.left is None]

    def heal(self) -> None:
        """Take every session, and behave."""
        self.refuses_until = 0.0
        self.manners.heal()

    async def _serve(self, socket: MessageSocket) -> None:
        dice = self.dice.of(f"session {len(self.sessions)}")
        model = ScriptedModel(Voice(socket, self.manners, dice))
        self.sessions.append(model)
        async with trio.open_nursery() as parts:
            parts.start_soon(Speaker(model, dice, self.floors, pauses=self.has_pauses).talk)
            parts.start_soon(self._expire, model)
            try:
                await model.listen()
            except OpusagentError as unreadable:
                self.complaints.append(str(unreadable))
            parts.cancel_scope.cancel()

    async def _expire(self, model: ScriptedModel) -> None:
        """End the session when its time is over."""
        await trio.sleep(self.session_seconds)
        with suppress(OpusagentError):
            await model.error("session_expired", "Your session hit the maximum duration.")


@attrs.define(eq=False)
class Speaker:
    """What one session says."""

    model: ScriptedModel
    dice: Random
    floors: list[float]
    pauses: bool
    _media: MediaFormat = PCM16_24K
    _answered: int = 0
    _turns: int = 0

    async def talk(self) -> None:
        """Greet, then turn after turn until the bridge is gone. Whatever breaks the line ends it."""
        try:
            update = await self.model.opening(within=30)
            self._media = media_of(update)
            while self.model.left is None:
                await trio.sleep(self.dice.uniform(0.05, 4.0 if self.pauses else 0.8))
                await self._take_turn()
        except (OpusagentError, NotSaid):
            await trio.lowlevel.checkpoint()

    async def _take_turn(self) -> None:
        if len(self.model.said(ResponseCreate)) > self._answered:
            self._answered += 1
            await self._answer()
        elif self.dice.random() < 0.6:
            await self._hear_caller()
            await self._answer()

    async def _hear_caller(self) -> None:
        name = f"item_{self._turns}_caller"
        self._turns += 1
        self.floors.append(trio.current_time())
        await self.model.speech_started(name)
        await trio.sleep(self.dice.uniform(0.1, 0.6))
        await self.model.speech_stopped(name)
        if self.pauses:
            await self.model.send(
                ConversationItemInputAudioTranscriptionCompleted(item_id=name, content_index=0, transcript="words")
            )

    async def _answer(self) -> None:
        """A response of up to two seconds, perhaps cut off by the caller."""
        item, response = f"item_{self._turns}_model", f"response_{self._turns}"
        self._turns += 1
        deltas = self.dice.randint(1, 10)
        cut = self.dice.randint(1, 30)
        await self.model.begin(item, response_id=response)
        for place in range(deltas):
            if place == cut:
                self.floors.append(trio.current_time())
                await self.model.speech_started(f"{item}_cut")
                await self.model.response_done(response, status="cancelled", reason="turn_detected")
                await trio.sleep(self.dice.uniform(0.05, 0.4))
                await self.model.speech_stopped(f"{item}_cut")
                return
            await self.model.delta(item, self._sound(Ms(200)), response_id=response)
            await trio.sleep(self.dice.uniform(0.0, 0.06))
        await self.model.finish(item, response_id=response, transcript="words")

    def _sound(self, ms: Ms) -> bytes:
        """Something to hear: never silence, in either format."""
        return b"\x10" * self._media.bytes_of(ms)


def media_of(update: SessionUpdate) -> MediaFormat:
    """How the bridge wants the model's audio."""
    audio = update.session.audio
    output = audio.output.format if audio is not None and audio.output is not None else None
    return MULAW_8K if output is not None and output.type == "audio/pcmu" else PCM16_24K
