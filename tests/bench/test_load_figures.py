"""What rounds come to, and how it is told."""

import attrs

from opusagent.bench.load.account import Account
from opusagent.bench.load.figures import Figures, Spread, most_calls, ratios, table
from opusagent.bench.load.run import Load, Outcome


def outcome(subject: str, calls: int, cpu_ms: float, lateness: float) -> Outcome:
    account = Account(set_up=5.0)
    account.up.tally.lateness.append(lateness)
    account.up.tally.latencies.append(lateness + 20)
    account.down.tally.lateness.append(0.0)
    account.down.tally.lost = 20.0
    return Outcome(subject, calls, cpu_ms, cpu_ms * calls / 1000, 100.0, 90.0, [account], Load(0.1, [0.5]))


def test_the_least_of_the_rounds_counts_but_every_loss_does() -> None:
    figures = Figures.of([outcome("x", 10, 9.0, 3.0), outcome("x", 10, 8.0, 5.0)])

    assert (figures.cpu_ms, figures.lateness, figures.memory, figures.lost) == (8.0, 3.0, 1.0, 40.0)


def test_a_program_carries_calls_up_to_the_first_number_at_which_it_is_late() -> None:
    late = {1: 2.0, 10: 19.0, 20: 25.0, 40: 3.0}
    figures = [Figures.of([outcome("x", calls, 8.0, lateness)]) for calls, lateness in late.items()]

    assert most_calls(figures, "x") == 10
    assert most_calls(figures, "y") == 0


def test_a_program_with_a_failed_call_does_not_carry_them() -> None:
    whole = Figures.of([outcome("x", 1, 8.0, 1.0)])

    assert most_calls([attrs.evolve(whole, failed=1)], "x") == 0


def test_tables_name_every_program_with_every_number_of_calls() -> None:
    figures = [Figures.of([outcome(name, 10, cpu, 1.0)]) for name, cpu in (("bare relay", 8.0), ("x", 12.0))]

    assert ratios(figures, "bare relay").splitlines()[-1] == "| x                                 |     1.50 |"
    assert [line.split("|")[2].strip() for line in table(figures).splitlines()[2:]] == ["bare relay", "x"]


def test_what_was_not_measured_is_no_number() -> None:
    assert str(Spread.of([])) == "nan / nan / nan"
