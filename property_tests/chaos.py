"""What breaks in a call, and the stages on which it does: a service that talks in turns, and blows of every kind.

A caller and the service talk in turns, without a pause that is longer than a second and a half.
"""

import errno
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final, TypeAlias

import attrs
import trio
from typing_extensions import override

from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.reasons import EndReason
from opusagent.errors import OpusagentError, PeerRefused
from opusagent.net.limits import PLATFORM
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.events import ResponseCreate
from opusagent.testing.model import NotSaid, ScriptedModel
from opusagent.testing.play import CallStage
from opusagent.testing.play_audiocodes import AudioCodesStage
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.twilio_caller import ScriptedTwilioCaller

FIFTH: Final = bytes(range(1, 101)) * 16
"""A fifth of a second of the model's voice."""

SLACK: Final = 0.1
"""A batch of audio on its way, and the rounding of a frame at either end."""

BOUND: Final = DEAD_AIR_SECONDS + SLACK

LINE_BOUND: Final = PLATFORM.ping_seconds + PLATFORM.pong_seconds + SLACK
"""A line that carries nothing either way is known to be dead by a ping: nobody can be heard on it meanwhile."""

TALK_SECONDS: Final = 8.0
"""How long the caller stays after the blow, unless it takes longer to see what comes of it."""

AWAY_SECONDS: Final = 1.0
"""How long AudioCodes takes to come back on another socket."""


@attrs.define(eq=False)
class Trouble:
    """A service that takes turns with the caller and can be told not to, and the recorder's disk."""

    disk: SimDisk
    refusal: int | None = None
    stalled: ScriptedModel | None = None
    struck: float = 0.0
    turns: list[tuple[float, float]] = attrs.field(factory=list[tuple[float, float]], init=False)
    """From when to when the caller had the floor."""

    async def knock(self) -> None:
        """Raises `PeerRefused` while the service takes nobody."""
        await trio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise PeerRefused(f"the service answered {self.refusal}", status=self.refusal)

    async def talk(self, model: ScriptedModel) -> None:
        """Take turns with the caller until the session is over."""
        with suppress(OpusagentError, NotSaid):
            await model.opening()
            for turn in count():
                if len(model.said(ResponseCreate)) <= turn:
                    begun = trio.current_time()
                    await model.speech_started(f"turn_{turn}")
                    await trio.sleep(0.4)
                    self.turns.append((begun, trio.current_time()))
                    await model.speech_stopped(f"turn_{turn}")
                await self._answer(model, f"answer_{turn}")
                await trio.sleep(1.2)

    async def _answer(self, model: ScriptedModel, item: str) -> None:
        await self._may_speak(model, 0.3)
        await model.begin(item, response_id=f"response_{item}")
        for _ in range(5):
            await model.delta(item, FIFTH, response_id=f"response_{item}")
            await self._may_speak(model, 0.03)
        await model.finish(item, response_id=f"response_{item}", transcript="words")

    async def _may_speak(self, model: ScriptedModel, seconds: float) -> None:
        await trio.sleep(seconds)
        if model is self.stalled:
            await trio.sleep_forever()


@attrs.define(eq=False)
class Scene(CallStage[ScriptedTwilioCaller]):
    """A stage for a caller by Twilio."""

    trouble: Trouble

    @override
    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        await self.trouble.knock()
        socket = await super().dial(plumbing)
        self.scenery.start_soon(self.trouble.talk, self.models[-1])
        return socket


@attrs.define(eq=False)
class LastingScene(AudioCodesStage):
    """A stage for a caller by AudioCodes, whose platform comes back."""

    trouble: Trouble

    @override
    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        await self.trouble.knock()
        socket = await super().dial(plumbing)
        self.scenery.start_soon(self.trouble.talk, self.models[-1])
        return socket

    async def come_back(self) -> None:
        """A little later, on another socket."""
        await trio.sleep(AWAY_SECONDS)
        await self.reconnect()


AnyScene: TypeAlias = Scene | LastingScene


async def kill_model(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].vanish()


async def black_out_model(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].stall()


async def half_close_model(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].half_close()


async def stall_model(scene: AnyScene) -> None:
    """Its socket lives, it hears the caller's turns, and it generates nothing."""
    await trio.lowlevel.checkpoint()
    scene.trouble.stalled = scene.models[-1]


async def babble(scene: AnyScene) -> None:
    for _ in range(20):
        await scene.models[-1].send_text("{")


async def expire(scene: AnyScene) -> None:
    await scene.models[-1].error("session_expired", "Your session hit the maximum duration of 60 minutes.")


async def refuse(scene: AnyScene, status: int, seconds: float) -> None:
    scene.trouble.refusal = status
    scene.legs[-1].vanish()
    await trio.sleep(seconds)
    scene.trouble.refusal = None


async def kill_platform(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.vanish()
    if isinstance(scene, LastingScene):
        await scene.come_back()


async def black_out_platform(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.stall()
    if isinstance(scene, LastingScene):
        await scene.come_back()


async def half_close_platform(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.half_close()
    if isinstance(scene, LastingScene):
        await scene.come_back()


async def stall_platform(scene: AnyScene) -> None:
    """Its frames stop; it still hears."""
    await trio.lowlevel.checkpoint()
    if isinstance(scene, Scene):
        scene.caller.is_mute = True


async def gibber(scene: AnyScene) -> None:
    await scene.platform.send("{")


async def fail_disk(scene: AnyScene) -> None:
    await trio.lowlevel.checkpoint()
    scene.trouble.disk.fail(errno.ENOSPC, None)


@attrs.frozen
class Blow:
    """What breaks, how the report says that the call ended, and what else it names. `bound`: of silence.

    `seconds`: how long the caller stays. `is_our_turn`: from the blow on, whosever it was before.
    """

    name: str
    falls: Callable[[AnyScene], Awaitable[None]]
    ends: frozenset[EndReason]
    names: str = ""
    bound: float = BOUND
    seconds: float = TALK_SECONDS
    is_our_turn: bool = True


SURVIVED: Final = frozenset({EndReason.CALLER_HUNG_UP})

BLOWS: Final[Sequence[Blow]] = (
    Blow("kill the model", kill_model, SURVIVED, "model's socket lost"),
    Blow("black out the model", black_out_model, SURVIVED, "model took no audio"),
    Blow("half-close the model", half_close_model, SURVIVED, "model's socket lost"),
    Blow("stall the model", stall_model, SURVIVED, "the model owes an answer", is_our_turn=False),
    Blow("garbage from the model", babble, SURVIVED, "model broke the protocol"),
    Blow("expire the session", expire, SURVIVED, "model's session reached its longest time"),
    Blow("429 for a while", partial(refuse, status=429, seconds=3.0), SURVIVED, "model could not be reached"),
    Blow("503 for a while", partial(refuse, status=503, seconds=3.0), SURVIVED, "model could not be reached"),
    Blow(
        "429 for good", partial(refuse, status=429, seconds=1e9), frozenset({EndReason.MODEL_LOST}), "429", seconds=20
    ),
    Blow(
        "500 for good", partial(refuse, status=500, seconds=1e9), frozenset({EndReason.MODEL_LOST}), "500", seconds=20
    ),
    Blow("kill the platform", kill_platform, frozenset({EndReason.CALLER_LOST})),
    Blow(
        "black out the platform",
        black_out_platform,
        frozenset({EndReason.CALLER_LOST, EndReason.CALLER_STALLED}),
        bound=LINE_BOUND,
    ),
    Blow("half-close the platform", half_close_platform, frozenset({EndReason.CALLER_LOST})),
    Blow(
        "no frames from the platform", stall_platform, SURVIVED, "no audio comes from the caller's platform", seconds=12
    ),
    Blow("garbage from the platform", gibber, frozenset({EndReason.CALLER_BROKE_PROTOCOL})),
    Blow("the disk fails", fail_disk, SURVIVED, "No space left on device"),
)

LINE_BLOWS: Final = frozenset({kill_platform, black_out_platform, half_close_platform})

LASTING_BLOWS: Final[Sequence[Blow]] = tuple(
    attrs.evolve(blow, ends=SURVIVED, names="the platform's socket broke", bound=BOUND)
    if blow.falls in LINE_BLOWS
    else blow
    for blow in BLOWS
    if blow.falls is not stall_platform
)
"""The same for a line that comes back; a user stream that AudioCodes stops is no silence of the line's."""
