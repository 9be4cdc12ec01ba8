"""The log on standard error: whole lines, whoever else writes there, and whatever peers put into a value."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
import structlog

from opusagent.daemon.logs import LogStyle, configure_logs, is_journal

SAY = """
import structlog
from opusagent.daemon.logs import configure_logs
configure_logs("json")
structlog.get_logger().info("call ended", detail='quoted "\\n{"event": "forged"}')
"""


def test_a_line_is_one_write() -> None:
    """Each write into a datagram socket is a datagram: two processes that share a stream do not mix their lines."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        subprocess.run([sys.executable, "-c", SAY], check=True, stderr=theirs.fileno())  # noqa: S603 - our own interpreter
        ours.settimeout(5)
        line = ours.recv(65536)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert json.loads(line)["detail"] == 'quoted "\n{"event": "forged"}'


@contextmanager
def logged(style: LogStyle, *, journal: bool = False) -> Generator[io.StringIO]:
    """What the log says meanwhile; afterwards it is as it was."""
    before = structlog.get_config()
    with redirect_stderr(io.StringIO()) as said:
        configure_logs(style, journal=journal)
        try:
            yield said
        finally:
            structlog.configure(**before)


def test_a_traceback_is_one_line_too() -> None:
    for style in ("json", "text"):
        with logged(style) as said:
            try:
                int("two\nlines\x1b[2J")
            except ValueError:
                structlog.get_logger().exception("fault in a call", call="a1")
        assert said.getvalue().removesuffix("\n").isprintable()


@pytest.mark.parametrize(("level", "priority"), [("info", "<6>"), ("warning", "<4>"), ("error", "<3>")])
def test_the_journal_reads_the_priority_from_the_line(level: str, priority: str) -> None:
    with logged("json", journal=True) as said:
        structlog.get_logger().log({"info": 20, "warning": 30, "error": 40}[level], "ready")
    assert said.getvalue().startswith(priority + "{")
    with logged("json") as said:
        structlog.get_logger().info("ready")
    assert said.getvalue().startswith("{")


def test_the_journal_is_known_by_the_stream_that_the_manager_names(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        seen = os.fstat(stream.fileno())
        named = {"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino}"}
        assert is_journal(named, stream.fileno())
        assert not is_journal({}, stream.fileno())
        assert not is_journal({"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino + 1}"}, stream.fileno())
