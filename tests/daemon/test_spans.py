"""What is told of a call to whoever traces: when things took place, what came of them, and nobody's words."""

import attrs
import pytest

from opusagent.call.reasons import EndReason
from opusagent.call.report import Happening
from opusagent.call.turns import Turn
from opusagent.daemon.spans import WELL, Parent, Span, Told, call_span, parent_in, turn_spans
from opusagent.units import Ms
from tests.reports.filing import STARTED, TURN, report

BEGAN = round(STARTED.timestamp()) * 10**9
GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PARENT = Parent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_sampled=True)


def ms(number: float) -> int:
    """So many milliseconds into the call."""
    return BEGAN + round(number * 10**6)


def test_a_call_is_a_span_with_what_came_of_it() -> None:
    call = call_span(Told(attrs.evolve(report(), dollars=0.5, agent="sales"), "twilio", 3))
    assert (call.name, call.began, call.ended, call.fault) == ("call", BEGAN, ms(9500), "")
    assert dict(call.attributes) == {
        "opusagent.call.id": "abc123",
        "opusagent.call.platform": "twilio",
        "opusagent.call.end": "caller_hung_up",
        "opusagent.call.agent": "sales",
        "opusagent.call.generation": 3,
        "opusagent.call.setup_seconds": 0.25,
        "opusagent.call.caller_turns": 1,
        "opusagent.call.barge_ins": 0,
        "opusagent.call.tool_calls": 0,
        "opusagent.call.tokens": 0,
        "opusagent.call.dollars": 0.5,
        "opusagent.call.underruns": 0,
        "opusagent.call.line_losses": 1,
        "opusagent.call.model_losses": 0,
        "opusagent.call.model_errors": 0,
        "opusagent.call.silences": 0,
    }


def test_a_turn_is_a_span_from_the_last_sound_of_the_caller_to_the_first_of_the_answer() -> None:
    cut = Turn(first_delta=3.0, first_sent=3.001, first_heard=3.02, heard=Ms(400), total=Ms(900))
    assert list(turn_spans(Told(report("a", TURN, cut, Turn(stopped=7.0)), "twilio", 1))) == [
        Span(
            "turn",
            ms(2000),
            ms(2322),
            (
                ("opusagent.turn.number", 1),
                ("opusagent.turn.waited_ms", 322),
                ("opusagent.turn.answered", True),
                ("opusagent.turn.interrupted", False),
            ),
            (("stopped", ms(2000)), ("first_delta", ms(2300)), ("first_sent", ms(2302)), ("first_heard", ms(2322))),
        ),
        Span(
            "turn",
            ms(3000),
            ms(3020),
            (
                ("opusagent.turn.number", 2),
                ("opusagent.turn.answered", True),
                ("opusagent.turn.interrupted", True),
                ("opusagent.turn.heard_ms", 400),
                ("opusagent.turn.total_ms", 900),
            ),
            (("first_delta", ms(3000)), ("first_sent", ms(3001)), ("first_heard", ms(3020))),
        ),
        Span(
            "turn",
            ms(7000),
            ms(7000),
            (
                ("opusagent.turn.number", 3),
                ("opusagent.turn.answered", False),
                ("opusagent.turn.interrupted", False),
            ),
            (("stopped", ms(7000)),),
        ),
    ]


@pytest.mark.parametrize("reason", EndReason)
def test_an_end_that_is_somebodys_fault_fails_the_span(reason: EndReason) -> None:
    call = call_span(Told(attrs.evolve(report(), end=reason), "twilio", 1))
    assert call.fault == ("" if reason in WELL else reason.name.lower())


def test_nobodys_number_and_nobodys_words_are_told() -> None:
    """What a peer invents is counted, or is `other`."""
    told = attrs.evolve(
        report(caller="+15550100"),
        end_detail="canary",
        story=(Happening(1.0, "the caller said: canary"),),
        model_errors={"canary": 2},
        unknown_messages={"canary": 1},
        silences={"canary": 1},
    )
    call = call_span(Told(told, "canary", 1, PARENT))
    assert dict(call.attributes)["opusagent.call.platform"] == "other"
    shown = repr((call, *turn_spans(Told(told, "canary", 1))))
    assert not [each for each in ("canary", "+15550100", "+15550199", "CA1", "MZ1") if each in shown]


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (GOOD, PARENT),
        (f"  {GOOD} ", PARENT),
        (GOOD.removesuffix("01") + "00", attrs.evolve(PARENT, is_sampled=False)),
        (GOOD.removesuffix("01") + "ff", PARENT),
        (f"cc{GOOD[2:]}-what-the-future-brings", PARENT),
        (None, None),
        ("", None),
        (f"{GOOD}-more", None),
        (f"ff{GOOD[2:]}", None),
        (GOOD.upper().replace("00-", "00-", 1), None),
        (GOOD.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), None),
        (GOOD.replace("b7ad6b7169203331", "0" * 16), None),
        (f"{GOOD}, {GOOD}", None),
        (GOOD[:-1], None),
        ("00-x-y-01", None),
    ],
)
def test_a_traceparent_is_taken_as_it_is_written_or_not_at_all(header: str | None, parent: Parent | None) -> None:
    """W3C Trace Context, 3.2.2 and 3.2.4."""
    assert parent_in(header) == parent
