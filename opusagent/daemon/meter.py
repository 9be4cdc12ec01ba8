"""What Prometheus is told of calls that are over. Counted once a call, from its report: never while it talks.

Every label has a fixed set of values, and each of them is there from the start: what a peer invents is `other`.
"""

from collections.abc import Mapping
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

from opusagent.audio.quality.alerts import Concern
from opusagent.call.faults import ALREADY_ACTIVE, FATAL_CODES
from opusagent.call.quality import LineQuality
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.call.turns import Turn
from opusagent.daemon.agent_meter import OTHER, AgentMeter

PLATFORMS: Final = ("twilio", "audiocodes")

REASONS: Final[Mapping[EndReason, str]] = {reason: reason.name.lower() for reason in EndReason}

CODES: Final = (
    *sorted(FATAL_CODES),
    ALREADY_ACTIVE,
    "rate_limit_exceeded",
    "response_cancel_not_active",
    "server_error",
    "session_expired",
    "invalid_request_error",
    "invalid_value",
    OTHER,
)
"""Errors of the model's service that are counted apart (OpenAI Realtime error codes)."""

STAGES: Final = ("model", "bridge", "platform", "ear")
"""As `opusagent report --latency` has them."""

AUDIO: Final = (
    "caller_received",
    "caller_dropped",
    "model_appended",
    "model_pushed",
    "model_heard",
    "model_discarded",
    "model_overflowed",
)
"""Fields of the report's account. A frame of Twilio's is 20 ms."""

TOKENS: Final = ("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out")

_WAITS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_LENGTHS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_SCORES: Final = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
_SNRS: Final = (5, 10, 15, 20, 25, 30, 40, 50)
_PEAKS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 12, 30, 60, 120, 300)


class Meter:
    """The counts of one process, in a `registry` of its own."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._ended: Final = self._counter("calls_ended", "Calls that are over, by why.", "platform", "reason")
        self._length: Final = self._histogram("call_seconds", "Length of calls.", _LENGTHS, "platform")
        self._setup: Final = self._histogram("setup_seconds", "From a call's start to a model that is ready.", _WAITS)
        self._turn: Final = self._histogram("turn_seconds", "From mouth to ear, by stage.", _WAITS, "stage")
        self._turns: Final = self._counter("caller_turns", "Turns of callers.")
        self._barge_ins: Final = self._counter("barge_ins", "Interruptions; false ones went on.", "kind")
        self._tools: Final = self._counter("tool_calls", "Tools that models called.")
        self._audio: Final = self._counter("audio_seconds", "Where audio went.", "account")
        self._rollovers: Final = self._counter("model_rollovers", "Sessions that were relieved by another in time.")
        self._losses: Final = self._counter("line_losses", "Platforms' sockets that broke and came back.")
        self._lost: Final = self._counter("line_loss_seconds", "For how long they were away.")
        self._gaps: Final = self._counter("line_gaps", "What was missing in callers' audio.", "kind")
        self._missing: Final = self._counter("line_gap_seconds", "How much was missing.", "kind")
        self._score: Final = self._histogram("quality_score", "How callers' lines sounded, of 100.", _SCORES)
        self._snr: Final = self._histogram("snr_db", "Speech above noise on callers' lines.", _SNRS)
        self._alerts: Final = self._counter("quality_alerts", "Times that a line became bad.", "concern")
        self._echoes: Final = self._counter("echo_calls", "Calls whose line returned the model's voice.")
        self._errors: Final = self._counter("model_errors", "What models' services reported.", "code")
        self._strange: Final = self._counter("odd_messages", "Messages that were not understood.", "kind")
        self._tokens: Final = self._counter("tokens", "Tokens used, by the service's count.", "kind")
        self._dollars: Final = self._counter("cost_dollars", "What they cost, by the configured prices.")
        self._peak: Final = self._histogram("buffer_peak_seconds", "The most that waited, per call.", _PEAKS, "buffer")
        self._underruns: Final = self._counter("underruns", "Times that a caller's playout ran dry within a response.")
        self._dry: Final = self._counter("underrun_seconds", "For how long callers' playouts were dry.")
        self._traces: Final = self._counter("traces", "Calls that were told to whoever traces, or lost.", "outcome")
        self._faults: Final = self._counter("recording_faults", "Recordings that are not whole.")
        self.agents: Final = AgentMeter(self.registry)
        self._lay_out()

    def count(self, report: CallReport, platform: str) -> None:
        """A call of `platform` is over."""
        platform = platform if platform in PLATFORMS else OTHER
        self._ended.labels(platform, REASONS[report.end]).inc()
        self._length.labels(platform).observe(report.seconds)
        if report.setup_seconds is not None:
            self._setup.observe(report.setup_seconds)
        for turn in report.turns:
            self._count_turn(turn)
        self._turns.inc(report.caller_turns)
        self._barge_ins.labels("true").inc(report.barge_ins)
        self._barge_ins.labels("false").inc(report.false_barge_ins)
        self._tools.inc(report.tool_calls)
        self.agents.count(report)
        self._count_cost(report)
        self._count_audio(report)
        self._count_oddities(report)
        if report.quality is not None:
            self._count_quality(report.quality)

    def count_traces(self, outcome: Literal["exported", "lost"], calls: int) -> None:
        """So many calls were told to whoever traces, or were lost."""
        self._traces.labels(outcome).inc(calls)

    def _count_turn(self, turn: Turn) -> None:
        ends = {
            "model": (turn.stopped, turn.first_delta),
            "bridge": (turn.first_delta, turn.first_sent),
            "platform": (turn.first_sent, turn.first_heard),
            "ear": (turn.stopped, turn.first_heard),
        }
        for stage, (begun, ended) in ends.items():
            if begun is not None and ended is not None:
                self._turn.labels(stage).observe(max(0.0, ended - begun))

    def _count_cost(self, report: CallReport) -> None:
        used = report.tokens
        kinds = (used.text_in, used.text_cached, used.text_out, used.audio_in, used.audio_cached, used.audio_out)
        for kind, count in zip(TOKENS, kinds, strict=True):
            self._tokens.labels(kind).inc(count)
        self._dollars.inc(report.dollars)

    def _count_audio(self, report: CallReport) -> None:
        account = report.audio
        spans = (
            account.caller_received,
            account.caller_dropped,
            account.model_appended,
            account.model_pushed,
            account.model_heard,
            account.model_discarded,
            account.model_overflowed,
        )
        for name, ms in zip(AUDIO, spans, strict=True):
            self._audio.labels(name).inc(max(0, ms) / 1000)
        self._peak.labels("uplink").observe(report.peaks.uplink / 1000)
        self._peak.labels("playout").observe(report.peaks.playout / 1000)
        self._underruns.inc(report.underruns.times)
        self._dry.inc(report.underruns.ms / 1000)

    def _count_oddities(self, report: CallReport) -> None:
        for code, times in report.model_errors.items():
            self._errors.labels(code if code in CODES else OTHER).inc(times)
        self._strange.labels("unknown").inc(sum(report.unknown_messages.values()))
        self._strange.labels("unreadable").inc(report.unreadable_messages)
        self._rollovers.inc(len(report.rollovers))
        self._losses.inc(len(report.line_gaps))
        self._lost.inc(sum(report.line_gaps))
        self._faults.inc(report.recording_fault is not None)

    def _count_quality(self, quality: LineQuality) -> None:
        line = quality.caller
        self._score.observe(line.quality_score)
        if line.snr_db is not None:
            self._snr.observe(line.snr_db)
        self._gaps.labels("gap").inc(line.gaps)
        self._gaps.labels("hole").inc(line.holes)
        self._missing.labels("gap").inc(line.gaps_ms / 1000)
        self._missing.labels("hole").inc(line.holes_ms / 1000)
        self._echoes.inc(quality.echo is not None)
        for concern in Concern:
            self._alerts.labels(concern.value).inc(quality.raised.get(concern.value, 0))

    def _lay_out(self) -> None:
        """Every series is there before anything is counted: a rate from nothing to one is no rate."""
        for platform in PLATFORMS:
            self._length.labels(platform)
            for reason in REASONS.values():
                self._ended.labels(platform, reason)
        for metric, values in (
            (self._turn, STAGES),
            (self._barge_ins, ("true", "false")),
            (self._audio, AUDIO),
            (self._gaps, ("gap", "hole")),
            (self._missing, ("gap", "hole")),
            (self._alerts, [concern.value for concern in Concern]),
            (self._errors, CODES),
            (self._strange, ("unknown", "unreadable")),
            (self._tokens, TOKENS),
            (self._peak, ("uplink", "playout")),
            (self._traces, ("exported", "lost")),
        ):
            for value in values:
                metric.labels(value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"opusagent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"opusagent_{name}", text, labels, buckets=bounds, registry=self.registry)
