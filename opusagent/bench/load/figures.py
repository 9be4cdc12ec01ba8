"""What the outcomes of several rounds come to, and how it is told.

Whatever else runs on a machine only adds: of CPU, memory and every latency the least of the rounds counts. Lost and
doubled sound, and calls that failed, are counted in all of them.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs
import numpy as np

from opusagent.bench.load.account import Account
from opusagent.bench.load.run import Outcome
from opusagent.bench.table import markdown

MOST_LATE: Final = 20.0
"""Milliseconds of lateness at the 99th percentile beyond which a program carries more calls than it can."""


@attrs.frozen
class Spread:
    """Milliseconds: the median, the 99th percentile and the longest. All nan if nothing was measured."""

    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """That of `values`.

        >>> Spread.of([1.0, 2.0, 9.0]).p50, Spread.of([1.0, 2.0, 9.0]).longest
        (2.0, 9.0)
        """
        if not values:
            return cls(float("nan"), float("nan"), float("nan"))
        p50, p99 = np.percentile(values, (50, 99)).tolist()
        return cls(p50, p99, max(values))

    @classmethod
    def best(cls, rounds: Iterable["Spread"]) -> "Spread":
        """That with the least 99th percentile."""
        return min(rounds, key=lambda spread: spread.p99)

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p99:.1f} / {self.longest:.0f}"


@attrs.frozen
class Figures:
    """One line of the table: what `calls` at once cost, and how they went."""

    subject: str
    calls: int
    cpu_ms: float
    memory: float
    set_up: Spread
    up: Spread
    down: Spread
    clear: Spread
    lateness: float
    lost: float
    doubled: float
    stale: float
    failed: int
    generator: float
    generator_lateness: float

    @classmethod
    def of(cls, rounds: Sequence[Outcome]) -> "Figures":
        """Those of one subject with one number of calls."""
        return cls(
            subject=rounds[0].subject,
            calls=rounds[0].calls,
            cpu_ms=min(each.cpu_ms for each in rounds),
            memory=min((each.memory - each.idle_memory) / each.calls for each in rounds),
            set_up=_best(rounds, lambda call: [] if call.set_up is None else [call.set_up]),
            up=_best(rounds, lambda call: call.up.tally.latencies),
            down=_best(rounds, lambda call: call.down.tally.latencies),
            clear=_best(rounds, lambda call: call.down.clears),
            lateness=max(
                _best(rounds, lambda call: call.up.tally.lateness).p99,
                _best(rounds, lambda call: call.down.tally.lateness).p99,
            ),
            lost=_total(rounds, lambda call: call.up.tally.lost + call.down.tally.lost),
            doubled=_total(rounds, lambda call: call.up.tally.doubled + call.down.tally.doubled),
            stale=_total(rounds, lambda call: call.down.stale),
            failed=sum(call.failure is not None for each in rounds for call in each.accounts),
            generator=min(each.load.share for each in rounds),
            generator_lateness=Spread.best(Spread.of(each.load.lateness) for each in rounds).p99,
        )


def table(figures: Sequence[Figures]) -> str:
    """All of them as Markdown. Latencies are "median / 99th percentile / longest"."""
    heads = (
        "calls",
        "program",
        "CPU ms/s",
        "MB/call",
        "set-up ms",
        "up ms",
        "down ms",
        "barge-in ms",
        "late p99 ms",
        "lost ms",
        "doubled ms",
        "stale ms",
        "failed",
        "generator",
    )
    return markdown(heads, [_row(each) for each in figures])


def _row(each: Figures) -> Sequence[str]:
    return (
        str(each.calls),
        each.subject,
        f"{each.cpu_ms:.2f}",
        f"{each.memory:.2f}",
        str(each.set_up),
        str(each.up),
        str(each.down),
        str(each.clear),
        f"{each.lateness:.1f}",
        f"{each.lost:.0f}",
        f"{each.doubled:.0f}",
        f"{each.stale:.0f}",
        str(each.failed),
        f"{each.generator:.0%}, {each.generator_lateness:.1f} ms",
    )


def ratios(figures: Sequence[Figures], reference: str) -> str:
    """The CPU of each program as a multiple of the reference's at the same number of calls."""
    base = {each.calls: each.cpu_ms for each in figures if each.subject == reference}
    names = list(dict.fromkeys(each.subject for each in figures if each.subject != reference))
    counts = sorted(base)
    found = {(each.subject, each.calls): each.cpu_ms for each in figures}
    rows = [
        (name, *(f"{found[name, calls] / base[calls]:.2f}" if (name, calls) in found else "" for calls in counts))
        for name in names
    ]
    return markdown((f"CPU, times that of the {reference}", *(f"{calls} calls" for calls in counts)), rows)


def most_calls(figures: Sequence[Figures], subject: str) -> int:
    """The most calls with which `subject`, and with all that are fewer, is late by at most `MOST_LATE`; 0 if none."""
    own = sorted((each for each in figures if each.subject == subject), key=lambda each: each.calls)
    good = itertools.takewhile(lambda each: each.lateness <= MOST_LATE and not each.failed, own)
    return max((each.calls for each in good), default=0)


def _best(rounds: Sequence[Outcome], values: Callable[[Account], Sequence[float]]) -> Spread:
    return Spread.best(Spread.of([value for call in each.accounts for value in values(call)]) for each in rounds)


def _total(rounds: Sequence[Outcome], value: Callable[[Account], float]) -> float:
    return sum(value(call) for each in rounds for call in each.accounts)
