"""The Unix socket on which a running daemon is asked: how it listens, and how a command talks to it.

HTTP, so that the admin port and `curl --unix-socket` speak the same. Only the daemon's own user and root can connect.
"""

import contextlib
import http.client
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import trio
from typing_extensions import override

from opusagent.daemon.control import Verdict
from opusagent.errors import CannotBind, PeerRefused

DEFAULT_SOCKET: Final = Path("/run/opusagent/control.sock")
"""Where the shipped unit has it."""

ANSWER_SECONDS: Final = 120.0
"""A reload reads files and an upgrade starts a program; both have bounds of their own below this."""

_BACKLOG: Final = 16


class ControlSocket:
    """A socket that listens, and is found at `path` once it is shown there."""

    def __init__(self, path: Path, listener: trio.SocketListener, hidden: Path) -> None:
        self.path: Final = path
        self.listener: Final = listener
        self._hidden: Final = hidden
        self._inode: Final = hidden.stat().st_ino

    def show(self) -> None:
        """Put it in its place, in one step, whatever lies there."""
        self._hidden.rename(self.path)

    def remove(self) -> None:
        """Take the name away, unless another process has put its own socket there."""
        with contextlib.suppress(OSError):
            self._hidden.unlink()
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


async def open_control(path: Path) -> ControlSocket:
    """Listen for `path`, for our own user only. Nobody finds it before it is shown.

    Raises:
        CannotBind: the directory is not there or not ours, or the name is too long for a socket (107 bytes).
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    own = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await own.bind(str(hidden))
        hidden.chmod(0o600)
        own.listen(_BACKLOG)
        return ControlSocket(path, trio.SocketListener(own), hidden)
    except OSError as error:
        own.close()
        raise CannotBind(f"cannot listen at {path}: {error.strerror or error}, at admin.socket") from error


def socket_path(environ: Mapping[str, str]) -> Path:
    """Where a command looks for the daemon that it is not told of."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(runtime, DEFAULT_SOCKET.name) if runtime else DEFAULT_SOCKET


class _UnixConnection(http.client.HTTPConnection):
    """`http.client` over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path: Final = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str) -> tuple[int, bytes]:
    """Ask the daemon at `path`: the status and the body of its answer. Blocks.

    Raises:
        PeerRefused: nobody answers there. The text says what to do.
    """
    connection = _UnixConnection(path)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except FileNotFoundError:
        why = (
            "no daemon has its control socket there: is it running? One that was started by hand has none unless "
            "admin.socket is set in its configuration; name that one with --socket"
        )
    except ConnectionRefusedError:
        why = "nobody listens there any more: the daemon does not run"
    except PermissionError:
        why = "the socket belongs to another user: ask as root, or as the daemon's user"
    except (OSError, http.client.HTTPException) as error:
        why = f"the daemon does not answer: {error}"
    finally:
        connection.close()
    raise PeerRefused(f"{path}: {why}")


def read_verdict(status: int, body: bytes) -> Verdict:
    """What a daemon answered to an order.

    Raises:
        PeerRefused: this is no verdict.
    """
    try:
        return msgspec.json.decode(body, type=Verdict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        text = body.decode(errors="replace").strip()[:200]
        raise PeerRefused(f"the daemon answered {status}: {text!r}", status=status) from None
