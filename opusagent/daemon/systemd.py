"""What a service manager and its service say to each other: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

A notification is one datagram of `NAME=value` lines, so lines that belong together arrive together. It is sent without
waiting: a manager that does not read must not stop a call, and everything that matters is either said again or noticed
by its absence.
"""

import contextlib
import os
import socket
import stat
import time
from collections.abc import Mapping
from typing import Final

import attrs

from opusagent.errors import CannotBind

FIRST_FD: Final = 3
"""SD_LISTEN_FDS_START."""

EXTENSION_USEC: Final = 5_000_000
"""By how much a drain that goes on extends the manager's patience each time it says so."""

PER_WATCHDOG: Final = 3
"""Pings in a watchdog's period: one may be lost and one late."""


@attrs.frozen
class ServiceManager:
    """Who has started us and wants to know how we are. `address` None: nobody."""

    address: str | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "ServiceManager":
        """The one that the environment names: a path, or an abstract socket behind `@`."""
        return cls(environ.get("NOTIFY_SOCKET") or None)

    def tell(self, *lines: str) -> None:
        """Send `lines` as one notification. What cannot be sent at once is dropped."""
        if self.address is None:
            return
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as wire,
        ):
            wire.sendto("\n".join(lines).encode(), name)

    def reloading(self) -> None:
        """A reload begins. The time tells a manager of systemd 253 and later which `READY=1` belongs to it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now}")


def status(text: str) -> str:
    r"""The line that `systemctl status` shows. Whatever `text` holds, it is one line.

    >>> status("refused:\nMAINPID=1")
    'STATUS=refused: MAINPID=1'
    """
    return f"STATUS={' '.join(text.split())}"


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """How often `WATCHDOG=1` is to be said; None if nobody waits for it, or waits for another process.

    >>> watchdog_seconds({"WATCHDOG_USEC": "15000000"}, 1)
    5.0
    """
    period, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(pid))
    if not period.isdecimal() or int(period) == 0 or whose != str(pid):
        return None
    return int(period) / 1e6 / PER_WATCHDOG


@attrs.frozen
class InheritedSocket:
    """A listening socket that somebody has opened for us."""

    fd: int
    name: str


def inherited_sockets(environ: Mapping[str, str], pid: int) -> tuple[InheritedSocket, ...]:
    """The sockets that a socket unit hands over, closed to children of ours.

    Variables that are meant for another process (`LISTEN_PID`) are a leftover of whoever started it, and are ignored.

    Raises:
        CannotBind: a descriptor is no listening stream socket.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return ()
    fds = range(FIRST_FD, FIRST_FD + int(count))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return tuple(adopt(fd, name) for fd, name in zip(fds, [*names, *[""] * len(fds)], strict=False))


def adopt(fd: int, name: str) -> InheritedSocket:
    """The listening socket at `fd`, from now on closed to children of ours. Raises `CannotBind` if it is none."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise CannotBind(f"descriptor {fd} ({name}), handed over as a listening socket, is no socket")
        with socket.socket(fileno=os.dup(fd)) as probe:
            if not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise CannotBind(f"descriptor {fd} ({name}), handed over as a listening socket, does not listen")
        os.set_inheritable(fd, False)  # noqa: FBT003 - the system call's own argument
    except OSError as error:
        raise CannotBind(f"descriptor {fd} ({name}), handed over as a listening socket, is none: {error}") from error
    return InheritedSocket(fd, name)


def for_children(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process of ours, without what the manager said to us alone."""
    ours = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"}
    return {name: value for name, value in environ.items() if name not in ours}
