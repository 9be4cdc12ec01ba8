"""A call as whoever traces sees it: a span for the call and one for each turn, made from its report.

Nothing here knows who carries them away. What they hold is numbers, reasons from fixed sets and the call's own id: no
number that somebody dialled, and no word that anybody said.
"""

import re
from collections.abc import Iterator
from typing import Final

import attrs

from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.call.turns import Turn
from opusagent.daemon.agent_meter import OTHER
from opusagent.daemon.meter import PLATFORMS, REASONS

WELL: Final = frozenset(
    {
        EndReason.CALLER_HUNG_UP,
        EndReason.CALLER_CLOSED,
        EndReason.AGENT_DONE,
        EndReason.TOO_LONG,
        EndReason.OPERATOR,
        EndReason.SHUTTING_DOWN,
    }
)
"""Ends that are nobody's fault."""

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

Value = str | int | float | bool


@attrs.frozen
class Parent:
    """The span of somebody else's that a call belongs under, and whether that one is kept."""

    trace_id: int
    span_id: int
    is_sampled: bool


def parent_in(header: str | None) -> Parent | None:
    """What a `traceparent` header says; None for none, and for one that is wrong (W3C Trace Context, 3.2).

    >>> parent_in("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    Parent(trace_id=14576827793038113322513871894673895836, span_id=13235353014750950193, is_sampled=True)
    """
    found = _PARENT.fullmatch((header or "").strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    return Parent(int(trace, 16), int(span, 16), bool(int(flags, 16) & 1))


@attrs.frozen
class Span:
    """What took place from `began` to `ended`, in nanoseconds since 1970. `fault`: why it did not go well, or nothing.

    `events` are moments in it.
    """

    name: str
    began: int
    ended: int
    attributes: tuple[tuple[str, Value], ...] = ()
    events: tuple[tuple[str, int], ...] = ()
    fault: str = ""


@attrs.frozen
class Told:
    """A call that is over, to be told of."""

    report: CallReport
    platform: str
    generation: int
    parent: Parent | None = None


def call_span(told: Told) -> Span:
    """The call itself."""
    report = told.report
    began = _began(report)
    reason = REASONS[report.end]
    return Span(
        "call",
        began,
        began + round(report.seconds * 1e9),
        (
            ("opusagent.call.id", report.call_id),
            ("opusagent.call.platform", told.platform if told.platform in PLATFORMS else OTHER),
            ("opusagent.call.end", reason),
            ("opusagent.call.agent", report.agent),
            ("opusagent.call.generation", told.generation),
            *(() if report.setup_seconds is None else (("opusagent.call.setup_seconds", report.setup_seconds),)),
            ("opusagent.call.caller_turns", report.caller_turns),
            ("opusagent.call.barge_ins", report.barge_ins),
            ("opusagent.call.tool_calls", report.tool_calls),
            ("opusagent.call.tokens", report.tokens.total),
            ("opusagent.call.dollars", report.dollars),
            ("opusagent.call.underruns", report.underruns.times),
            ("opusagent.call.line_losses", len(report.line_gaps)),
            ("opusagent.call.model_losses", len(report.model_gaps)),
            ("opusagent.call.model_errors", sum(report.model_errors.values())),
            ("opusagent.call.silences", sum(report.silences.values())),
        ),
        fault="" if report.end in WELL else reason,
    )


def turn_spans(told: Told) -> Iterator[Span]:
    """Its turns, each from the caller's last sound to the answer's first at their ear, as far as it came."""
    began = _began(told.report)
    for number, turn in enumerate(told.report.turns, 1):
        times = (
            ("stopped", turn.stopped),
            ("first_delta", turn.first_delta),
            ("first_sent", turn.first_sent),
            ("first_heard", turn.first_heard),
        )
        events = tuple((name, began + round(at * 1e9)) for name, at in times if at is not None)
        known = [at for _, at in events]
        yield Span("turn", min(known), max(known), (("opusagent.turn.number", number), *_of_turn(turn)), events)


def _of_turn(turn: Turn) -> Iterator[tuple[str, Value]]:
    if turn.waited is not None:
        yield "opusagent.turn.waited_ms", round(turn.waited * 1000)
    yield "opusagent.turn.answered", turn.first_delta is not None
    yield "opusagent.turn.interrupted", turn.heard is not None
    if turn.heard is not None and turn.total is not None:
        yield "opusagent.turn.heard_ms", turn.heard
        yield "opusagent.turn.total_ms", turn.total


def _began(report: CallReport) -> int:
    return round(report.started.timestamp() * 1e9)
