"""A service whose sessions grow old: it ends each at its longest time, and answers the caller in whichever serves."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import attrs
import trio

from opusagent.audio.media import MULAW_8K, MediaFormat
from opusagent.call.call import Limits
from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.policy import Policy
from opusagent.errors import OpusagentError, PeerGone
from opusagent.realtime.events import (
    ConversationItemCreate,
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferAppend,
    Item,
    ResponseCreate,
)
from opusagent.realtime.settings import AudioChoice, session_update
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import NotSaid, ScriptedModel
from opusagent.testing.play import CallStage, Stage
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms
from tests.calls.acts import NO_HANDS, ScriptedHands, call_tools, function_call

CAP: Final = 60.0
"""The longest time of a session, in these tests."""

ROLLOVER: Final = 50.0

AnyStage = CallStage[ScriptedTwilioCaller] | CallStage[ScriptedAudioCodesCaller]

GREETING: Final = "Hello."


def aging(call_seconds: float, rollover_seconds: float = ROLLOVER, resume_seconds: float = 0.0) -> Limits:
    """How long calls and sessions are."""
    return Limits(call_seconds=call_seconds, rollover_seconds=rollover_seconds, resume_seconds=resume_seconds)


def greeted(audio: AudioChoice = "pcmu", media: MediaFormat = MULAW_8K, hands: ScriptedHands | None = None) -> Profile:
    """A profile whose caller is greeted and whose words are written down."""
    opening = session_update(
        instructions="Be brief.", voice="marin", audio=audio, caller=MULAW_8K, transcription_model="whisper"
    )
    return Profile(opening, Policy(instructions="Be brief.", greeting=GREETING), media, lambda _say: hands or NO_HANDS)


def seeds_of(model: ScriptedModel) -> list[tuple[str, str]]:
    """What a session was told of before: who or what, and the words."""
    return [told_of(event.item) for event in model.said(ConversationItemCreate)]


def told_of(item: Item) -> tuple[str, str]:
    """One item of it."""
    words = "".join(part.text or "" for part in item.content)
    return (item.role or item.type, words or item.output or item.name or "")


@attrs.define(eq=False)
class OldAge:
    """The service behind a stage. `told` is the conversation as the caller heard it, in a seed's words."""

    stage: AnyStage
    media: MediaFormat = MULAW_8K
    cap: float = CAP
    told: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]], init=False)
    said: int = attrs.field(default=0, init=False)
    """Milliseconds that the caller was to hear."""

    async def serve(self) -> None:
        """Let sessions live, each for as long as it may."""
        async with trio.open_nursery() as sessions:
            number = 0
            while True:
                number += 1
                sessions.start_soon(self._live, await self.stage.another(number))

    async def _live(self, model: ScriptedModel) -> None:
        with suppress(OpusagentError, NotSaid), trio.move_on_after(self.cap) as life:
            await model.opening()
            await trio.sleep_forever()
        if life.cancelled_caught and model.left is None:
            with suppress(OpusagentError):
                await model.error("session_expired", "Your session hit the maximum duration of 60 minutes.")
                await model.hang_up()

    @property
    def serving(self) -> ScriptedModel:
        """The session that hears the caller: the last one that was sent any sound, or is going to be."""
        alive = [model for model in self.stage.models if model.left is None]
        return next((model for model in reversed(alive) if hears(model)), alive[-1])

    async def greet(self) -> None:
        """Do as the first session is asked."""
        model = await self.stage.dialled()
        await model.expect(ResponseCreate)
        await self._say(model, "greeting", GREETING)

    async def turn(self, number: int, seconds: float = 0.5) -> None:
        """The caller asks something, and is answered."""
        name = f"turn-{number}"
        model = await self._notice(name)
        await trio.sleep(seconds)
        await model.speech_stopped(name, at_ms=self._heard_by(model))
        words = f"Question {number}."
        await model.send(
            ConversationItemInputAudioTranscriptionCompleted(item_id=name, content_index=0, transcript=words)
        )
        self.told.append(("user", words))
        await self._say(model, f"answer-{number}", f"Answer {number}.")

    async def _notice(self, name: str) -> ScriptedModel:
        """Whichever session hears the caller notices that they speak. What is said to nobody any more is said again."""
        while True:
            model = self.serving
            with suppress(PeerGone):
                await model.speech_started(name, at_ms=self._heard_by(model))
                return model
            await trio.sleep(0.01)

    def _heard_by(self, model: ScriptedModel) -> Ms:
        """How much of the caller's sound a session has been sent: its own count of time."""
        return self.media.ms_of(sum(len(event.audio) for event in model.said(InputAudioBufferAppend)))

    async def use_tool(self, number: int, name: str) -> None:
        """The model wants a tool, and says what came of it."""
        model = self.serving
        await call_tools(model, f"call-{number}", function_call(f"call-{number}", name))
        await model.expect(ResponseCreate)
        self.told += [("function_call", name), ("function_call_output", f"{name} is done")]
        await self._say(model, f"result-{number}", f"Result {number}.")

    async def _say(self, model: ScriptedModel, name: str, words: str) -> None:
        """A second of sound, heard to its end."""
        sound = b"\x11" * self.media.bytes_of(Ms(1000))
        await model.say(name, sound, response_id=f"response-{name}", transcript=words, media=self.media)
        self.told.append(("assistant", words))
        self.said += 1000
        await self.stage.caller.quiet(Ms(300))


def hears(model: ScriptedModel) -> bool:
    """Whether the session has been sent any of the caller's sound."""
    return any(isinstance(each.event, InputAudioBufferAppend) for each in model.heard)


def heard_by(models: Sequence[ScriptedModel]) -> bytes:
    """All of the caller's sound, one session after the other."""
    return b"".join(model.audio for model in models)


def distinct(count: int) -> bytes:
    """So many bytes in which every stretch can be told from every other, and none is silence of mu-law."""
    words = (number.to_bytes(4, "big") for number in range(count // 4 + 1))
    return b"".join(words).replace(b"\xff", b"\xfe").replace(b"\x7f", b"\x7e")[:count]


def in_large_frames(platform: MemorySocket, scenery: trio.Nursery) -> Stage:
    """A caller by Twilio whose sound comes in half seconds, so that an hour is cheap to play."""
    caller = ScriptedTwilioCaller(platform, frame_bytes=4000)
    return Stage(caller, platform, Ending(), scenery)
