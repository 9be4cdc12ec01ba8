"""One process hands over to another without a caller noticing: both ends of it.

The old process starts the program that is installed now, with the listening sockets open and a channel to itself:

    new   reads its configuration, prepares everything, and says `ready`. It does not accept yet.
    old   says `go`. If the new process has ended meanwhile, nothing has happened.
    old   tells the service manager who is the main process, stops accepting, and says `lead`.
    new   accepts, and tells the service manager that it is ready, which listens to the main process alone.

What came in between waited in the sockets' backlog.

The old process drains and keeps its end of the channel open as long as it lives, so that the new one knows when it is
gone. A new process that cannot start says why instead of `ready`, or ends; then nothing has happened.

The new process is nobody's child but the service manager's: a shell starts it and leaves. systemd does not wait for a
main process that is not its own child, and would kill it at once where it should stop it (systemd 252, "Supervising
process which is not our child").
"""

import contextlib
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
LEAD: Final = b"lead\n"
_UCRED_BYTES: Final = 12
"""pid, uid and gid, each of 32 bits, in this order (unix(7))."""

_MOST_BYTES: Final = 64 * 1024


class UpgradeFailed(OpusagentError):
    """The new process did not get ready. The text says why."""


@attrs.frozen
class Bequest:
    """What the old process writes into the new one's environment: `admin` are the sockets of the admin side."""

    parent: int
    channel: int
    sockets: tuple[int, ...]
    admin: tuple[int, ...] = ()


class Predecessor:
    """The old process, as the new one sees it."""

    def __init__(self, pid: int, channel: socket.socket, sockets: Sequence[InheritedSocket]) -> None:
        self.sockets: Final = tuple(sockets)
        self._channel: Final = channel
        self._process: Final = os.pidfd_open(pid)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Predecessor | None":
        """The process that has started this one to take over; None if nobody has.

        Raises:
            CannotBind: a descriptor is no listening socket.
        """
        if VARIABLE not in environ:
            return None
        try:
            bequest = msgspec.json.decode(environ[VARIABLE], type=Bequest)
            channel = socket.socket(fileno=bequest.channel)
        except (msgspec.MsgspecError, OSError):
            return None  # a variable that was left over by whoever started us
        if _maker(channel) != bequest.parent:
            channel.detach()
            return None
        channel.set_inheritable(False)
        sockets = [*(adopt(fd, "calls") for fd in bequest.sockets), *(adopt(fd, "admin") for fd in bequest.admin)]
        return cls(bequest.parent, channel, sockets)

    def refuse(self, why: str) -> None:
        """We cannot take over."""
        self._channel.sendall(why.encode(errors="replace")[:_MOST_BYTES])
        self._channel.close()

    async def take_over(self) -> None:
        """Say that we are ready, and wait until we are the main process.

        A process that ends behind its `go` leaves us in its place.

        Raises:
            PeerGone: the old process has ended before it let us go.
        """
        self._channel.settimeout(0)
        await trio.lowlevel.wait_writable(self._channel)
        self._channel.sendall(READY)
        said = b""
        while said != GO + LEAD:
            more = await self._read()
            if not more:
                break
            said += more
        if not said.startswith(GO):
            raise PeerGone("the process that was to be taken over from has ended")

    async def wait_gone(self) -> None:
        """Until the old process has ended."""
        while await self._read():
            pass

    def pass_on(self, signalled: signal.Signals) -> None:
        """Let the old process know of a signal, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signalled)

    async def _read(self) -> bytes:
        await trio.lowlevel.wait_readable(self._channel)
        return self._channel.recv(_MOST_BYTES)


def _maker(channel: socket.socket) -> int:
    """The process that has made this pair of sockets (SO_PEERCRED, unix(7))."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED_BYTES)
    return int.from_bytes(credentials[:4], sys.byteorder)


@attrs.frozen(eq=False)
class Successor:
    """The new process, as the old one sees it. Ready."""

    pid: int
    _channel: trio.SocketStream

    async def go(self) -> None:
        """Let it go on. Raises `UpgradeFailed` if it has ended since it said that it was ready."""
        await self._say(GO)

    async def lead(self) -> None:
        """It is the main process now. Raises `UpgradeFailed` if it has ended since it was let go."""
        await self._say(LEAD)

    async def _say(self, word: bytes) -> None:
        try:
            await self._channel.send_all(word)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
            raise UpgradeFailed("the new process ended before it could take over: see what it logged") from gone

    async def part(self) -> None:
        """Let it know that we have done."""
        await self._channel.aclose()


def own_command() -> list[str]:
    """What started this process. The program is looked up anew, so that it may be a newer one."""
    return [sys.executable, *sys.orig_argv[1:]]


async def start_successor(
    command: Sequence[str], sockets: Sequence[int], environ: Mapping[str, str], admin: Sequence[int] = ()
) -> Successor:
    """Start `command` with `sockets`, and those of the `admin` side, and wait until it is ready.

    Raises:
        UpgradeFailed: it said why it could not, ended, or did neither in `START_SECONDS`. It is gone then.
    """
    ours, theirs = socket.socketpair()
    channel = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    bequest = Bequest(os.getpid(), theirs.fileno(), tuple(sockets), tuple(admin))
    own = {**for_children(environ), VARIABLE: msgspec.json.encode(bequest).decode()}
    with theirs:
        pid = await _start(command, own, (*sockets, *admin, theirs.fileno()))
    said = b""
    with trio.move_on_after(START_SECONDS) as patience:
        said = await _first_words(channel)
    if said == READY:
        return Successor(pid, channel)
    await trio.aclose_forcefully(channel)
    if patience.cancelled_caught:
        os.kill(pid, signal.SIGKILL)  # it lives: it holds the channel's other end open
        raise UpgradeFailed(f"the new process was not ready within {START_SECONDS:g} s")
    raise UpgradeFailed(said.decode(errors="replace").strip() or "the new process ended: see what it logged")


async def _start(command: Sequence[str], environ: Mapping[str, str], fds: Sequence[int]) -> int:
    """Start `command` as nobody's child, and say its number."""
    shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
    try:
        done = await trio.run_process(shell, env=environ, pass_fds=fds, capture_stdout=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UpgradeFailed(f"{command[0]} cannot be started: {error}") from error
    return int(done.stdout)


async def _first_words(channel: trio.SocketStream) -> bytes:
    """`READY`, or everything that is said before the end."""
    said = b""
    while said != READY and len(said) < _MOST_BYTES:
        more = await channel.receive_some(_MOST_BYTES)
        if not more:
            break
        said += more
    return said
