"""What is known about a call when it is over: a value to keep as JSON, and a page to read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import attrs
import msgspec

from opusagent.audio.vad.ear import Heard
from opusagent.call.moments import (
    AnswerBegan,
    CallerPaused,
    CallerSpoke,
    EchoHeard,
    GivenUp,
    Interrupted,
    KeysCame,
    Lapsed,
    LineBack,
    LineJudged,
    LineLost,
    ModelBack,
    ModelErred,
    ModelLost,
    ModelReady,
    ModelSaid,
    Moment,
    PassedOn,
    RecordingPaused,
    RecordingResumed,
    RolledOver,
    SilenceBroken,
    SpareLost,
    SpareReady,
    Transferred,
)
from opusagent.call.playout import Cut
from opusagent.call.quality import LineQuality, alert_in_words, echo_in_words, quality_in_words
from opusagent.call.reasons import EndReason
from opusagent.call.tape import Pause
from opusagent.call.turns import Turn
from opusagent.call.underruns import Underruns
from opusagent.call.usage import Tokens
from opusagent.call.words import WordCounts
from opusagent.plain import counted, plain
from opusagent.units import CallId, LoopTime, Ms

MOST_HAPPENINGS: Final = 2000
"""Lines of a report. A call that has more is summed up by its counts."""


@attrs.frozen
class Happening:
    """One line of the call's story: `at` seconds after its start."""

    at: float
    what: str


@attrs.frozen
class AudioAccount:
    """Where the audio went, in milliseconds. `model_pushed = model_heard + model_discarded + model_held`.

    `largest_chunk` is in bytes: the largest piece that the caller's platform sent at once.
    """

    caller_received: Ms
    caller_dropped: Ms
    model_appended: Ms
    model_pushed: Ms
    model_heard: Ms
    model_discarded: Ms
    model_held: Ms
    model_overflowed: Ms
    largest_chunk: int = 0


@attrs.frozen
class Peaks:
    """The most that ever waited, in milliseconds: of the caller's sound, and of the model's."""

    uplink: Ms = Ms(0)
    playout: Ms = Ms(0)


@attrs.frozen
class CallReport:
    """One call, whole. `report.json` holds exactly these fields.

    `started` is wall clock, `seconds` the length. `end` is why it ended and `end_detail` what is known of it;
    a call that ends where we had passed it on may be told as a hang-up, and then this says so.
    `setup_seconds`: until the model was ready. `turns` are timed, `caller_turns` and `barge_ins` counted.
    `line_gaps`: for how long the platform's socket was away, each time, the last time perhaps for good; `model_gaps`
    the model's session. `rollovers`: when another session took over before the service ended the one before, in seconds
    of the call. `silences`: how often the caller heard nothing for too long, by cause. `model_errors` and
    `unknown_messages` are counts, by code and by kind. `recording` is its file, `recording_fault` why it is not whole.
    `hearing` is what the daemon's own ears heard, None without them; `words` is the transcript in numbers. `tokens` are
    the service's own count, by kind, and `dollars` what they cost by the prices of the configuration. `underruns`: the
    caller's playout ran dry while a response was still being delivered. `agent`: whose the call was.
    """

    call_id: CallId
    platform_call_id: str
    stream_id: str
    caller: str
    callee: str
    started: datetime
    seconds: float
    end: EndReason
    end_detail: str
    setup_seconds: float | None
    turns: tuple[Turn, ...]
    caller_turns: int
    barge_ins: int
    audio: AudioAccount
    line_gaps: tuple[float, ...]
    model_errors: dict[str, int]
    unknown_messages: dict[str, int]
    unreadable_messages: int
    recording: str | None
    recording_fault: str | None
    story: tuple[Happening, ...]
    hearing: Heard | None = None
    words: WordCounts = WordCounts()
    quality: LineQuality | None = None
    recording_pauses: tuple[Pause, ...] = ()
    false_barge_ins: int = 0
    tool_calls: int = 0
    tokens: Tokens = Tokens()
    dollars: float = 0.0
    peaks: Peaks = Peaks()
    model_gaps: tuple[float, ...] = ()
    rollovers: tuple[float, ...] = ()
    silences: dict[str, int] = attrs.field(factory=dict[str, int])
    underruns: Underruns = Underruns()
    agent: str = ""


def tell(moment: Moment, since: LoopTime) -> Happening:
    """A moment as a line of the story that began at `since`."""
    return Happening(round(moment.at - since, 3), _words(moment))


def _words(moment: Moment) -> str:
    match moment:
        case LineLost():
            return "the platform's socket broke; the call waits for it"
        case LineBack():
            return f"the platform is back after {moment.gap:.2f} s"
        case ModelLost() | ModelBack() | SilenceBroken() | GivenUp() | PassedOn():
            return _words_of_loss(moment)
        case SpareReady() | SpareLost() | RolledOver():
            return _words_of_spare(moment)
        case ModelReady():
            return "the model is ready"
        case CallerPaused():
            return "the caller paused"
        case CallerSpoke():
            return f"the caller said: {_one_line(moment.words)}"
        case AnswerBegan():
            if moment.waited is None:
                return "the model begins to speak"
            return f"the model begins to answer, {moment.waited * 1000:.0f} ms after the pause was noticed"
        case ModelSaid():
            return f"the model said: {_one_line(moment.words)}"
        case Interrupted():
            return f"the caller barges in ({_heard_of(moment.cuts)})"
        case Lapsed():
            return f"what waited {moment.gap:.2f} s for the line is not said any more ({_heard_of(moment.cuts)})"
        case KeysCame():
            return f"{counted(len(moment.digits), 'key')} pressed"
        case Transferred():
            done = f"could not be put through: {_one_line(moment.why_not)}" if moment.why_not else "was put through"
            return f"the caller pressed for {moment.target} and {done}"
        case ModelErred():
            return f"the model's service reports {moment.code}: {_one_line(moment.message)}"
        case LineJudged():
            return alert_in_words(moment.alert)
        case EchoHeard():
            return echo_in_words(moment.path)
        case RecordingPaused():
            return "the recording pauses"
        case RecordingResumed():
            return "the recording goes on"


def _heard_of(cuts: Iterable[Cut]) -> str:
    return ", ".join(f"{cut.heard} of {cut.total} ms heard" for cut in cuts) or "everything had been heard"


def _words_of_loss(moment: ModelLost | ModelBack | SilenceBroken | GivenUp | PassedOn) -> str:
    match moment:
        case ModelLost():
            return f"the model's session is lost: {_one_line(moment.why)}"
        case ModelBack():
            return f"another session of the model takes over after {moment.gap:.2f} s"
        case SilenceBroken():
            return f"silence, because {moment.cause}: {moment.remedy}"
        case GivenUp():
            return f"the call is given up, because: {moment.why}; an apology is played"
        case PassedOn():
            done = f"could not be: {_one_line(moment.why_not)}" if moment.why_not else "was"
            return f"the call cannot go on; the caller was to be passed on to {moment.target}, and {done}"


def _words_of_spare(moment: SpareReady | SpareLost | RolledOver) -> str:
    match moment:
        case SpareReady():
            return "a second session of the model waits to take over"
        case SpareLost():
            return f"the session that waited is lost: {_one_line(moment.why)}"
        case RolledOver():
            return "the second session of the model takes over"


def _one_line(words: str) -> str:
    r"""Words of others as part of a line of ours.

    >>> _one_line("two  lines\n\tof words")
    'two lines of words'
    """
    return " ".join(words.split())


def slow_turns(report: CallReport, threshold_ms: float) -> tuple[Turn, ...]:
    """The turns whose answer was heard later than `threshold_ms` after the caller had stopped, as far as is known."""
    return tuple(turn for turn in report.turns if turn.waited is not None and turn.waited * 1000 > threshold_ms)


def to_json(report: CallReport) -> bytes:
    """The report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def page(report: CallReport) -> str:
    """The report on one page, for people."""
    audio = report.audio
    answered = counted(sum(turn.waited is not None for turn in report.turns), "answer")
    ended = f"{report.end.value} ({report.end_detail})" if report.end_detail else report.end.value
    slowest, barge_ins = _longest(report.turns), counted(report.barge_ins, "barge-in")
    sound, *missing = quality_in_words(report.quality)
    lines = (
        f"call {report.call_id}  {report.started:%Y-%m-%d %H:%M:%S %Z}  {report.seconds:.1f} s",
        f"  from {report.caller or 'unknown'} to {report.callee or 'unknown'}, platform call {report.platform_call_id}",
        f"  agent: {report.agent or 'not known'}",
        f"  ended: {ended}",
        f"  the caller spoke {counted(report.caller_turns, 'time')}, {barge_ins}, {answered}{slowest}",
        f"  caller: {audio.caller_received} ms heard, {audio.model_appended} sent on, {audio.caller_dropped} dropped",
        "  model: {model_pushed} ms = {model_heard} heard + {model_discarded} cut + {model_held} left".format_map(
            attrs.asdict(audio)
        ),
        f"  our ears: {_heard(report.hearing)}",
        f"  caller's line: {sound}",
        *(f"    on it: {each}" for each in missing),
        f"  transcript: {_words_counted(report.words)}",
        f"  used: {counted(report.tool_calls, 'tool')}, {counted(report.tokens.total, 'token')}, ${report.dollars:.4f}",
        f"  waited at most: {report.peaks.uplink} ms for the model, {report.peaks.playout} ms for the caller",
        f"  ran dry for the caller: {counted(report.underruns.times, 'time')}, {report.underruns.ms} ms",
        f"  model's sessions lost: {len(report.model_gaps)}, relieved: {len(report.rollovers)}",
        f"  silences: {_counts(report.silences)}",
        f"  errors: {_counts(report.model_errors)}",
        f"  messages not understood: {_counts(report.unknown_messages)}; not readable: {report.unreadable_messages}",
        f"  recording: {_recorded(report)}",
        "  story:",
        *(f"    {happening.at:8.2f} s  {happening.what}" for happening in report.story),
    )
    return "\n".join(map(plain, lines)) + "\n"


def _longest(turns: Sequence[Turn]) -> str:
    """The longest waits, each with what it is measured from: what the service notices, it notices late."""
    begins = ((False, "the caller's last sound"), (True, "when the model noticed the pause"))
    waits = {
        begin: [turn.waited for turn in turns if turn.waited is not None and turn.noticed is noticed]
        for noticed, begin in begins
    }
    told = " and ".join(f"{max(each) * 1000:.0f} ms from {begin}" for begin, each in waits.items() if each)
    return f", longest wait {told} to the answer's first sound" if told else ""


def _recorded(report: CallReport) -> str:
    fault = f" ({report.recording_fault})" if report.recording_fault else ""
    pauses = "".join(f", paused from {pause.began:.1f} to {_end(pause)}" for pause in report.recording_pauses)
    return f"{report.recording or 'none'}{fault}{pauses}"


def _end(pause: Pause) -> str:
    return "the end" if pause.ended is None else f"{pause.ended:.1f} s"


def _heard(hearing: Heard | None) -> str:
    if hearing is None:
        return "off"
    return f"{hearing.speech} ms of speech in {hearing.audio} ms, begun {counted(hearing.starts, 'time')}"


def _words_counted(words: WordCounts) -> str:
    said = f"{counted(words.caller, 'turn')} of the caller, {words.model} of the model"
    heard = f"{counted(words.heard_words, 'word')} heard, {words.unheard_words} not"
    return f"{said} ({heard}), {counted(words.keys, 'key')}, {counted(words.tool_calls, 'tool call')}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
