"""The log on standard error: whole lines, whoever else writes there."""

import json
import socket
import subprocess
import sys

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
