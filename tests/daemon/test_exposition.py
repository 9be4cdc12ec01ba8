"""`/metrics` as Prometheus reads it: what has been counted, and the daemon as it is at that moment."""

from collections.abc import Mapping

import attrs
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from opusagent.call.progress import Backlog, Progress
from opusagent.daemon.admission import Refusal
from opusagent.daemon.control import Status
from opusagent.daemon.control_site import ControlSite
from opusagent.daemon.exposition import metrics_of
from opusagent.daemon.gauges import LiveCall
from opusagent.daemon.life import Phase
from opusagent.daemon.loop_watch import LoopWatch
from opusagent.daemon.meter import Meter
from opusagent.net.blame import Fault
from opusagent.net.http import Request, Response
from opusagent.net.listener import ListenerStatistics
from opusagent.units import LoopTime, Ms
from tests.daemon.test_control_site import HOW, Desk
from tests.daemon.test_meter import samples
from tests.daemon.test_roster import conversation
from tests.reports.filing import report


@attrs.define
class House:
    """A daemon that stands still."""

    how: Status = HOW
    calls: list[LiveCall] = attrs.field(factory=list[LiveCall])
    seen: ListenerStatistics = ListenerStatistics(accepted=7, refused_full=2, accept_errors=1, open=3)

    def status(self) -> Status:
        return self.how

    def live(self) -> list[LiveCall]:
        return self.calls

    def refusals(self) -> Mapping[Refusal, int]:
        return {reason: int(reason is Refusal.FORGED) for reason in Refusal}

    def faults(self) -> Mapping[Fault, int]:
        return {fault: int(fault is Fault.TOO_SLOW) for fault in Fault}

    def door(self) -> ListenerStatistics:
        return self.seen


def live(name: str, progress: Progress, *, platform: str = "twilio", ending: bool = False) -> LiveCall:
    seen = conversation(name).seen(LoopTime(70.0))
    return LiveCall(attrs.evolve(seen, platform=platform, ending=ending), progress)


async def test_the_page_is_what_prometheus_reads() -> None:
    meter, loop = Meter(), LoopWatch()
    site = ControlSite(Desk(), metrics_of(House(), meter, loop))
    meter.count(report("a"), "twilio")
    answer = await site.answer(Request("GET", "/metrics"))
    assert isinstance(answer, Response)
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert {"opusagent_calls_ended", "opusagent_calls", "process_resident_memory_bytes", "process_open_fds"} <= names


def test_calls_by_state_and_the_fullest_buffers() -> None:
    calls = [
        live("a", Progress(is_ready=True, backlog=Backlog(3, Ms(1500), 1))),
        live("b", Progress(is_ready=True, backlog=Backlog(9, Ms(500), 0))),
        live("c", Progress()),
        live("d", Progress(is_ready=True), platform="audiocodes", ending=True),
    ]
    meter = Meter()
    meter.agents.follow(["default", "sales"])
    metrics_of(House(attrs.evolve(HOW, phase=Phase.DRAINING, last_refusal=("no",)), calls), meter, LoopWatch())
    shown = samples(meter.registry)
    expected = {
        "opusagent_calls{platform=twilio,state=talking}": 2,
        "opusagent_calls{platform=twilio,state=dialling}": 1,
        "opusagent_calls{platform=twilio,state=ending}": 0,
        "opusagent_calls{platform=audiocodes,state=ending}": 1,
        "opusagent_agent_calls{agent=default}": 4,
        "opusagent_agent_calls{agent=sales}": 0,
        "opusagent_fullest_uplink_frames{}": 9,
        "opusagent_fullest_playout_seconds{}": 1.5,
        "opusagent_fullest_control_messages{}": 1,
        "opusagent_ready{}": 0,
        "opusagent_phase{phase=draining}": 1,
        "opusagent_phase{phase=ready}": 0,
        "opusagent_last_change_refused{}": 1,
        "opusagent_max_calls{}": 9,
        "opusagent_generation{}": 3,
        "opusagent_connections_accepted_total{}": 7,
        "opusagent_connections_refused_total{reason=full}": 2,
        "opusagent_connections_refused_total{reason=no_descriptor}": 1,
        "opusagent_open_connections{}": 3,
        "opusagent_calls_refused_total{reason=forged}": 1,
        "opusagent_calls_refused_total{reason=full}": 0,
    }
    assert {name: shown.get(name) for name in expected} == expected


def test_the_loop_is_a_histogram_and_its_longest_step_has_a_name() -> None:
    ticks = iter((0.0, 0.0, 0.3, 0.3, 1.0, 1.0001))
    loop = LoopWatch(lambda: next(ticks))
    meter = Meter()
    metrics_of(House(), meter, loop)
    assert "opusagent_loop_longest_step_seconds{task=" not in generate_latest(meter.registry).decode()
    loop.after_io_wait(0)
    loop.before_io_wait(0)
    loop.after_io_wait(0)
    loop.before_io_wait(0)
    shown = samples(meter.registry)
    assert shown["opusagent_loop_turn_seconds_bucket{le=0.2}"] == 0
    assert shown["opusagent_loop_turn_seconds_bucket{le=0.5}"] == 1
    assert shown["opusagent_loop_turn_seconds_count{}"] == 2
