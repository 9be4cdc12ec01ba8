"""`opusagent demo --fault`: what may be asked for, what it must come to, and two of them as a person runs them."""

import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.clips import built_in
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.cli import main
from opusagent.demo.faults import ORDEALS, Ordeal, Outcome
from opusagent.demo.ordeal import BOUND, Watch, problems
from opusagent.demo.show import Audience
from opusagent.demo.speech import load
from opusagent.local.faults import Err, Misdeed, Mishap, ShutDoor
from opusagent.local.voices import chime
from opusagent.testing.play import Stage, play

PATIENCE = 90.0

IN_THE_ISSUE = {
    "model-drop",
    "model-stall",
    "model-freeze",
    "model-garbage",
    "model-429",
    "model-5xx",
    "model-expired",
    "model-half-close",
    "model-blackhole",
    "model-bad-key",
    "model-quota",
    "model-unknown",
    "model-error",
}


def test_everything_that_the_backend_can_do_can_be_asked_for() -> None:
    asked = [fault for ordeal in ORDEALS.values() for fault in ordeal.model]
    deeds = {fault.deed for fault in asked if isinstance(fault, Mishap)}
    assert deeds.issuperset(Misdeed)
    assert {type(fault) for fault in asked} == {Mishap, ShutDoor}
    assert any(isinstance(deed, Err) for deed in deeds)
    assert set(ORDEALS) > IN_THE_ISSUE


def test_a_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--fault", "list"], {}) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(ORDEALS)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (["--fault", "model-dorp"], "there is no fault called 'model-dorp'. Did you mean model-drop"),
        (["--fault", "MODEL_STALL"], "Did you mean model-stall"),
        (["--fault", "xyzzy"], "there is no fault called 'xyzzy'. `opusagent demo --fault list` names all of them"),
        (["--fault", "model-drop", "--agent", "a.toml"], "leave --agent out"),
    ],
)
def test_a_wrong_wish_is_told_what_is_right(wish: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *wish], {}) == 2
    assert told in capsys.readouterr().err


# -- what it must come to ---------------------------------------------------------------------------------------------


def a_report() -> CallReport:
    """Of a call in which nothing happened."""

    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.caller.hang_up()

    return play(script)


def good() -> Watch:
    """A call that went on."""
    watch = Watch(Audience(len))
    watch.audience.report = a_report()
    watch.struck.set()
    watch.struck_at, watch.over_at, watch.silence, watch.alike = 10.0, 20.0, BOUND, 0.9
    return watch


def left_in_silence(watch: Watch) -> None:
    watch.silence = BOUND + 1


def never_answered(watch: Watch) -> None:
    watch.alike = 0.1


def never_struck(watch: Watch) -> None:
    watch.struck = trio.Event()


def ended(watch: Watch) -> None:
    watch.audience.report = attrs.evolve(a_report(), end=EndReason.MODEL_LOST)


def never_over(watch: Watch) -> None:
    watch.audience.report = None


def unrecorded(watch: Watch) -> None:
    watch.audience.report = attrs.evolve(a_report(), recording_fault="disk full")


def test_a_call_that_went_on_is_good() -> None:
    assert list(problems(Ordeal("it"), good(), Outcome.GOES_ON)) == []


@pytest.mark.parametrize("spoil", [left_in_silence, never_answered, never_struck, ended, never_over, unrecorded])
def test_whatever_goes_wrong_fails_it(spoil: Callable[[Watch], None]) -> None:
    watch = good()
    spoil(watch)
    assert len(list(problems(Ordeal("it"), watch, Outcome.GOES_ON))) == 1


def in_mulaw(sound: bytes) -> bytes:
    return Converter(PCM16_24K, MULAW_8K).push(sound)


def test_a_call_that_ends_without_an_apology_fails_it() -> None:
    ordeal = Ordeal("it", outcome=Outcome.APOLOGY)
    watch, tones = good(), built_in(PCM16_24K)
    for sound in (b"", load("goodbye"), in_mulaw(tones.wait), in_mulaw(chime())):
        watch.sound = sound
        assert list(problems(ordeal, watch, ordeal.outcome)) == ["the caller heard no apology"]
    watch.sound = in_mulaw(tones.apology)
    assert list(problems(ordeal, watch, ordeal.outcome)) == []


def test_a_call_that_is_over_too_late_fails_it() -> None:
    ordeal, watch = Ordeal("it", outcome=Outcome.OVER), good()
    assert list(problems(ordeal, watch, ordeal.outcome)) == []
    watch.over_at = 22.0
    assert len(list(problems(ordeal, watch, ordeal.outcome))) == 1


# -- in real time -----------------------------------------------------------------------------------------------------


async def demo(output: Path, *wish: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "opusagent", "demo", "--output", str(output), *wish]
    with trio.fail_after(PATIENCE):
        ran = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return ran.returncode, ran.stdout.decode()


@pytest.mark.parametrize(
    ("wish", "story"),
    [
        (
            ["--fault", "model-drop"],
            ["FAULT: the model's socket is reset", "session is lost", "takes over after", "the call goes on"],
        ),
        (
            ["--fault", "model-bad-key", "--platform", "audiocodes"],
            ["FAULT: the model's socket is reset", "door answers 401", "the line has ended", "hears an apology"],
        ),
    ],
)
async def test_it_is_shown_as_it_happens(tmp_path: Path, wish: list[str], story: list[str]) -> None:
    status, shown = await demo(tmp_path, *wish)
    places = [shown.find(line) for line in story]
    assert (status, -1 in places, places) == (0, False, sorted(places)), shown
