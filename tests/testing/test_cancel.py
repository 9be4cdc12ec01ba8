"""Three calls, each cancelled before every step that it takes: the ends are good ones, and a bad one is found."""

import re

import attrs
import pytest
import trio
from typing_extensions import override

from opusagent.call.hands import Hands, NoHands, Say
from opusagent.call.reasons import EndReason
from opusagent.call.tool_calls import ToolCall
from opusagent.testing.cancel import NAMES, TWILIO, UNWINDING, main, run, run_named, sweep


@pytest.mark.parametrize("name", NAMES)
def test_a_call_that_is_cancelled_before_any_step_ends_well(name: str) -> None:
    """Unwound in time, the model's sessions closed before the tape is finished, the tape playable, nothing left."""
    steps, bad = sweep(name)
    assert steps > 100
    assert bad == {}


def test_the_scenarios_are_what_they_are_called() -> None:
    """Left alone, each ends with the caller's goodbye."""
    interrupted, resumed, replaced = (run_named(name, 0).report for name in NAMES)
    assert interrupted is not None
    assert resumed is not None
    assert replaced is not None
    assert {each.end for each in (interrupted, resumed, replaced)} == {EndReason.CALLER_HUNG_UP}
    assert (interrupted.barge_ins, interrupted.tool_calls) == (1, 1)
    assert (len(resumed.line_gaps), len(resumed.model_gaps)) == (1, 0)
    assert (len(replaced.line_gaps), len(replaced.model_gaps)) == (0, 1)


class Stubborn(NoHands):
    """A tool that nobody can stop."""

    @override
    async def run(self, call: ToolCall) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(2 * UNWINDING)
        return "{}"


def stubborn(say: Say) -> Hands:
    del say
    return Stubborn()


def test_an_end_that_takes_too_long_is_found() -> None:
    """Cancelled while a tool runs that shields itself."""
    whole = TWILIO["barge-in"]
    planted = attrs.evolve(
        whole, theatre=attrs.evolve(whole.theatre, profile=attrs.evolve(whole.theatre.profile, hands=stubborn))
    )
    assert any("unwound" in breach for at in range(10, 60, 5) for breach in run(planted, at).breaches)


def test_the_command_sweeps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenario", "resume", "--stride", "50"]) == 0
    steps, tried, bad = map(int, re.findall(r"(\d+) (?:steps|tried|bad)", capsys.readouterr().out))
    assert (tried, bad) == (len(range(0, steps, 50)), 0)
