"""What is said to a service manager and taken from it, on real sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opusagent.daemon.systemd import (
    InheritedSocket,
    ServiceManager,
    adopt,
    for_children,
    inherited_sockets,
    status,
    watchdog_seconds,
)
from opusagent.errors import CannotBind


@contextmanager
def manager(address: str) -> Generator[socket.socket]:
    """A service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(address)
        inbox.settimeout(5)
        yield inbox


def test_a_notification_is_one_datagram(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as inbox:
        ServiceManager.of({"NOTIFY_SOCKET": address}).tell("READY=1", status("ready: 0 of 100 calls"))
        assert inbox.recv(4096) == b"READY=1\nSTATUS=ready: 0 of 100 calls"


def test_an_abstract_socket_is_reached() -> None:
    name = f"opusagent-test-{os.getpid()}"
    with manager(f"\0{name}") as inbox:
        ServiceManager.of({"NOTIFY_SOCKET": f"@{name}"}).tell("STOPPING=1")
        assert inbox.recv(4096) == b"STOPPING=1"


def test_a_reload_is_told_with_its_time_in_the_same_datagram(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as inbox:
        before = time.monotonic_ns() // 1000
        ServiceManager(address).reloading()
        first, second = inbox.recv(4096).decode().splitlines()
        name, _, value = second.partition("=")
        assert (first, name) == ("RELOADING=1", "MONOTONIC_USEC")
        assert before <= int(value) <= time.monotonic_ns() // 1000


def test_a_manager_that_is_not_there_or_does_not_read_stops_nobody(tmp_path: Path) -> None:
    """The kernel keeps a few datagrams; what comes then is dropped, without a wait."""
    ServiceManager.of({}).tell("READY=1")
    ServiceManager(str(tmp_path / "nobody")).tell("READY=1")
    address = str(tmp_path / "notify")
    with manager(address) as inbox:
        for _ in range(5000):
            ServiceManager(address).tell("WATCHDOG=1")
        assert inbox.recv(4096) == b"WATCHDOG=1"


def test_a_status_is_one_line_whatever_it_quotes() -> None:
    assert status("refused: a\nb\r\nREADY=1\x85c") == "STATUS=refused: a b READY=1 c"


def test_the_watchdog_is_fed_three_times_a_period() -> None:
    assert watchdog_seconds({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "7"}, 7) == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "8"}]
)
def test_no_watchdog_or_another_process_s(environ: dict[str, str]) -> None:
    assert watchdog_seconds(environ, 7) is None


def test_variables_for_another_process_are_ignored() -> None:
    assert inherited_sockets({}, 7) == ()
    assert inherited_sockets({"LISTEN_FDS": "1", "LISTEN_PID": "8"}, 7) == ()
    assert inherited_sockets({"LISTEN_FDS": "one", "LISTEN_PID": "7"}, 7) == ()
    assert inherited_sockets({"LISTEN_FDS": "0", "LISTEN_PID": "7"}, 7) == ()


def test_only_a_listening_socket_is_adopted_and_no_child_gets_it(tmp_path: Path) -> None:
    with socket.socket() as listening:
        with pytest.raises(CannotBind, match=r"\(web\), handed over as a listening socket, does not listen"):
            adopt(listening.fileno(), "web")
        listening.listen()
        listening.set_inheritable(True)
        assert adopt(listening.fileno(), "web") == InheritedSocket(listening.fileno(), "web")
        assert not listening.get_inheritable()
    with (tmp_path / "file").open("w") as file, pytest.raises(CannotBind, match="is no socket"):
        adopt(file.fileno(), "web")
    with pytest.raises(CannotBind, match="is none"):
        adopt(4000, "web")


AS_SYSTEMD_DOES = """
import os, socket, sys
listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
kept = [os.dup2(os.dup(each.fileno()), fd) for fd, each in zip((30, 31), listening)]
os.dup2(30, 3); os.dup2(31, 4)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="calls:admin", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""

SHOW = """
import os
from opusagent.daemon.systemd import inherited_sockets
print([(each.fd, each.name, os.get_inheritable(each.fd)) for each in inherited_sockets(os.environ, os.getpid())])
"""


def test_sockets_come_as_systemd_hands_them_over() -> None:
    """From descriptor 3 on, with names, into a process that knows its own number."""
    shown = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", AS_SYSTEMD_DOES, SHOW], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "[(3, 'calls', False), (4, 'admin', False)]\n"


def test_children_are_not_told_what_the_manager_said_to_us() -> None:
    environ = {"PATH": "/bin", "LISTEN_FDS": "1", "LISTEN_PID": "7", "LISTEN_FDNAMES": "x", "WATCHDOG_PID": "7"}
    assert for_children({**environ, "NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1"}) == {
        "PATH": "/bin",
        "NOTIFY_SOCKET": "/n",
        "WATCHDOG_USEC": "1",
    }
