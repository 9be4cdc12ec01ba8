"""`GET /metrics` of the admin side: all that is counted, as Prometheus reads it."""

from collections.abc import Iterable

import attrs
import trio
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from opusagent.daemon.control_site import Routes
from opusagent.daemon.gauges import Daemon, Gauges
from opusagent.daemon.loop_watch import LoopWatch
from opusagent.daemon.meter import Meter
from opusagent.net.http import Request, Response


def metrics_of(daemon: Daemon, meter: Meter, loop: LoopWatch) -> Routes:
    """The route that shows what `meter` has counted, and `daemon` and its `loop` as they are."""
    registry = meter.registry
    registry.register(Gauges(daemon, loop, meter.agents))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return {("GET", "/metrics"): _Page(registry).answer}


@attrs.frozen
class _Page:
    """What a registry holds, as text. The calls have their turn after every family: a page is some milliseconds."""

    registry: CollectorRegistry

    async def answer(self, request: Request) -> Response:
        del request
        parts: list[bytes] = []
        for family in self.registry.collect():
            parts.append(generate_latest(_Family(family)))
            await trio.lowlevel.checkpoint()
        return Response(200, b"".join(parts), CONTENT_TYPE_PLAIN_0_0_4)


@attrs.frozen(eq=False)
class _Family(Collector):
    """One of them, without the time at which each series began: in this format that is a series more for each."""

    family: Metric

    @override
    def collect(self) -> Iterable[Metric]:
        self.family.samples = [sample for sample in self.family.samples if not sample.name.endswith("_created")]
        yield self.family
