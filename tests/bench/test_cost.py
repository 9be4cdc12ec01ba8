"""The measure of cost: every kind runs, and what is told is a difference."""

from opusagent.bench.cost import ALL, BARE, KINDS, added_ms, cpu_ms, memory_mb


def test_every_kind_of_call_is_measured_in_every_round() -> None:
    """Two calls for a little longer than a second; the figures are of a busy machine and not judged."""
    found = cpu_ms(KINDS, calls=2, seconds=1.2, rounds=1)
    assert {name: len(each) for name, each in found.items()} == {kind.name: 1 for kind in KINDS}
    assert all(each[0] > 0 for each in found.values())


def test_the_best_rounds_are_compared() -> None:
    assert added_ms({BARE.name: [10.0, 30.0], ALL.name: [50.0, 12.5]}, ALL) == 2.5


def test_memory_is_counted_per_call() -> None:
    """All three hold far less than a megabyte for each call."""
    assert 0 < memory_mb(ALL, calls=2, seconds=1.2) < 5
