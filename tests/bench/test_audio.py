"""The table as a reader sees it."""

import pytest

from opusagent.bench.audio import costs_us, main


def test_the_table_has_a_row_for_each_direction_and_all_bars_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    """Six directions of sound and six of cost, nothing missed, exit status 0."""
    assert main() == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert [line.split()[-1] for line in lines if " > " in line][:6] == ["met"] * 6
    assert sum(" > " in line for line in lines) == 12
    assert "MISSED" not in said.out


def test_costs_are_of_one_push_and_in_order() -> None:
    """Work that is a hundred times longer costs more than ten times as much."""

    def little(pcm: bytes) -> bytes:
        return pcm

    def much(pcm: bytes) -> bytes:
        return bytes(sum(range(10_000)) & 1 for _ in pcm)

    cheap, dear = costs_us([little, much], b"x", rounds=3)
    assert 0 <= 10 * cheap < dear
