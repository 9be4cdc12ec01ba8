"""What is counted by agent: under configured names only, each there from the moment that it is configured."""

import attrs
from prometheus_client import CollectorRegistry

from opusagent.daemon.agent_meter import MOST_NAMES, AgentMeter
from tests.daemon.test_meter import samples
from tests.reports.filing import report


def test_calls_their_length_and_their_cost() -> None:
    registry = CollectorRegistry()
    meter = AgentMeter(registry)
    meter.follow(["default", "sales"])
    meter.count(attrs.evolve(report("a"), agent="sales", dollars=0.25))
    meter.count(attrs.evolve(report("b"), agent="whoever\n"))
    assert samples(registry) == {
        "opusagent_agent_calls_ended_total{agent=default}": 0,
        "opusagent_agent_calls_ended_total{agent=sales}": 1,
        "opusagent_agent_calls_ended_total{agent=other}": 1,
        "opusagent_agent_call_seconds_total{agent=default}": 0,
        "opusagent_agent_call_seconds_total{agent=sales}": 9.5,
        "opusagent_agent_call_seconds_total{agent=other}": 9.5,
        "opusagent_agent_cost_dollars_total{agent=default}": 0,
        "opusagent_agent_cost_dollars_total{agent=sales}": 0.25,
        "opusagent_agent_cost_dollars_total{agent=other}": 0,
    }


def test_an_agent_that_is_configured_no_more_keeps_its_series() -> None:
    meter = AgentMeter(CollectorRegistry())
    meter.follow(["default", "sales"])
    meter.follow(["default", "clinic"])
    assert meter.labels == ("clinic", "default", "sales", "other")


def test_however_often_names_change_there_are_so_many_labels() -> None:
    meter = AgentMeter(CollectorRegistry())
    for number in range(MOST_NAMES + 50):
        meter.follow(["default", f"agent-{number}"])
    assert len(meter.labels) == MOST_NAMES + 1
    assert (meter.label("default"), meter.label(f"agent-{MOST_NAMES + 40}")) == ("default", "other")
