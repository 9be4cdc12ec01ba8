"""Many calls on a line each, and one call's words."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import msgspec

from opusagent.call.report import CallReport
from opusagent.plain import counted, plain
from opusagent.reports.latency import percentile, stage_times
from opusagent.reports.shelf import LARGEST


class _Line(msgspec.Struct):
    """Any line of a transcript: what is not of its kind is not there."""

    kind: str
    began: float | None = None
    ended: float | None = None
    at: float | None = None
    words: str | None = None
    unheard: str = ""
    digits: str = ""
    name: str = ""
    arguments: str | None = None
    output: str | None = None


_LINE = msgspec.json.Decoder(_Line)


@attrs.frozen
class Row:
    """What a table says of a call."""

    started: str
    call: str
    caller: str
    seconds: str
    turns: str
    barge_ins: str
    p50: str
    longest: str
    end: str


HEAD = Row("started", "call", "from", "s", "turns", "barge", "p50 ms", "max ms", "ended")


def table(reports: Sequence[CallReport]) -> str:
    """The calls, one a line, and what they come to together."""
    rows = [HEAD, *map(_row, reports)]
    cells: list[tuple[str, ...]] = [attrs.astuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(_aligned, row, widths, range(len(row)))).rstrip() for row in cells]
    seconds = sum(report.seconds for report in reports)
    lines.append(f"calls: {len(reports)}, minutes: {seconds / 60:.1f}")
    return "".join(f"{plain(line)}\n" for line in lines)


def words_of(path: Path) -> str:
    """The transcript at `path` for people; nothing if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST)
    except OSError:
        return ""
    lines: list[str] = []
    unreadable = 0
    for each in content.splitlines():
        try:
            lines.append(_spoken(_LINE.decode(each)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            unreadable += 1
    if unreadable:
        lines.append(f"    {counted(unreadable, 'line')} of {path.name} cannot be read")
    return "".join(f"{plain(line)}\n" for line in ("  transcript:", *lines))


def _spoken(line: _Line) -> str:
    at = line.began if line.at is None else line.at
    when = " " * 10 if at is None else f"{at:8.2f} s"
    match line.kind:
        case "caller":
            said = "caller: " + (line.words or "(not written down)")
        case "model":
            said = f"model:  {line.words}" + (f"  [not heard: {line.unheard}]" if line.unheard else "")
        case "keys":
            said = f"caller pressed {line.digits}"
        case "unrecorded":
            said = "not recorded to " + ("the end" if line.ended is None else f"{line.ended:.2f} s")
        case "tool" if line.output is not None:
            said = f"tool answered: {line.output}"
        case _:
            said = f"tool called: {line.name} {line.arguments or ''}"
    return f"    {when}  {' '.join(said.split())}"


def _row(report: CallReport) -> Row:
    waits = stage_times(report.turns)["ear"]
    middle = percentile(waits, 50)
    return Row(
        started=f"{report.started:%Y-%m-%d %H:%M:%S}",
        call=report.call_id,
        caller=report.caller[:20],
        seconds=f"{report.seconds:.0f}",
        turns=str(report.caller_turns),
        barge_ins=str(report.barge_ins),
        p50="-" if middle is None else f"{middle:.0f}",
        longest=f"{waits[-1]:.0f}" if waits else "-",
        end=report.end.value,
    )


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if 3 <= column <= 7 else cell.ljust(width)
