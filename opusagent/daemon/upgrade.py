"""One process hands over to another without a caller noticing: both ends of it.

The old process starts the program that is installed now, with the listening sockets open and a channel to itself:

    new   reads its configuration, prepares everything, and says `ready`. It does not accept yet.
    old   tells the service manager who is the main process, stops accepting, and says `go`.
    new   accepts. What came in between waited in the sockets' backlog.

The old process drains and keeps its end of the channel open as long as it lives, so that the new one knows when it is
gone. A new process that cannot start says why instead of `ready`, or ends; then nothing has happened.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import msgspec
import trio

from opusagent.daemon.systemd import InheritedSocket, adopt, for_children
from opusagent.errors import OpusagentError, PeerGone

VARIABLE: Final = "OPUSAGENT_UPGRADE"

START_SECONDS: Final = 30.0
"""What a new process may take to get ready. The old one serves meanwhile, so there is no hurry."""

READY: Final = b"ready\n"
GO: Final = b"go\n"
_MOST_BYTES: Final = 64 * 1024


class UpgradeFailed(OpusagentError):
    """The new process did not get ready. The text says why."""


@attrs.frozen
class Bequest:
    """What the old process writes into the new one's environment."""

    parent: int
    channel: int
    sockets: tuple[int, ...]


class Predecessor:
    """The old process, as the new one sees it."""

    def __init__(self, pid: int, channel: socket.socket, sockets: Sequence[InheritedSocket]) -> None:
        self.pid: Final = pid
        self.sockets: Final = tuple(sockets)
        self._channel: Final = channel

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Predecessor | None":
        """The process that has started this one to take over; None if nobody has.

        Raises:
            CannotBind: a descriptor is no listening socket.
        """
        if VARIABLE not in environ:
            return None
        bequest = msgspec.json.decode(environ[VARIABLE], type=Bequest)
        if bequest.parent != os.getppid():
            return None
        os.set_inheritable(bequest.channel, False)  # noqa: FBT003 - the system call's own argument
        sockets = [adopt(fd, "calls") for fd in bequest.sockets]
        return cls(bequest.parent, socket.socket(fileno=bequest.channel), sockets)

    def refuse(self, why: str) -> None:
        """We cannot take over."""
        self._channel.sendall(why.encode(errors="replace")[:_MOST_BYTES])
        self._channel.close()

    async def take_over(self) -> None:
        """Say that we are ready, and wait until we may accept. Raises `PeerGone` if the old process has ended."""
        self._channel.settimeout(0)
        await trio.lowlevel.wait_writable(self._channel)
        self._channel.sendall(READY)
        if await self._read() != GO:
            raise PeerGone("the process that was to be taken over from has ended")

    async def wait_gone(self) -> None:
        """Until the old process has ended."""
        while await self._read():
            pass

    def pass_on(self, signalled: signal.Signals) -> None:
        """Let the old process know of a signal, if it still is the one that started us."""
        if os.getppid() == self.pid:
            os.kill(self.pid, signalled)

    async def _read(self) -> bytes:
        await trio.lowlevel.wait_readable(self._channel)
        return self._channel.recv(_MOST_BYTES)


class Successor:
    """The new process, as the old one sees it. Ready."""

    def __init__(self, process: trio.Process, channel: trio.SocketStream) -> None:
        self._process: Final = process
        self._channel: Final = channel

    @property
    def pid(self) -> int:
        """Its number, for the service manager."""
        return self._process.pid

    async def go(self) -> None:
        """Let it accept."""
        await self._channel.send_all(GO)

    async def wait_ended(self) -> int:
        """Until it has ended, and with which status."""
        return await self._process.wait()


def own_command() -> list[str]:
    """What started this process. The program is looked up anew, so that it may be a newer one."""
    return [sys.executable, *sys.orig_argv[1:]]


async def start_successor(command: Sequence[str], sockets: Sequence[int], environ: Mapping[str, str]) -> Successor:
    """Start `command` with `sockets`, and wait until it is ready.

    Raises:
        UpgradeFailed: it said why it could not, ended, or did neither in `START_SECONDS`. It is gone then.
    """
    ours, theirs = socket.socketpair()
    channel = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    bequest = Bequest(os.getpid(), theirs.fileno(), tuple(sockets))
    own = {**for_children(environ), VARIABLE: msgspec.json.encode(bequest).decode()}
    with theirs:
        process = await _start(command, own, (*sockets, theirs.fileno()))
    said = b""
    with trio.move_on_after(START_SECONDS) as patience:
        said = await _first_words(channel)
    if said == READY:
        return Successor(process, channel)
    process.kill()
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
        await channel.aclose()
        await process.wait()
    if patience.cancelled_caught:
        raise UpgradeFailed(f"the new process was not ready within {START_SECONDS:g} s")
    reason = said.decode(errors="replace").strip()
    raise UpgradeFailed(reason or f"the new process ended with status {process.returncode}: see what it logged")


async def _start(command: Sequence[str], environ: Mapping[str, str], fds: Sequence[int]) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(command, env=environ, pass_fds=fds, stdin=subprocess.DEVNULL)
    except (OSError, ValueError) as error:
        raise UpgradeFailed(f"{command[0]} cannot be started: {error}") from error


async def _first_words(channel: trio.SocketStream) -> bytes:
    """`READY`, or everything that is said before the end."""
    said = b""
    while said != READY and len(said) < _MOST_BYTES:
        more = await channel.receive_some(_MOST_BYTES)
        if not more:
            break
        said += more
    return said
