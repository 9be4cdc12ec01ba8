"""Where the time between mouth and ear goes: percentiles of every stage over all turns of all calls.

    model      caller stopped -> first delta    the service's turn detection, the model, and the network both ways
    bridge     first delta -> first sent        conversion, and the wake of the sender
    platform   first sent -> first heard        what lay ahead of the answer, by the pacing clock
    ear        caller stopped -> first heard    all of it, as the caller lives it

"Caller stopped" is their last sound by our own ears. Turns whose end these did not hear begin when the model's service
noticed the pause, later than that: they are counted as `noticed`, and their model and ear are told too short.

A turn counts in a stage if both ends of the stage are known: a greeting has no stop before it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from opusagent.call.report import CallReport, slow_turns
from opusagent.call.turns import Turn
from opusagent.plain import counted, plain
from opusagent.units import CallId

STAGES: Final[Mapping[str, str]] = {
    "model": "caller stopped -> first delta",
    "bridge": "first delta -> first sent",
    "platform": "first sent -> first heard",
    "ear": "caller stopped -> first heard",
}

_ROUNDING: Final = 0.2
"""Milliseconds: both ends of a stage are rounded to a tenth, and a stage that took nothing took no less."""


@attrs.frozen
class Stage:
    """One stage in milliseconds: how many turns have it, and what their sorted times are like."""

    name: str
    between: str
    turns: int
    p50: float | None
    p90: float | None
    p99: float | None
    longest: float | None


@attrs.frozen
class SlowTurn:
    """A turn whose answer came late. Milliseconds, but for `at`: when the caller stopped, in seconds of the call."""

    call_id: CallId
    at: float
    ear: float
    model: float | None
    bridge: float | None
    platform: float | None


@attrs.frozen
class Latencies:
    """The turns of `calls` calls, and those beyond `threshold_ms`. `unanswered`: nothing came after the caller.

    `noticed`: turns timed from when the model's service noticed the pause, not from the caller's last sound.
    """

    calls: int
    turns: int
    greetings: int
    unanswered: int
    threshold_ms: float
    stages: tuple[Stage, ...]
    slow: tuple[SlowTurn, ...]
    noticed: int = 0


def latencies(reports: Sequence[CallReport], threshold_ms: float) -> Latencies:
    """What the turns of `reports` took."""
    turns = [turn for report in reports for turn in report.turns]
    times = stage_times(turns)
    return Latencies(
        calls=len(reports),
        turns=len(turns),
        greetings=sum(turn.stopped is None for turn in turns),
        unanswered=sum(turn.stopped is not None and turn.first_delta is None for turn in turns),
        threshold_ms=threshold_ms,
        stages=tuple(_stage(name, times[name]) for name in STAGES),
        slow=tuple(_slow(report.call_id, turn) for report in reports for turn in slow_turns(report, threshold_ms)),
        noticed=sum(turn.noticed for turn in turns),
    )


def stage_times(turns: Iterable[Turn]) -> dict[str, list[float]]:
    """The milliseconds of every stage, sorted."""
    times: dict[str, list[float]] = {name: [] for name in STAGES}
    for turn in turns:
        for name in STAGES:
            spent = _spent(turn, name)
            if spent is not None:
                times[name].append(spent)
    return {name: sorted(each) for name, each in times.items()}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest of `ordered` that at least `percent` of them do not exceed (nearest rank); None if there is none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile([1.0, 2.0, 3.0, 4.0], 90), percentile([], 50)
    (2.0, 4.0, None)
    """
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def latency_page(figures: Latencies) -> str:
    """The figures for people."""
    kinds = f"{counted(figures.greetings, 'greeting')}, {figures.unanswered} without an answer"
    lines = [
        f"turns: {figures.turns}, calls: {figures.calls} ({kinds}); milliseconds",
        f"{'stage':34} {'turns':>6} {'p50':>8} {'p90':>8} {'p99':>8} {'longest':>8}",
        *map(_stage_line, figures.stages),
        *_measured(figures),
        f"{counted(len(figures.slow), 'turn')} over {figures.threshold_ms:g} ms from mouth to ear"
        + (":" if figures.slow else ""),
        *(_slow_line(turn) for turn in figures.slow),
    ]
    return "\n".join(map(plain, lines)) + "\n"


def _measured(figures: Latencies) -> Iterator[str]:
    """From what the callers' waits are measured, if it is not their last sound."""
    if figures.noticed:
        begun = figures.turns - figures.greetings
        yield (
            f"{figures.noticed} of {begun} turns are timed from when the model noticed the pause, not from the "
            "caller's last sound, which our ears have not heard: callers waited longer"
        )


def _spent(turn: Turn, name: str) -> float | None:
    ends = {
        "model": (turn.stopped, turn.first_delta),
        "bridge": (turn.first_delta, turn.first_sent),
        "platform": (turn.first_sent, turn.first_heard),
        "ear": (turn.stopped, turn.first_heard),
    }
    begin, end = ends[name]
    if begin is None or end is None:
        return None
    spent = round((end - begin) * 1000, 1)
    return spent if abs(spent) > _ROUNDING else 0.0


def _stage(name: str, ordered: Sequence[float]) -> Stage:
    p50, p90, p99 = (percentile(ordered, percent) for percent in (50, 90, 99))
    return Stage(name, STAGES[name], len(ordered), p50, p90, p99, ordered[-1] if ordered else None)


def _slow(call_id: CallId, turn: Turn) -> SlowTurn:
    spent = {name: _spent(turn, name) for name in STAGES}
    ear = spent["ear"] or 0.0
    return SlowTurn(call_id, turn.stopped or 0.0, ear, spent["model"], spent["bridge"], spent["platform"])


def _stage_line(stage: Stage) -> str:
    figures = " ".join(map(_ms, (stage.p50, stage.p90, stage.p99, stage.longest)))
    return f"{stage.between:34} {stage.turns:>6} {figures}"


def _slow_line(turn: SlowTurn) -> str:
    parts = {"model": turn.model, "bridge": turn.bridge, "platform": turn.platform}
    told = ", ".join(f"{name} {spent:.0f}" for name, spent in parts.items() if spent is not None)
    return f"  call {turn.call_id}, {turn.at:.2f} s: {turn.ear:.0f} ms ({told})"


def _ms(figure: float | None) -> str:
    return f"{'-' if figure is None else format(figure, '.1f'):>8}"
