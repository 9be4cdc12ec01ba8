"""One upgrade and a bad one, with calls and callers beside; and the verdicts."""

from opusagent.bench.attacks import CALLS
from opusagent.bench.upgrades import Crowd, Row, problems, run

GOOD = Row("1", "200", 0.5, 9, 0, CALLS, 4.0)
BAD = Row("a bad one", "422", 0.5, 9, 0, CALLS, 4.0)
AFTER = Row("afterwards", "-", 0.0, 9, 0, CALLS, 4.0)
HANDED_OVER = '{"event":"handed over"}\n'


async def test_an_upgrade_and_a_bad_one_turn_nobody_away_and_cut_nobody() -> None:
    rows, crowd, wrong = await run(1)
    assert wrong == []
    assert [(row.status, row.turned_away, row.live) for row in rows] == [
        ("200", 0, CALLS),
        ("422", 0, CALLS),
        ("-", 0, CALLS),
    ]
    assert len(crowd.waits) >= sum(row.through for row in rows) > 0


def test_what_is_wrong_is_said() -> None:
    assert problems([GOOD, BAD, AFTER], Crowd(), 0, HANDED_OVER) == []
    crowd = Crowd(turned_away=["caller 11: ConnectionRefusedError"])
    swapped = [Row("1", "422", 0.5, 9, 1, 8, 4.0), Row("a bad one", "200", 0.5, 9, 0, 8, 4.0)]
    after = Row("afterwards", "-", 0.0, 0, 0, 8, 4.0)
    assert problems([*swapped, after], crowd, None, "Traceback (most recent call last)") == [
        f"{CALLS - 8} of {CALLS} calls were lost",
        "caller 11: ConnectionRefusedError",
        "upgrade 1: 422",
        "a bad one: 200",
        "nobody was let in after the bad upgrade",
        "0 processes handed over, not 1",
        "the first process ended with None",
        "a traceback is in the log",
    ]


def test_a_row_tells_what_was_felt() -> None:
    assert GOOD.cells == ("1", "200", "0.5", "9", "0", "10", "4")
