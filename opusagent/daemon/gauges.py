"""What Prometheus is told of the daemon as it is now: read off when it asks, from what is there anyway."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import attrs
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from opusagent import __version__
from opusagent.call.progress import Progress
from opusagent.daemon.admission import Refusal
from opusagent.daemon.agent_meter import OTHER, AgentMeter
from opusagent.daemon.control import CallOnLine, Status
from opusagent.daemon.life import Phase
from opusagent.daemon.loop_watch import BOUNDS, LoopWatch
from opusagent.daemon.meter import PLATFORMS
from opusagent.net.blame import Fault
from opusagent.net.listener import ListenerStatistics

STATES: Final = ("dialling", "talking", "ending")


@attrs.frozen
class LiveCall:
    """A call that goes on, as it is now."""

    seen: CallOnLine
    progress: Progress

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self.seen.ending:
            return "ending"
        return "talking" if self.progress.is_ready else "dialling"


class Daemon(Protocol):
    """What is asked."""

    def status(self) -> Status:
        """How it is."""
        ...

    def live(self) -> list[LiveCall]:
        """The calls that go on."""
        ...

    def refusals(self) -> Mapping[Refusal, int]:
        """How many calls were refused, by every reason that there is."""
        ...

    def door(self) -> ListenerStatistics:
        """What the calls' port has seen."""
        ...

    def faults(self) -> Mapping[Fault, int]:
        """What peers did wrong there, by every fault that there is."""
        ...


class Gauges(Collector):
    """`daemon` at the moment of asking, and how its loop turns."""

    def __init__(self, daemon: Daemon, loop: LoopWatch, agents: AgentMeter) -> None:
        self._daemon: Final = daemon
        self._agents: Final = agents
        self._loop: Final = loop

    @override
    def collect(self) -> Iterator[Metric]:
        now = self._daemon.status()
        yield _gauge("build_info", "The program.", "version", {__version__: 1})
        yield _gauge("phase", "1 for where it is in its life.", "phase", _one_of(Phase, now.phase))
        yield _value("ready", "Whether calls may be sent here.", float(now.phase in {Phase.READY, Phase.RELOADING}))
        yield _value("generation", "Of the configuration in force.", now.generation)
        yield _value("last_change_refused", "Whether the last reload or upgrade was refused.", bool(now.last_refusal))
        yield _value("uptime_seconds", "Since the process began to serve.", now.uptime_seconds)
        yield _value("max_calls", "How many calls there may be.", now.max_calls)
        yield _value("hanging_calls", "Calls that do not move, though they owe somebody something.", now.hanging)
        yield _value("connections", "Connections that are calls, will be, or are being filed.", now.connections)
        yield from self._calls(self._daemon.live())
        yield from _port(self._daemon.door())
        yield _faults(self._daemon.faults())
        yield _refusals(self._daemon.refusals())
        yield from self._turns()

    def _calls(self, live: list[LiveCall]) -> Iterator[Metric]:
        counted = Counter((_known(call.seen.platform), call.state) for call in live)
        calls = GaugeMetricFamily("opusagent_calls", "Calls that go on.", labels=("platform", "state"))
        for platform in (*PLATFORMS, OTHER):
            for state in STATES:
                calls.add_metric((platform, state), counted[platform, state])
        yield calls
        by_agent = Counter(self._agents.label(call.seen.agent) for call in live)
        agents = {label: by_agent[label] for label in self._agents.labels}
        yield _gauge("agent_calls", "Calls that go on, by agent.", "agent", agents)
        backlogs = [call.progress.backlog for call in live]
        frames = max((each.uplink_frames for each in backlogs), default=0)
        playout = max((each.playout for each in backlogs), default=0) / 1000
        control = max((each.control_messages for each in backlogs), default=0)
        yield _value("fullest_uplink_frames", "The most frames of any caller that wait for a model now.", frames)
        yield _value("fullest_playout_seconds", "The most sound of any model that waits for a caller now.", playout)
        yield _value("fullest_control_messages", "The most messages that wait for any model now.", control)

    def _turns(self) -> Iterator[Metric]:
        turns, longest = self._loop.turns(), self._loop.longest()
        family = HistogramMetricFamily("opusagent_loop_turn_seconds", "How long others wait while the loop is busy.")
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), turns.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric((), buckets, turns.seconds)
        yield family
        yield _gauge(
            "loop_longest_step_seconds",
            "The longest that one task kept all others waiting, of the last one to two minutes, and which.",
            "task",
            {longest.task: longest.seconds} if longest.task else {},
        )


def _port(seen: ListenerStatistics) -> Iterator[Metric]:
    yield _value("half_open_connections", "Connections without a complete request.", seen.half_open)
    yield _value("open_connections", "Connections at the calls' port.", seen.open)
    accepted = CounterMetricFamily("opusagent_connections_accepted", "Connections that were let in.")
    accepted.add_metric((), seen.accepted)
    yield accepted
    refused = CounterMetricFamily(
        "opusagent_connections_refused", "Connections that were closed unheard.", labels=("reason",)
    )
    for reason, count in (
        ("full", seen.refused_full),
        ("half_open", seen.refused_half_open),
        ("per_ip", seen.refused_per_ip),
        ("no_descriptor", seen.accept_errors),
    ):
        refused.add_metric((reason,), count)
    yield refused
    failed = CounterMetricFamily("opusagent_connections_failed", "Connections that ended by a bug of ours.")
    failed.add_metric((), seen.failed)
    yield failed


def _faults(counts: Mapping[Fault, int]) -> Metric:
    faults = CounterMetricFamily("opusagent_peer_faults", "What peers did wrong on connections.", labels=("fault",))
    for fault, count in counts.items():
        faults.add_metric((fault.value,), count)
    return faults


def _refusals(counts: Mapping[Refusal, int]) -> Metric:
    refused = CounterMetricFamily("opusagent_calls_refused", "Calls that were refused, by why.", labels=("reason",))
    for reason, count in counts.items():
        refused.add_metric((reason.value,), count)
    return refused


def _one_of(phases: type[Phase], now: Phase) -> Mapping[str, float]:
    return {phase.value: float(phase is now) for phase in phases}


def _known(platform: str) -> str:
    return platform if platform in PLATFORMS else OTHER


def _value(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"opusagent_{name}", text, value=value)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"opusagent_{name}", text, labels=(label,))
    for value, figure in values.items():
        family.add_metric((value,), figure)
    return family
