"""Which bench runs, and what is said when none does."""

import subprocess
import sys

import pytest

from opusagent.bench.__main__ import BENCHES, main


@pytest.mark.parametrize("arguments", [[], ["video"], ["audio", "video"]])
def test_anything_but_one_known_name_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and the names that there are."""
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"usage: python -m opusagent.bench {'|'.join(BENCHES)}\n"


def test_the_command_line_is_wired() -> None:
    """`python -m opusagent.bench` is that main."""
    command = [sys.executable, "-m", "opusagent.bench"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (written right here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m opusagent.bench")
