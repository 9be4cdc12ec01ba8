"""What Prometheus is told of each agent: calls, their length and their cost.

The label's values are the names of the configurations that have been in force, each there from its first moment on.
"""

from collections.abc import Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from opusagent.call.report import CallReport

OTHER: Final = "other"

MOST_NAMES: Final = 1000
"""Of all configurations of a process together. Later ones are `other`."""


class AgentMeter:
    """The counts by agent, in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended: Final = Counter(
            "opusagent_agent_calls_ended", "Calls of an agent that are over.", ("agent",), registry=registry
        )
        self._seconds: Final = Counter(
            "opusagent_agent_call_seconds", "Length of an agent's calls.", ("agent",), registry=registry
        )
        self._dollars: Final = Counter(
            "opusagent_agent_cost_dollars",
            "What an agent's calls cost, by the configured prices.",
            ("agent",),
            registry=registry,
        )
        self._names: Final[set[str]] = set()
        self.follow(())

    def follow(self, names: Collection[str]) -> None:
        """A configuration with these agents is in force."""
        room = MOST_NAMES - len(self._names)
        self._names.update([name for name in names if name not in self._names][:room])
        for name in (*self._names, OTHER):
            for metric in (self._ended, self._seconds, self._dollars):
                metric.labels(name)

    def label(self, agent: str) -> str:
        """What an agent is called in a label."""
        return agent if agent in self._names else OTHER

    @property
    def labels(self) -> tuple[str, ...]:
        """All that there are."""
        return (*sorted(self._names), OTHER)

    def count(self, report: CallReport) -> None:
        """A call is over."""
        agent = self.label(report.agent)
        self._ended.labels(agent).inc()
        self._seconds.labels(agent).inc(report.seconds)
        self._dollars.labels(agent).inc(report.dollars)
