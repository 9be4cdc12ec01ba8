"""Whatever breaks, whenever: the caller hears something, or the call has ended, within the bound of dead air.

A caller and a service talk in turns, without a pause that is longer than a second and a half. At a random instant one
thing breaks, on either socket or the disk. What the caller hears is computed from what the platform plays.
"""

import errno
import wave
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from typing_extensions import override

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.media import MULAW_8K
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.call.clips import built_in
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.policy import Patience, Policy
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.daemon.vigil import Vigil
from opusagent.errors import OpusagentError, PeerRefused
from opusagent.net.limits import PLATFORM
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import ResponseCreate
from opusagent.realtime.settings import session_update
from opusagent.testing.descriptors import descriptors
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import NotSaid, ScriptedModel
from opusagent.testing.play import CALL, CallStage, Theatre
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.sim.trace import Trace
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import LoopTime, Mulaw

WORDS: Final = Mulaw(bytes(range(0x80, 0xFF)) * 2000)
"""Half a minute in which no sample is silence."""

SAID: Final = mulaw_decode(WORDS)
FIFTH: Final = bytes(range(1, 101)) * 16
"""A fifth of a second of the model's voice."""

SLACK: Final = 0.1
"""A batch of audio on its way, and the rounding of a frame at either end."""

BOUND: Final = DEAD_AIR_SECONDS + SLACK

LINE_BOUND: Final = PLATFORM.ping_seconds + PLATFORM.pong_seconds + SLACK
"""A line that carries nothing either way is known to be dead by a ping: nobody can be heard on it meanwhile."""

TALK_SECONDS: Final = 8.0
"""How long the caller stays after the blow, unless it takes longer to see what comes of it."""

PASSED_THROUGH: Final = session_update(instructions="Be brief.", voice="marin", audio="pcmu", caller=MULAW_8K)
OUR_PROFILE: Final = Profile(PASSED_THROUGH, Policy(clips=built_in(MULAW_8K)), MULAW_8K)


@attrs.define(eq=False)
class Scene(CallStage[ScriptedTwilioCaller]):
    """A stage whose model is a service that talks in turns, and can be told not to. `disk` is the recorder's."""

    disk: SimDisk
    refusal: int | None = None
    stalled: ScriptedModel | None = None
    struck: float = 0.0
    turns: list[tuple[float, float]] = attrs.field(factory=list[tuple[float, float]], init=False)
    """From when to when the caller had the floor."""

    @override
    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        if self.refusal is not None:
            await trio.lowlevel.checkpoint()
            raise PeerRefused(f"the service answered {self.refusal}", status=self.refusal)
        socket = await super().dial(plumbing)
        self.scenery.start_soon(self._talk, self.models[-1])
        return socket

    async def _talk(self, model: ScriptedModel) -> None:
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


async def kill_model(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].vanish()


async def black_out_model(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].stall()


async def half_close_model(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.legs[-1].half_close()


async def stall_model(scene: Scene) -> None:
    """Its socket lives, it hears the caller's turns, and it generates nothing."""
    await trio.lowlevel.checkpoint()
    scene.stalled = scene.models[-1]


async def babble(scene: Scene) -> None:
    for _ in range(20):
        await scene.models[-1].send_text("{")


async def expire(scene: Scene) -> None:
    await scene.models[-1].error("session_expired", "Your session hit the maximum duration of 60 minutes.")


async def refuse(scene: Scene, status: int, seconds: float) -> None:
    scene.refusal = status
    scene.legs[-1].vanish()
    await trio.sleep(seconds)
    scene.refusal = None


async def kill_platform(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.vanish()


async def black_out_platform(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.stall()


async def half_close_platform(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.platform.half_close()


async def stall_platform(scene: Scene) -> None:
    """Its frames stop; it still hears."""
    await trio.lowlevel.checkpoint()
    scene.caller.is_mute = True


async def gibber(scene: Scene) -> None:
    await scene.platform.send("{")


async def fail_disk(scene: Scene) -> None:
    await trio.lowlevel.checkpoint()
    scene.disk.fail(errno.ENOSPC, None)


@attrs.frozen
class Blow:
    """What breaks, how the report says that the call ended, and what else it names. `bound`: of silence.

    `seconds`: how long the caller stays. `is_our_turn`: from the blow on, whosever it was before.
    """

    name: str
    falls: Callable[[Scene], Awaitable[None]]
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


@attrs.frozen
class Witnessed:
    """A call that was struck: its report, when that was, and what the caller heard, from when to when.

    `turns`: from when to when the caller had the floor.
    """

    report: CallReport
    struck: float
    turns: Sequence[tuple[float, float]]
    heard: Sequence[tuple[float, float]]
    ended: float
    complaints: Sequence[str]
    hanging: Sequence[str]
    """At what the daemon's vigil would have said that it hangs."""


async def perform(blow: Blow, after: float, folder: Path, profile: Profile = OUR_PROFILE) -> Witnessed:
    """The call. Nothing of it is left when this returns."""
    before = trio.lowlevel.current_statistics().tasks_living, descriptors()
    scenes: list[Scene] = []
    hanging: list[str] = []

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> Scene:
        scenes.append(Scene(ScriptedTwilioCaller(platform), platform, Ending(), scenery, disk))
        return scenes[0]

    async def script(scene: Scene) -> None:
        async with trio.open_nursery() as actors:
            actors.start_soon(_watch, scene, hanging)
            actors.start_soon(_say, scene.caller)
            await scene.answered()
            actors.start_soon(_strike, scene, blow, after)
            with trio.move_on_after(blow.seconds + after):
                await scene.caller.until_ended()
            await scene.caller.hang_up()
            actors.cancel_scope.cancel()
            scene.scenery.cancel_scope.deadline = trio.current_time() + 30

    disk = SimDisk(Trace())
    theatre = Theatre(cast, TwilioDialect, profile, directory=folder, disk=disk)
    report = await theatre.perform(script)
    caller = scenes[0].caller
    assert caller.ended is not None
    per_second = caller.media.rate * caller.media.bytes_per_sample
    heard = [(piece.at, piece.at + len(piece.audio) / per_second) for piece in caller.heard]
    assert trio.lowlevel.current_statistics().tasks_living == before[0]
    assert not descriptors() - before[1]
    scene = scenes[0]
    return Witnessed(report, scene.struck, scene.turns, heard, caller.ended.at, caller.complaints, hanging)


async def _watch(scene: Scene, hanging: list[str]) -> None:
    """As the daemon does, once a second."""
    vigil = Vigil()
    while True:
        await trio.sleep(1)
        if scene.ending.end_of_call is None:
            hanging += vigil.look({CALL: scene.switch.vitals()}, LoopTime(trio.current_time())).values()


async def _say(caller: ScriptedTwilioCaller) -> None:
    with suppress(OpusagentError):
        await caller.say(WORDS)


async def _strike(scene: Scene, blow: Blow, after: float) -> None:
    await trio.sleep(after)
    scene.struck = trio.current_time()
    with suppress(OpusagentError):
        await blow.falls(scene)


def longest_silence(call: Witnessed, *, struck: bool) -> float:
    """Of all silences towards the caller while it is our turn: since the caller paused, or, if `struck`, the blow.

    When an answer has been heard and the blow falls into the quiet after it, our turn begins with the blow.
    """
    ours = [(pause, begun) for (_, pause), (begun, _) in pairwise([*call.turns, (call.ended, call.ended)])]
    if struck:
        ours = [(begin, _cut_short(call, begin, end)) for begin, end in ours]
        ours.append((call.struck, next((begun for begun, _ in call.turns if begun > call.struck), call.ended)))
    return max(_longest(call.heard, begin, end) for begin, end in ours)


def _cut_short(call: Witnessed, begin: float, end: float) -> float:
    answered = any(begin < sound[0] < call.struck for sound in call.heard)
    return call.struck if answered and begin < call.struck < end else end


def _longest(heard: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """Of all silences between `begin` and `end`."""
    inside = [sound for sound in heard if sound[1] > begin and sound[0] < end]
    ends = [(begin, begin), *inside, (end, end)]
    return max(later[0] - earlier[1] for earlier, later in pairwise(ends))


def tape_of(folder: Path) -> bytes:
    """What is on the caller's side of a file that is whole."""
    (path,) = folder.rglob("call.wav")
    with wave.open(str(path)) as file:
        frames = file.getnframes()
        assert path.stat().st_size == 44 + 4 * frames
        return pcm_of(samples_of(file.readframes(frames))[::2])


def check_tape(folder: Path, call: Witnessed) -> None:
    """Every sample that came from the caller, in order; of a disk that failed as much as it took, and it is told."""
    spoken, received = tape_of(folder).lstrip(b"\0"), 16 * call.report.audio.caller_received
    if call.report.recording_fault is None:
        assert spoken[:received] == SAID[:received]
    else:
        assert SAID.startswith(spoken)
        assert len(spoken) >= 16_000 * (call.struck - 1)


def named(report: CallReport) -> str:
    """All that a report says of what went wrong."""
    return "\n".join(
        (
            report.end.value,
            report.end_detail,
            report.recording_fault or "",
            *report.silences,
            *(happening.what for happening in report.story),
        )
    )


@settings(max_examples=80)
@given(blow=st.sampled_from(BLOWS), ms=st.integers(700, 6000))
def test_a_caller_is_never_left_in_silence(blow: Blow, ms: int) -> None:
    """Nor is anything left of the call, the report and the tape say what there was, and no vigil takes it for hung."""
    with TemporaryDirectory() as folder:
        call = trio.run(perform, blow, ms / 1000, Path(folder), clock=MockClock(autojump_threshold=0))
        assert longest_silence(call, struck=blow.is_our_turn) <= blow.bound
        assert call.report.end in blow.ends
        assert blow.names in named(call.report)
        check_tape(Path(folder), call)
        assert not call.complaints
        assert not call.hanging


def test_a_caller_who_is_left_in_silence_is_found() -> None:
    """Twice as patient a daemon breaks the bound, and is seen to."""
    patient = attrs.evolve(
        OUR_PROFILE, policy=Policy(patience=Patience(2 * DEAD_AIR_SECONDS), clips=built_in(MULAW_8K))
    )
    (stall,) = (blow for blow in BLOWS if blow.name == "stall the model")
    with TemporaryDirectory() as folder:
        call = trio.run(perform, stall, 2.0, Path(folder), patient, clock=MockClock(autojump_threshold=0))
    assert longest_silence(call, struck=stall.is_our_turn) >= 1.5 * DEAD_AIR_SECONDS
