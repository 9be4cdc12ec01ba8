"""The command as a process: what it sets before anything else is imported."""

import subprocess
import sys


def said(environ: dict[str, str]) -> str:
    """What a process says of itself that has just run `opusagent --version`."""
    run = "import os, sys; from opusagent.__main__ import run; sys.argv[1:] = ['--version']; run()"
    ask = "print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules)"
    process = subprocess.run(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-c", f"{run}; {ask}"],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    return process.stdout


def test_openblas_is_told_to_use_one_thread_before_numpy_is_there() -> None:
    assert said({}).splitlines()[-1] == "1 False"


def test_who_has_said_otherwise_is_obeyed() -> None:
    assert said({"OPENBLAS_NUM_THREADS": "4"}).splitlines()[-1] == "4 False"
