"""What must hold in every run, whatever went wrong: the invariants, as sentences that find their own breach.

Each law is a function from what was seen of a run to its breaches, in words; none is none.
"""

import wave
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.reasons import EndReason
from opusagent.call.recorder import REPORT_FILE
from opusagent.call.report import CallReport
from opusagent.testing.sim.dead_air import HEARING_SLACK, Span, longest_silence, our_turns
from opusagent.testing.sim.plan import Fault, Mode, Plan
from opusagent.units import CallId

Breach = str

LogLine = Mapping[str, object]

EXPECTED_ERRORS: Final = frozenset({
    "reload refused, nothing has changed",
    "no room for new connections",
})  # fmt: skip
"""Log lines of level error that tell an operator of something that happened to us, and not of a bug."""

LINE: Final = frozenset({
    Fault.RESET, Fault.BLACKHOLE, Fault.ONE_WAY, Fault.STALL, Fault.HALF_CLOSE, Fault.TRICKLE,
})  # fmt: skip
"""What can happen to any connection."""

CAUSES: Final[Mapping[EndReason, frozenset[Fault]]] = {
    EndReason.CALLER_CLOSED: LINE | {Fault.CALLER_VANISHES},
    EndReason.CALLER_LOST: LINE | {Fault.CALLER_VANISHES},
    EndReason.CALLER_STALLED: LINE,
    EndReason.CALLER_SILENT: LINE,
    EndReason.CALLER_BROKE_PROTOCOL: frozenset({Fault.MALFORMED_PLATFORM}),
    EndReason.MODEL_UNREACHABLE: LINE | {Fault.REFUSED, Fault.MODEL_REFUSES},
    EndReason.MODEL_NOT_READY: LINE | {Fault.MODEL_SILENT},
    EndReason.MODEL_LEFT: LINE | {Fault.MODEL_LEAVES},
    EndReason.MODEL_LOST: LINE | {Fault.MODEL_LEAVES},
    EndReason.MODEL_STALLED: LINE,
    EndReason.MODEL_REFUSED: frozenset({Fault.MODEL_ERRS, Fault.MODEL_REFUSES}),
    EndReason.MODEL_BROKE_PROTOCOL: frozenset(),
    EndReason.TOO_LONG: frozenset(),
    EndReason.OPERATOR: frozenset({Fault.OPERATOR_HANGS_UP}),
    EndReason.FAULT: frozenset(),
}
"""What a reason in a report must have been caused by. What is not here needs no fault."""

CLOCK_SLACK: Final = 0.05
"""Seconds by which the length of a recording and of its call may differ: a frame at either end, and rounding."""


@attrs.define(eq=False)
class Seen:
    """What was seen of a run. `complaints` are those of peers and operators, each with who complains."""

    plan: Plan
    started: dict[CallId, Path | None] = attrs.field(factory=dict[CallId, Path | None], init=False)
    began: dict[CallId, float] = attrs.field(factory=dict[CallId, float], init=False)
    """When, by the world's clock."""
    ears: dict[str, Sequence[Span]] = attrs.field(factory=dict[str, Sequence[Span]], init=False)
    """What each caller heard, from when to when, by the platform's name of the call."""
    floors: Sequence[float] = ()
    """When the service heard somebody begin to speak."""
    reports: list[CallReport] = attrs.field(factory=list[CallReport], init=False)
    complaints: list[str] = attrs.field(factory=list[str], init=False)
    broken_promises: list[str] = attrs.field(factory=list[str], init=False)
    """Of time: what was not over when it had to be, or did not work when it had to."""
    left_open: list[str] = attrs.field(factory=list[str], init=False)
    descriptors: frozenset[tuple[str, str]] = frozenset()
    """Those that the run has opened and left, each with its number and what it leads to."""
    tasks: tuple[int, int] = (0, 0)
    disk_has_failed: bool = False
    logs: Sequence[LogLine] = ()


def no_bug(seen: Seen) -> Iterator[Breach]:
    """Nothing is logged as an error that is not of an operator's making, or the world's."""
    for line in seen.logs:
        if line["log_level"] in {"error", "critical"} and line["event"] not in EXPECTED_ERRORS:
            yield f"logged as an error: {line['event']} {_cause(line)}"


def peers_content(seen: Seen) -> Iterator[Breach]:
    """No platform, no model's service and no operator has a rule of theirs broken by us."""
    yield from seen.complaints


def one_report_each(seen: Seen) -> Iterator[Breach]:
    """A call that began has one report (I15)."""
    reports = Counter(report.call_id for report in seen.reports)
    for number, call_id in enumerate(seen.started):
        if reports[call_id] != 1:
            yield f"call {number} has {reports[call_id]} reports"
    for report in seen.reports:
        if report.call_id not in seen.started:
            yield "a report is of no call that began"


def ends_explained(seen: Seen) -> Iterator[Breach]:
    """A report names a cause that was there."""
    for report in seen.reports:
        causes = CAUSES.get(report.end)
        if causes is not None and not causes & seen.plan.faults:
            yield f"ended by '{report.end.value}' ({report.end_detail}), which nothing has caused"


def audio_accounted(seen: Seen) -> Iterator[Breach]:
    """Of the model's sound every millisecond was heard, discarded or is held; of the caller's none was invented."""
    for report in seen.reports:
        audio = report.audio
        if audio.model_pushed != audio.model_heard + audio.model_discarded + audio.model_held:
            yield f"pushed {audio.model_pushed} is not heard + discarded + held: {audio}"
        if min(attrs.astuple(audio)) < 0:
            yield f"a negative length of audio: {audio}"


def recordings_whole(seen: Seen) -> Iterator[Breach]:
    """On a good disk a recording is a whole file with the report beside it, and holds all that was received (I12)."""
    for report in seen.reports:
        if report.recording is None or seen.disk_has_failed:
            continue
        if report.recording_fault is not None:
            yield f"a recording failed on a good disk: {report.recording_fault}"
            continue
        yield from _recording(Path(report.recording), report)


def _recording(path: Path, report: CallReport) -> Iterator[Breach]:
    with wave.open(str(path)) as file:
        frames, width = file.getnframes(), file.getsampwidth() * file.getnchannels()
        seconds = frames / file.getframerate()
    if path.stat().st_size != 44 + frames * width:
        yield f"the recording's header says {frames} frames, its size is {path.stat().st_size}"
    received = report.audio.caller_received / 1000
    # What a line has held back comes faster than it was said: such a recording is as long as what was received.
    if not received - CLOCK_SLACK <= seconds <= max(received, report.seconds) + CLOCK_SLACK:
        yield f"a recording of {seconds:.3f} s; received were {received:.3f} s in a call of {report.seconds:.3f} s"
    names = {each.name for each in path.parent.iterdir()}
    if REPORT_FILE not in names:
        yield "no report beside the recording"
    if any(name.endswith(".part") for name in names):
        yield f"something unfinished beside the recording: {sorted(names)}"


def nothing_left(seen: Seen) -> Iterator[Breach]:
    """When the daemon is over there is no task, socket or file of it (I1)."""
    for label in seen.left_open:
        yield f"a socket is left open: {label}"
    # A recording that is abandoned to a bad disk is closed by a thread, which the world does not wait for.
    for number, target in sorted(() if seen.disk_has_failed else seen.descriptors):
        yield f"descriptor {number} is left open: {target}"
    before, after = seen.tasks
    if before != after:
        yield f"tasks: {before} before, {after} after"


def in_time(seen: Seen) -> Iterator[Breach]:
    """What has to be over is over (I4), and what has to work works."""
    yield from seen.broken_promises


def quiet_without_faults(seen: Seen) -> Iterator[Breach]:
    """In a world without faults every caller hangs up by himself, and nothing is lost."""
    if seen.plan.faults or seen.plan.mode is Mode.SHUTDOWN:
        return
    wanted = len(seen.plan.calls) + (seen.plan.mode is Mode.LIVENESS)
    if len(seen.reports) != wanted:
        yield f"without any fault: {len(seen.reports)} of {wanted} calls were taken"
    for report in seen.reports:
        if report.end is not EndReason.CALLER_HUNG_UP or report.audio.caller_dropped:
            yield f"without any fault: ended by '{report.end.value}', {report.audio.caller_dropped} ms dropped"


def no_dead_air(seen: Seen) -> Iterator[Breach]:
    """While it is our turn no caller hears nothing for longer than the bound, as long as the lines are well.

    What the caller heard is the platform's truth; that it was our turn is the report's story, and the service's word
    on who speaks.
    """
    if seen.plan.faults & LINE:
        return
    for report in seen.reports:
        ear = seen.ears.get(report.platform_call_id)
        began = seen.began.get(report.call_id)
        if ear is None or began is None:
            continue
        for begin, end in our_turns(report, began, seen.floors):
            silent = longest_silence(ear, begin, end)
            if silent > DEAD_AIR_SECONDS + HEARING_SLACK:
                yield f"a caller heard nothing for {silent:.2f} s from {begin - began:.2f} s on, and it was our turn"


Law = Callable[[Seen], Iterator[Breach]]

LAWS: Final[Sequence[Law]] = (
    no_bug,
    peers_content,
    one_report_each,
    ends_explained,
    audio_accounted,
    recordings_whole,
    nothing_left,
    in_time,
    no_dead_air,
    quiet_without_faults,
)


def breaches(seen: Seen) -> tuple[Breach, ...]:
    """All of them, each with the name of its law."""
    return tuple(f"{law.__name__}: {breach}" for law in LAWS for breach in law(seen))


def _cause(line: LogLine) -> str:
    return " ".join(f"{key}={value}" for key, value in line.items() if key not in {"event", "log_level", "timestamp"})
