"""What is counted when a call is over: the right figures, and never a series more than there are from the start."""

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from opusagent.audio.quality.echo import EchoPath
from opusagent.audio.quality.metrics import QualitySummary
from opusagent.call.quality import LineQuality
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport, Peaks
from opusagent.call.turns import Turn
from opusagent.call.underruns import Underruns
from opusagent.call.usage import Tokens
from opusagent.daemon.meter import CODES, Meter
from opusagent.units import Ms
from tests.reports.filing import report

LINE = QualitySummary(
    audio=Ms(9000),
    snr_db=23.0,
    snr_db_worst=12.0,
    thd_percent=None,
    clipping_percent=0.0,
    level_dbfs=-20.0,
    dc_offset=0.0,
    quality_score=84.0,
    quality_score_worst=60.0,
    holes=2,
    holes_ms=Ms(40),
    gaps=3,
    gaps_ms=Ms(60),
    silent_longest=Ms(500),
    alerts=1,
)


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Every series as Prometheus reads it, `name{label=value,...}`."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name
        + "{"
        + ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
        + "}": sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def eventful() -> CallReport:
    turns = (
        Turn(2.0, 2.3, 2.302, 2.322),
        Turn(first_delta=0.5, first_sent=0.501, first_heard=0.521),
        Turn(stopped=7.0),
    )
    return attrs.evolve(
        report("a", *turns),
        barge_ins=2,
        false_barge_ins=1,
        tool_calls=3,
        model_errors={"rate_limit_exceeded": 2, "made_up_by_a_peer\n": 4},
        unknown_messages={"x": 1, "y": 2},
        unreadable_messages=1,
        tokens=Tokens(1, 2, 3, 4, 5, 6),
        dollars=0.25,
        peaks=Peaks(Ms(120), Ms(4000)),
        underruns=Underruns(2, Ms(340)),
        recording_fault="no space left",
        quality=LineQuality(LINE, EchoPath(Ms(140), 18.0), {"snr": 1}),
    )


def test_an_eventful_call() -> None:
    meter = Meter()
    meter.count(eventful(), "twilio")
    expected = {
        "opusagent_calls_ended_total{platform=twilio,reason=caller_hung_up}": 1,
        "opusagent_calls_ended_total{platform=audiocodes,reason=caller_hung_up}": 0,
        "opusagent_call_seconds_sum{platform=twilio}": 9.5,
        "opusagent_setup_seconds_bucket{le=0.3}": 1,
        "opusagent_setup_seconds_bucket{le=0.2}": 0,
        "opusagent_turn_seconds_count{stage=model}": 1,
        "opusagent_turn_seconds_count{stage=bridge}": 2,
        "opusagent_turn_seconds_count{stage=platform}": 2,
        "opusagent_turn_seconds_count{stage=ear}": 1,
        "opusagent_turn_seconds_bucket{le=0.4,stage=ear}": 1,
        "opusagent_turn_seconds_bucket{le=0.3,stage=ear}": 0,
        "opusagent_caller_turns_total{}": 3,
        "opusagent_barge_ins_total{kind=true}": 2,
        "opusagent_barge_ins_total{kind=false}": 1,
        "opusagent_tool_calls_total{}": 3,
        "opusagent_audio_seconds_total{account=caller_received}": 9,
        "opusagent_audio_seconds_total{account=model_heard}": 3.5,
        "opusagent_audio_seconds_total{account=model_discarded}": 0.5,
        "opusagent_line_losses_total{}": 1,
        "opusagent_line_loss_seconds_total{}": 0.5,
        "opusagent_line_gaps_total{kind=gap}": 3,
        "opusagent_line_gap_seconds_total{kind=hole}": 0.04,
        "opusagent_quality_score_bucket{le=90.0}": 1,
        "opusagent_quality_score_bucket{le=80.0}": 0,
        "opusagent_snr_db_sum{}": 23,
        "opusagent_quality_alerts_total{concern=snr}": 1,
        "opusagent_echo_calls_total{}": 1,
        "opusagent_model_errors_total{code=rate_limit_exceeded}": 2,
        "opusagent_model_errors_total{code=other}": 4,
        "opusagent_odd_messages_total{kind=unknown}": 3,
        "opusagent_odd_messages_total{kind=unreadable}": 1,
        "opusagent_tokens_total{kind=audio_out}": 6,
        "opusagent_tokens_total{kind=text_in}": 1,
        "opusagent_cost_dollars_total{}": 0.25,
        "opusagent_buffer_peak_seconds_sum{buffer=uplink}": 0.12,
        "opusagent_buffer_peak_seconds_sum{buffer=playout}": 4,
        "opusagent_underruns_total{}": 2,
        "opusagent_underrun_seconds_total{}": 0.34,
        "opusagent_recording_faults_total{}": 1,
    }
    counted = samples(meter.registry)
    assert {name: counted.get(name) for name in expected} == expected


def test_every_series_is_there_from_the_start_and_none_is_added_by_what_peers_say() -> None:
    meter = Meter()
    before = samples(meter.registry).keys()
    for number, reason in enumerate(EndReason):
        invented = {f"code_{number}": 1, 'quote"\\\n} 1': 1, **dict.fromkeys(CODES, 1)}
        strange = attrs.evolve(eventful(), end=reason, model_errors=invented, unknown_messages={f"kind{number}": 1})
        meter.count(strange, "twilio")
    assert samples(meter.registry).keys() == before


def test_a_call_that_came_to_nothing_counts_as_one_call() -> None:
    meter = Meter()
    meter.count(attrs.evolve(report("a"), turns=(), setup_seconds=None, end=EndReason.MODEL_UNREACHABLE), "audiocodes")
    counted = samples(meter.registry)
    assert counted["opusagent_calls_ended_total{platform=audiocodes,reason=model_unreachable}"] == 1
    assert counted["opusagent_setup_seconds_count{}"] == 0
    assert counted["opusagent_quality_score_count{}"] == 0
