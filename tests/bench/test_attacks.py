"""Attacks on a daemon of its own, with calls beside: two of them, for as long as a test may take, and the verdicts."""

import attrs

from opusagent.bench.attacks import CALLS, MOST_WAIT, Felt, Row, problems, run

FAULT = 'opusagent_peer_faults_total{fault="bad_request"}'
ROW = Row("an attack", 1.0, 2.0, 3.0, 0.5, {FAULT: 7.0})
QUIET = attrs.evolve(ROW, name="no attack", counted={})


async def test_no_call_is_lost_and_every_attacker_is_counted() -> None:
    """How long the calls wait is the bench's business, on a machine that has nothing else to do."""
    rows, wrong = await run(("garbage for HTTP", "bad UTF-8"), seconds=0.5, settle=0.2)
    quiet, garbage, nonsense = rows
    assert [each for each in wrong if "at 99 %" not in each] == []
    assert (FAULT in garbage.counted, 'opusagent_peer_faults_total{fault="broke_protocol"}' in nonsense.counted) == (
        True,
        True,
    )
    assert quiet.p50 < float("inf")


def test_what_is_wrong_is_said() -> None:
    bug = attrs.evolve(ROW, counted={"opusagent_connections_failed_total": 1.0})
    slow = attrs.evolve(ROW, p99=MOST_WAIT + 1)
    uncounted = attrs.evolve(ROW, counted={})
    assert problems([QUIET, ROW], Felt(), "ready") == []
    assert problems([QUIET, bug, slow, uncounted], Felt(lost=2), "Traceback (most recent call last)") == [
        f"2 of {CALLS} calls were lost",
        "an attack: not counted",
        "an attack: a connection failed by a bug",
        "a traceback is in the log",
        "an attack: 21.0 ms at 99 %",
    ]


def test_a_row_tells_counts_by_what_they_are_called() -> None:
    assert ROW.cells == ("an attack", "1.0", "2.0", "3.0", "0", "bad_request 7")
