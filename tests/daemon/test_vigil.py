"""Calls that hang while they talk are found out, and calls that merely wait are not: whole calls, in virtual time."""

import math

import attrs
import trio

from opusagent.call.ending import Ending
from opusagent.call.vitals import Duty, Vitals
from opusagent.daemon.vigil import DUTIES, Vigil
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import BY_TWILIO, CALL, CallStage, Stage, Theatre, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import CallId, LoopTime, Ms, Mulaw, Pcm16

PATIENT = attrs.evolve(MODEL, send_seconds=math.inf, ping_seconds=math.inf, pong_seconds=math.inf)
"""What no socket of ours is: whoever is not read from waits for ever."""


class PatientStage(CallStage[ScriptedTwilioCaller]):
    """A call with a bug: its model's socket has no bounds."""

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_pair(PATIENT)
        self.legs.append(theirs)
        model = ScriptedModel(theirs)
        self.models.append(model)
        plumbing.start_soon(model.listen)
        self._dialled.set()
        return ours


def patient(platform: MemorySocket, scenery: trio.Nursery) -> PatientStage:
    return PatientStage(ScriptedTwilioCaller(platform), platform, Ending(), scenery)


async def watched(stage: Stage | AudioCodesStage, seconds: int) -> list[str]:
    """What the call was found to hang at, second by second, without repetitions."""
    vigil, found = Vigil(), list[str]()
    for _ in range(seconds):
        await trio.sleep(1)
        what = vigil.look({CALL: stage.switch.vitals()}, LoopTime(trio.current_time())).get(CALL, "")
        if found[-1:] != [what]:
            found.append(what)
    return found


def test_a_call_whose_model_is_told_nothing_any_more_hangs() -> None:
    """Its socket takes nothing and does not say so. The caller's frames wait, twenty seconds of them."""
    found: list[str] = []

    async def script(stage: PatientStage) -> None:
        model = await stage.dialled()
        await model.opening()
        stage.legs[0].stall()
        found.extend(await watched(stage, 20))
        await stage.caller.hang_up()

    Theatre(patient, BY_TWILIO.dialect).play(script)
    assert found == ["", DUTIES["model_hears"]]


def quiet(ms: int) -> Mulaw:
    return Mulaw(b"\xff" * 8 * ms)


def test_calls_that_wait_or_talk_or_have_lost_a_leg_do_not_hang() -> None:
    """A quiet minute, half a minute of the model's, and four seconds without it, while the caller's sound waits."""
    found: list[str] = []

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        found.extend(await watched(stage, 60))
        await model.say("item-1", Pcm16(b"\x10\x20" * 24_000 * 30), response_id="response-1")
        found.extend(await watched(stage, 40))
        stage.legs[0].vanish()
        again = await stage.another()
        found.extend(await watched(stage, 4))
        await again.opening()
        found.extend(await watched(stage, 20))
        await stage.caller.hang_up()

    report = play(script)
    assert (set(found), report.model_gaps != ()) == ({""}, True)


def test_a_call_whose_platform_is_away_does_not_hang_whatever_waits_for_it() -> None:
    """For twenty-five seconds, with half a minute of the model's on hand."""
    found: list[str] = []

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", Pcm16(b"\x10\x20" * 24_000 * 30), response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.break_line(stage.platform.vanish)
        found.extend(await watched(stage, 25))
        await stage.reconnect()
        found.extend(await watched(stage, 12))
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert (found, len(report.line_gaps)) == ([""] * 2, 1)


def due(name: str, done: int) -> Vitals:
    return attrs.evolve(Vitals(), **{name: Duty(done, is_due=True)})


def test_whatever_is_due_and_is_not_done_for_ten_looks_hangs() -> None:
    for name, words in DUTIES.items():
        vigil = Vigil()
        found = [vigil.look({CALL: due(name, 5)}, LoopTime(float(now))).get(CALL) for now in range(12)]
        assert found == [None] * 10 + [words] * 2


def test_what_is_due_at_every_look_and_goes_on_does_not_hang() -> None:
    vigil = Vigil()
    found = [vigil.look({CALL: due("caller_hears", now // 9)}, LoopTime(float(now))) for now in range(60)]
    assert found == [{}] * 60


def test_a_process_that_stood_still_has_seen_nothing_meanwhile() -> None:
    """Two looks, a minute apart."""
    vigil = Vigil()
    assert [vigil.look({CALL: due("caller_hears", 5)}, LoopTime(now)) for now in (0.0, 60.0, 61.0)] == [{}] * 3


def test_looks_that_come_fast_do_not_shorten_the_time() -> None:
    vigil = Vigil()
    found = [vigil.look({CALL: due("caller_hears", 5)}, LoopTime(now / 10)) for now in range(100)]
    assert found == [{}] * 100


def test_each_call_is_looked_at_by_itself() -> None:
    vigil, other = Vigil(), CallId("other")
    calls = {CALL: due("time_is_kept", 0), other: Vitals()}
    found = [vigil.look(calls, LoopTime(float(now))) for now in range(11)]
    assert found[-1] == {CALL: DUTIES["time_is_kept"]}
