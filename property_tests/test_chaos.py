"""Whatever breaks, whenever: the caller hears something, or the call has ended, within the bound of dead air.

A caller and a service talk in turns, without a pause that is longer than a second and a half. At a random instant one
thing breaks, on either socket or the disk. What the caller hears is computed from what the platform plays.
"""

import wave
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.media import MULAW_8K
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.call.clips import built_in
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.policy import Patience, Policy
from opusagent.call.report import CallReport
from opusagent.daemon.vigil import Vigil
from opusagent.errors import OpusagentError
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.settings import session_update
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.descriptors import descriptors
from opusagent.testing.memory import MemorySocket
from opusagent.testing.play import CALL, Theatre
from opusagent.testing.play_audiocodes import GRACE
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.sim.trace import Trace
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import LoopTime, Mulaw
from property_tests.chaos import BLOWS, LASTING_BLOWS, AnyScene, Blow, LastingScene, Scene, Trouble

WORDS: Final = Mulaw(bytes(range(0x80, 0xFF)) * 2000)
"""Half a minute in which no sample is silence."""

SAID: Final = mulaw_decode(WORDS)

LOST: Final = 0.1
"""Seconds of the caller's words that may be on their way, and lost, when their line breaks."""

PASSED_THROUGH: Final = session_update(instructions="Be brief.", voice="marin", audio="pcmu", caller=MULAW_8K)
OUR_PROFILE: Final = Profile(PASSED_THROUGH, Policy(clips=built_in(MULAW_8K)), MULAW_8K)

S = TypeVar("S", Scene, LastingScene)

Cast = Callable[[MemorySocket, trio.Nursery, Trouble], S]


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


def by_twilio(platform: MemorySocket, scenery: trio.Nursery, trouble: Trouble) -> Scene:
    """A caller whose line cannot come back."""
    return Scene(ScriptedTwilioCaller(platform), platform, Ending(), scenery, trouble)


def by_audiocodes(platform: MemorySocket, scenery: trio.Nursery, trouble: Trouble) -> LastingScene:
    """A caller whose line comes back."""
    caller = ScriptedAudioCodesCaller(platform, Conversation(formats=("raw/mulaw",)))
    return LastingScene(caller, platform, Ending(), scenery, trouble)


async def perform(blow: Blow, after: float, folder: Path, profile: Profile = OUR_PROFILE) -> Witnessed:
    """The call by Twilio. Nothing of it is left when this returns."""
    trouble = Trouble(SimDisk(Trace()))
    cast = partial(by_twilio, trouble=trouble)
    return await witness(
        Theatre(cast, TwilioDialect, profile, directory=folder, disk=trouble.disk), trouble, blow, after
    )


async def perform_lasting(blow: Blow, after: float, folder: Path) -> Witnessed:
    """The same by AudioCodes."""
    trouble = Trouble(SimDisk(Trace()))
    cast = partial(by_audiocodes, trouble=trouble)
    theatre = Theatre(cast, AudioCodesDialect, OUR_PROFILE, GRACE, directory=folder, disk=trouble.disk)
    return await witness(theatre, trouble, blow, after)


async def witness(theatre: Theatre[S], trouble: Trouble, blow: Blow, after: float) -> Witnessed:
    """The call, and what was seen of it."""
    before = trio.lowlevel.current_statistics().tasks_living, descriptors()
    scenes: list[S] = []
    hanging: list[str] = []

    async def script(scene: S) -> None:
        scenes.append(scene)
        async with trio.open_nursery() as actors:
            actors.start_soon(_watch, scene, hanging)
            actors.start_soon(_say, scene)
            await scene.answered()
            actors.start_soon(_strike, scene, blow, after)
            with trio.move_on_after(blow.seconds + after):
                await scene.caller.until_ended()
            await scene.caller.hang_up()
            actors.cancel_scope.cancel()
            scene.scenery.cancel_scope.deadline = trio.current_time() + 30

    report = await theatre.perform(script)
    caller = scenes[0].caller
    assert caller.ended is not None
    per_second = caller.media.rate * caller.media.bytes_per_sample
    heard = [(piece.at, piece.at + len(piece.audio) / per_second) for piece in caller.heard]
    assert trio.lowlevel.current_statistics().tasks_living == before[0]
    assert not descriptors() - before[1]
    return Witnessed(report, trouble.struck, trouble.turns, heard, caller.ended.at, caller.complaints, hanging)


async def _watch(scene: AnyScene, hanging: list[str]) -> None:
    """As the daemon does, once a second."""
    vigil = Vigil()
    while True:
        await trio.sleep(1)
        if scene.ending.end_of_call is None:
            hanging += vigil.look({CALL: scene.switch.vitals()}, LoopTime(trio.current_time())).values()


async def _say(scene: AnyScene) -> None:
    with suppress(OpusagentError):
        await scene.caller.say(WORDS)


async def _strike(scene: AnyScene, blow: Blow, after: float) -> None:
    await trio.sleep(after)
    scene.trouble.struck = trio.current_time()
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


def check_broken_tape(folder: Path, call: Witnessed) -> None:
    """The same of a line that was away for a while: what was on its way is lost, the rest is there, and in order."""
    spoken = tape_of(folder).replace(b"\0\0", b"")
    there = next((place for place, (one, other) in enumerate(zip(spoken, SAID, strict=False)) if one != other), None)
    if there is not None:
        begins = there - there % 2
        rest = spoken[begins:]
        assert any(SAID.startswith(rest, begins + lost) for lost in range(0, round(LOST * 16_000), 2))
    assert len(spoken) >= 16 * call.report.audio.caller_received - 16 * LOST * 1000


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


@settings(max_examples=40)
@given(blow=st.sampled_from(LASTING_BLOWS), ms=st.integers(700, 6000))
def test_nor_is_one_whose_line_comes_back(blow: Blow, ms: int) -> None:
    """By AudioCodes: a line that breaks is no end of the call, and no rule of the platform's is broken."""
    with TemporaryDirectory() as folder:
        call = trio.run(perform_lasting, blow, ms / 1000, Path(folder), clock=MockClock(autojump_threshold=0))
        assert longest_silence(call, struck=blow.is_our_turn) <= blow.bound
        assert call.report.end in blow.ends
        assert blow.names in named(call.report)
        (check_broken_tape if call.report.line_gaps else check_tape)(Path(folder), call)
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
