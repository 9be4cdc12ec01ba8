"""`opusagent report`: which reports, and in which form."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import msgspec

from opusagent.call.recorder import REPORT_FILE
from opusagent.call.report import page, to_json
from opusagent.reports.latency import latencies, latency_page, stage_times
from opusagent.reports.plot import plot
from opusagent.reports.shelf import Filed, Unreadable, find, nothing_found
from opusagent.reports.table import table, words_of

Write = Callable[[str], object]


@attrs.frozen
class Wish:
    """What was asked for. `target` as in `shelf.find`; with a `plot` the figures are latencies.

    A target that is a call has a page; any other has a table, and below it the page of a call that is alone there.
    """

    target: str | None
    directory: Path
    latency: bool = False
    plot: Path | None = None
    json: bool = False
    threshold_ms: float = 500.0

    @property
    def is_of_one_call(self) -> bool:
        """Whether the target is a call: its report, its own directory, or its id."""
        if self.target is None:
            return False
        place = Path(self.target)
        return not place.is_dir() or (place / REPORT_FILE).exists()

    def fault(self) -> str | None:
        """Why it cannot be had, whatever the reports are."""
        if self.plot is None:
            return None
        match self.plot.suffix.lower():
            case ".svg":
                return None
            case ".png":
                return _missing_pillow()
            case _:
                return f"{self.plot}: plots are written as SVG or PNG: name a file.svg or a file.png"


def show(wish: Wish, write: Write, complain: Write) -> bool:
    """Write what was asked for, and complain of every report that cannot be read. Whether all could be."""
    found = find(wish.target, wish.directory)
    reports = [each for each in found if isinstance(each, Filed)]
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    for each in unreadable:
        complain(f"{each.path}: {each.why}")
    if not found:
        complain(nothing_found(wish.target, wish.directory))
    if not reports:
        return False
    write(_latency(wish, reports) if wish.latency or wish.plot is not None else _calls(wish, reports))
    return not unreadable and _drawn(wish, reports, complain)


def _calls(wish: Wish, reports: Sequence[Filed]) -> str:
    alone = reports[0] if len(reports) == 1 else None
    values = [each.report for each in reports]
    if wish.json:
        return to_json(alone.report).decode() if alone and wish.is_of_one_call else _as_json(values)
    whole = page(alone.report) + words_of(alone.transcript) if alone else ""
    return whole if whole and wish.is_of_one_call else "\n".join(filter(None, (table(values), whole)))


def _latency(wish: Wish, reports: Sequence[Filed]) -> str:
    figures = latencies([each.report for each in reports], wish.threshold_ms)
    return _as_json(figures) if wish.json else latency_page(figures)


def _drawn(wish: Wish, reports: Sequence[Filed], complain: Write) -> bool:
    if wish.plot is None:
        return True
    times = stage_times(turn for each in reports for turn in each.report.turns)
    try:
        wish.plot.write_bytes(_picture(wish.plot, plot(times, wish.threshold_ms)))
    except OSError as error:
        complain(f"{wish.plot}: the plot cannot be written: {error.strerror}")
        return False
    return True


def _missing_pillow() -> str | None:
    """Why no PNG can be drawn here; None if it can."""
    try:
        from opusagent.reports import png
    except ImportError as error:
        install = 'install it with `pip install "opusagent[plot]"`, or name a file.svg'
        return f"PNG needs the package Pillow, which cannot be loaded ({error}): {install}"
    del png
    return None


def _picture(path: Path, svg: str) -> bytes:
    if path.suffix.lower() == ".svg":
        return svg.encode()
    from opusagent.reports.png import rasterised

    return rasterised(svg)


def _as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
