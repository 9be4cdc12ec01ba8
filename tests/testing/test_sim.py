"""The daemon in the simulated world: two hundred seeds, each of which must break no law and repeat exactly."""

import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar

import attrs
import pytest
import trio
from typing_extensions import override

from opusagent.audio.wav import header
from opusagent.call.report import CallReport
from opusagent.daemon.config import Config
from opusagent.testing.sim.__main__ import complaint, main
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.sim.operator import Shelf
from opusagent.testing.sim.plan import Call, Fault, Mode, Plan
from opusagent.testing.sim.world import Outcome, World, run
from opusagent.units import HZ_8K, Ms

MODES = list(Mode)


def plan(seed: int) -> Plan:
    """Every third seed in the same mode."""
    return Plan.of(seed, MODES[seed % len(MODES)])


@pytest.mark.parametrize("seed", range(200))
def test_a_seed_breaks_no_law(seed: int) -> None:
    """A failure prints the line that replays it."""
    outcome = run(plan(seed))
    assert not outcome.breaches, complaint(outcome)


def test_a_seed_repeats_exactly() -> None:
    """In one process, one run after the other."""
    for seed in (7, 11, 36):
        first, second = run(plan(seed)), run(plan(seed))
        assert first.lines > 10
        assert (first.digest, first.ends) == (second.digest, second.ends)


def test_a_seed_repeats_in_another_process() -> None:
    """With strings that hash in another way, and objects at other addresses."""
    digests = {_digest_of_another_process(hash_seed) for hash_seed in ("1", "2")}
    assert digests == {run(plan(36)).digest}


def _digest_of_another_process(hash_seed: str) -> str:
    command = [sys.executable, "-m", "opusagent.testing.sim", "--seed", "36", "--mode", "safety", "--trace"]
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(  # noqa: S603 (this very program)
        command, env=environ, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.partition(" lines, trace ")[2].split()[0]


def test_another_seed_is_another_run() -> None:
    """The hash tells runs apart."""
    assert len({run(plan(seed)).digest for seed in range(3)}) == 3


def test_the_seeds_of_ci_reach_every_fault_and_mode() -> None:
    """Swarms: every fault, some runs without any and some with one alone."""
    plans = [plan(seed) for seed in range(200)]
    assert frozenset[Fault]().union(*(each.faults for each in plans)) == frozenset(Fault)
    assert {len(each.faults) for each in plans} >= {0, 1, 5}
    assert {each.mode for each in plans} == set(Mode)


# What is wrong on purpose, and must be found.

CALM = attrs.evolve(Plan.of(0, Mode.SAFETY), faults=frozenset[Fault](), drain_seconds=0.0)
"""A run without a fault of the world's."""


def found(world: type[World], calm: Plan = CALM) -> str:
    """What a world is found guilty of; the same plan in an honest world is found guilty of nothing."""
    assert run(calm).breaches == ()
    return "\n".join(run(calm, world=world).breaches)


class LosesReports(World):
    """Nobody is told of a call that is over."""

    @override
    def on_report(self, report: CallReport) -> None:
        del report


class ReportsTwice(World):
    """Everybody is told twice."""

    @override
    def on_report(self, report: CallReport) -> None:
        super().on_report(report)
        super().on_report(report)


class TakesNoCalls(World):
    """The callers' network leads nowhere."""

    @override
    async def live(self) -> None:
        self.network.refused_until = math.inf
        await super().live()


class MiscountsAudio(World):
    """A millisecond of the model's speech is nowhere."""

    @override
    def on_report(self, report: CallReport) -> None:
        wrong = attrs.evolve(report.audio, model_held=Ms(report.audio.model_held + 1))
        super().on_report(attrs.evolve(report, audio=wrong))


class CutsRecordings(World):
    """The last frame of each recording is lost."""

    @override
    def on_report(self, report: CallReport) -> None:
        path = Path(report.recording or "")
        os.truncate(path, path.stat().st_size - 4)
        super().on_report(report)


class EmptiesRecordings(World):
    """Each recording is a whole file, with nothing in it."""

    @override
    def on_report(self, report: CallReport) -> None:
        Path(report.recording or "").write_bytes(header(2, HZ_8K, 0))
        super().on_report(report)


class LeaksDescriptors(World):
    """A file is opened for each call, and never closed."""

    opened: ClassVar[list[int]] = []

    @override
    def on_report(self, report: CallReport) -> None:
        super().on_report(report)
        LeaksDescriptors.opened.append(os.open("/dev/null", os.O_RDONLY))


class ClosesWhatWasThere(World):
    """The garbage collector finds what an earlier run has left, while this one runs."""

    there: ClassVar[list[int]] = []

    @override
    def on_report(self, report: CallReport) -> None:
        super().on_report(report)
        os.close(self.there.pop())


class LeaksSockets(World):
    """A socket is made for each call, and never closed."""

    @override
    def on_report(self, report: CallReport) -> None:
        super().on_report(report)
        self.network.socket().label = "to model, once more"


class ForgetsItsPlan(World):
    """The faults of the plan happen, and nobody remembers that they were planned."""

    @override
    def on_report(self, report: CallReport) -> None:
        self.seen.plan = attrs.evolve(self.plan, faults=frozenset[Fault]())
        super().on_report(report)


class TakesTooLong(World):
    """Each piece of disk work takes half a minute, and this is thought to be a good disk."""

    @override
    def new_disk(self) -> SimDisk:
        return SimDisk(self.trace, delay=30.0)


class IsTooPatient(World):
    """A daemon that lets its callers wait."""

    @override
    def new_config(self, folder: Path) -> Config:
        config = super().new_config(folder)
        return attrs.evolve(config, limits=attrs.evolve(config.limits, dead_air_seconds=30))


class RollsOver(World):
    """An honest one that counts the sessions which were relieved."""

    times: ClassVar[list[float]] = []

    @override
    def on_report(self, report: CallReport) -> None:
        super().on_report(report)
        RollsOver.times.extend(report.rollovers)


class FaultyShelf(Shelf):
    """A bug in reading the configuration."""

    @override
    async def load(self) -> Config:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("nobody has thought of this")


class CannotReload(World):
    """Reloads meet that bug."""

    @override
    def new_shelf(self) -> Shelf:
        return FaultyShelf(self.config)


@pytest.mark.parametrize(
    ("world", "law"),
    [
        (LosesReports, "one_report_each: call 0 has 0 reports"),
        (ReportsTwice, "one_report_each: call 0 has 2 reports"),
        (TakesNoCalls, "quiet_without_faults: without any fault: 0 of 1 calls were taken"),
        (MiscountsAudio, "audio_accounted"),
        (CutsRecordings, "recordings_whole: the recording's header"),
        (EmptiesRecordings, "recordings_whole: a recording of 0.000 s"),
        (LeaksDescriptors, "is left open: /dev/null"),
        (LeaksSockets, "nothing_left: a socket is left open"),
        (TakesTooLong, "in_time"),
    ],
)
def test_what_is_wrong_on_purpose_is_found(world: type[World], law: str) -> None:
    assert law in found(world)


def test_what_others_have_left_open_is_no_fault_of_a_run() -> None:
    """It was there before, and is closed in the middle of the run."""
    ClosesWhatWasThere.there.append(os.open("/dev/null", os.O_RDONLY))
    assert run(CALM, world=ClosesWhatWasThere).breaches == ()
    assert not ClosesWhatWasThere.there


def test_a_bug_in_a_reload_is_found() -> None:
    """It ends no call, so only the log tells."""
    calm = attrs.evolve(CALM, faults=frozenset({Fault.RELOAD}), fault_every=0.3)
    assert "no_bug: logged as an error: fault in a reload" in found(CannotReload, calm)


SILENCES = (
    frozenset({Fault.MODEL_SILENT}),
    frozenset({Fault.MODEL_LEAVES, Fault.MODEL_REFUSES}),
    frozenset({Fault.MODEL_LEAVES, Fault.MODEL_SILENT, Fault.MODEL_ERRS, Fault.MALFORMED_MODEL, Fault.REFUSED}),
)
"""What may go wrong where the lines are well and the model is not."""


def long_call(seed: int, faults: frozenset[Fault]) -> Plan:
    """One that lasts long enough to be left in silence."""
    return attrs.evolve(CALM, seed=seed, faults=faults, fault_every=1.0, calls=(Call("twilio", 0.0, 25.0),))


@pytest.mark.parametrize("faults", SILENCES)
@pytest.mark.parametrize("seed", range(4))
def test_a_long_call_with_a_bad_model_breaks_no_law(seed: int, faults: frozenset[Fault]) -> None:
    assert run(long_call(seed, faults)).breaches == ()


def test_a_call_that_was_never_taken_is_no_silence_of_ours() -> None:
    """AudioCodes lets its caller hear ringing until it reads `session.accepted`; Twilio's caller hears us at once."""
    away = attrs.evolve(long_call(0, frozenset({Fault.MODEL_SILENT})), fault_every=0.1)
    ringing = attrs.evolve(away, calls=(Call("audiocodes", 0.0, 25.0),))
    assert run(ringing, world=IsTooPatient).breaches == ()
    assert "no_dead_air: a caller heard nothing for" in found(IsTooPatient, away)


@pytest.mark.parametrize("platform", ["twilio", "audiocodes"])
@pytest.mark.parametrize("faults", [frozenset[Fault](), *SILENCES])
def test_a_call_that_outlasts_its_sessions_breaks_no_law(faults: frozenset[Fault], platform: str) -> None:
    """Sessions are relieved in its pauses, or end in the middle of it, whatever else goes wrong."""
    short = attrs.evolve(long_call(1, faults), session_seconds=12.0, calls=(Call(platform, 0.0, 40.0),))
    RollsOver.times.clear()
    assert run(short, world=RollsOver).breaches == ()
    assert RollsOver.times or faults


@pytest.mark.parametrize("faults", SILENCES[:2])
def test_a_caller_who_is_left_in_silence_is_found(faults: frozenset[Fault]) -> None:
    """A daemon that does nothing about a service that is silent, or away, is told from one that does."""
    assert "no_dead_air: a caller heard nothing for" in found(IsTooPatient, long_call(0, faults))


def test_an_end_that_nothing_has_caused_is_found() -> None:
    """An operator hangs up, in a world whose plan knows of none."""
    busy = attrs.evolve(CALM, faults=frozenset({Fault.OPERATOR_HANGS_UP}), fault_every=0.2)
    assert run(busy).ends["ended by an operator"]
    assert "ends_explained: ended by 'ended by an operator'" in found(ForgetsItsPlan, busy)


def test_a_failing_seed_says_how_it_is_replayed() -> None:
    """What it broke, what went wrong in its world, and the command."""
    outcome = Outcome(plan(3), "", 0, 0.0, Counter(), 0, ("in_time: too late",))
    told = complaint(outcome)
    assert "in_time: too late" in told
    assert told.endswith("replay: python -m opusagent.testing.sim --seed 3 --mode safety --trace\n")


def test_the_command_runs_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    """And prints the trace's hash, if it is asked for the trace."""
    assert main(["--seed", "36", "--mode", "safety", "--trace"]) == 0
    assert f"trace {run(Plan.of(36, Mode.SAFETY)).digest}" in capsys.readouterr().out
