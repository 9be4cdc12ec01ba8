"""A log that nobody reads: nobody waits for it, what is lost is counted, and lines are whole."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from opusagent.daemon.log_stream import Lossy, log_stream

LINES = 4000

TALK = """
import sys, structlog
from opusagent.daemon.log_stream import log_stream
from opusagent.daemon.logs import configure_logs
configure_logs("json", stream=log_stream(2))
for number in range(4000):
    structlog.get_logger().info("call ended", number=number)
print("done")
"""


def pipe() -> tuple[int, int]:
    return os.pipe()


def sockets() -> tuple[int, int]:
    """As systemd's journal has them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return ours.detach(), theirs.detach()


def drain(fd: int) -> bytes:
    """What waits there now."""
    os.set_blocking(fd, False)
    got = b""
    while True:
        try:
            more = os.read(fd, 65536)
        except BlockingIOError:
            return got
        if not more:
            return got
        got += more


@pytest.mark.parametrize("make", [pipe, sockets])
def test_lines_that_nobody_reads_are_lost_counted_and_told_of(make: Callable[[], tuple[int, int]]) -> None:
    reader, writer = make()
    with log_stream(writer, journal=True) as stream:
        for number in range(LINES):
            stream.write(f'{{"number":{number}}}{"x" * 100}\n')
        there = drain(reader)
        stream.write("again\n")
    later = drain(reader).splitlines()
    came = sum(line.endswith(b"x" * 100) for line in there.splitlines())
    told = json.loads(later[-2].removeprefix(b"<4>"))
    assert 0 < came < LINES
    assert (told["lost"], told["level"], later[-1]) == (LINES - came, "warning", b"again")
    assert os.get_blocking(writer)
    os.close(reader)
    os.close(writer)


def test_a_program_goes_on_behind_a_pipe_that_is_full() -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-c", TALK]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=writer, timeout=60)  # noqa: S603 - our own
    assert done.stdout == b"done\n"
    os.close(reader)
    os.close(writer)


def test_what_is_cut_off_ends_where_it_was_cut() -> None:
    """The next line is one of its own, behind word of the one that was cut."""
    out = b""

    def take(line: bytes) -> int:
        nonlocal out
        room = 9 if not out else len(line)
        out += line[:room]
        return min(room, len(line))

    with Lossy(take, lambda: None, journal=False) as lossy:
        lossy.write(b"a line of some length\n")
        lossy.write(b"the next\n")
    cut, told, after = out.splitlines()
    assert (cut, json.loads(told)["lost"], after) == (b"a line of", 1, b"the next")
