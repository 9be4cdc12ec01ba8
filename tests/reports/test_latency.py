"""Where the time went: percentiles of known turns, and the turns that are too slow."""

import attrs
import pytest

from opusagent.call.turns import Turn
from opusagent.reports.latency import Latencies, SlowTurn, Stage, latencies, latency_page, percentile, stage_times
from opusagent.units import CallId
from tests.reports.filing import TURN, report

GREETING = Turn(first_delta=0.1, first_sent=0.101, first_heard=0.101)
UNANSWERED = Turn(stopped=8.0)
SLOW = Turn(stopped=5.0, first_delta=5.9, first_sent=5.904, first_heard=6.0)


def test_every_stage_is_between_its_ends() -> None:
    assert stage_times([TURN, GREETING, UNANSWERED]) == {
        "model": [300.0],
        "bridge": [1.0, 2.0],
        "platform": [0.0, 20.0],
        "ear": [322.0],
    }


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 1, 1)), (2, (1, 2, 2)), (10, (5, 9, 10)), (100, (50, 90, 99)), (200, (100, 180, 198))],
)
def test_percentiles_are_of_the_nearest_rank(count: int, expected: tuple[int, int, int]) -> None:
    """Of the numbers from 1 to `count`."""
    ordered = [float(number) for number in range(1, count + 1)]
    assert tuple(percentile(ordered, percent) for percent in (50, 90, 99)) == expected


def test_the_figures_of_two_calls() -> None:
    figures = latencies([report("a", GREETING, TURN), report("b", SLOW, UNANSWERED)], 500)
    assert figures == Latencies(
        calls=2,
        turns=4,
        greetings=1,
        unanswered=1,
        threshold_ms=500,
        stages=(
            Stage("model", "caller stopped -> first delta", 2, 300.0, 900.0, 900.0, 900.0),
            Stage("bridge", "first delta -> first sent", 3, 2.0, 4.0, 4.0, 4.0),
            Stage("platform", "first sent -> first heard", 3, 20.0, 96.0, 96.0, 96.0),
            Stage("ear", "caller stopped -> first heard", 2, 322.0, 1000.0, 1000.0, 1000.0),
        ),
        slow=(SlowTurn(CallId("b"), at=5.0, ear=1000.0, model=900.0, bridge=4.0, platform=96.0),),
    )


def test_the_page_says_the_figures_and_names_the_slow_turns() -> None:
    assert latency_page(latencies([report("a", TURN), report("b", SLOW)], 500)) == (
        "turns: 2, calls: 2 (0 greetings, 0 without an answer); milliseconds\n"
        "stage                               turns      p50      p90      p99  longest\n"
        "caller stopped -> first delta           2    300.0    900.0    900.0    900.0\n"
        "first delta -> first sent               2      2.0      4.0      4.0      4.0\n"
        "first sent -> first heard               2     20.0     96.0     96.0     96.0\n"
        "caller stopped -> first heard           2    322.0   1000.0   1000.0   1000.0\n"
        "1 turn over 500 ms from mouth to ear:\n"
        "  call b, 5.00 s: 1000 ms (model 900, bridge 4, platform 96)\n"
    )


def test_turns_that_only_the_model_noticed_are_told_apart() -> None:
    noticed = attrs.evolve(SLOW, noticed=True)
    figures = latencies([report("a", GREETING, TURN, noticed, UNANSWERED)], 500)
    assert figures.noticed == 1
    assert "1 of 3 turns are timed from when the model noticed the pause" in latency_page(figures)
    assert "noticed" not in latency_page(latencies([report("a", GREETING, TURN)], 500))


def test_calls_without_turns_have_no_figures() -> None:
    figures = latencies([report("a", UNANSWERED)], 500)
    assert [(stage.turns, stage.p50, stage.longest) for stage in figures.stages] == [(0, None, None)] * 4
    assert "caller stopped -> first heard           0        -        -        -        -\n" in latency_page(figures)


def test_rounding_makes_no_stage_negative() -> None:
    turn = Turn(stopped=1.0, first_delta=1.1, first_sent=1.1001, first_heard=1.1)
    assert stage_times([turn])["platform"] == [0.0]
