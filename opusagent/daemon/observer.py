"""Who looks on while calls take place: the demo, and whoever counts."""

from collections.abc import Callable
from pathlib import Path

import attrs

from opusagent.call.exchange import watch_nothing
from opusagent.call.moments import Moment
from opusagent.call.report import CallReport
from opusagent.units import CallId


def ignore_start(call_id: CallId, folder: Path | None) -> None:
    """Nobody asked to be told that a call begins, or where it is kept."""


def ignore_report(report: CallReport) -> None:
    """Nobody asked for reports but the log and the disk."""


@attrs.frozen
class Observer:
    """Who looks on: at calls that begin, at what happens in them, and at their reports."""

    on_start: Callable[[CallId, Path | None], None] = ignore_start
    on_moment: Callable[[Moment], None] = watch_nothing
    on_report: Callable[[CallReport], None] = ignore_report
