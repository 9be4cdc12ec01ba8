"""The guard and the churn, each once and briefly: that they measure, not what."""

import asyncio
import sys
from pathlib import Path

import pytest

from opusagent.bench.load.churn import Look, churn, growth
from opusagent.bench.load.guard import ratio
from opusagent.bench.load.subjects import daemon, free_port, peers, relay
from opusagent.cli import main


def test_a_ratio_is_that_of_two_programs_at_work_at_the_same_time() -> None:
    reference = relay()
    assert reference is not None

    assert asyncio.run(ratio(reference, reference, calls=4, windows=1, seconds=1.5)) > 0


def test_memory_is_read_while_calls_come_and_go() -> None:
    looks = asyncio.run(churn(daemon("pcm"), 40))

    assert [look.calls for look in looks] == [0, 20, 40]
    assert all(look.memory > 10 for look in looks)


def test_what_fills_at_first_is_no_growth() -> None:
    looks = [
        Look(0, 70.0, 0.0),
        *(Look(calls, 100.0, 0.0) for calls in range(100, 1000, 100)),
    ]  # the first is before any call

    assert growth(looks) == 0


def test_an_interpreter_without_the_peers_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="has not the extra bench-peers"):
        peers(Path(sys.executable))


@pytest.mark.parametrize("arguments", [["--calls", "0"], ["--seconds", "0"], ["--rounds", "0"], ["--processes", "0"]])
def test_nothing_can_not_be_measured(arguments: list[str]) -> None:
    assert main(["bench", *arguments], {}) == 2


def test_a_free_port_can_be_listened_at() -> None:
    assert 0 < free_port() < 65536
