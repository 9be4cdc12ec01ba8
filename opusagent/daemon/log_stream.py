"""Standard error as the stream of the log. When nobody reads it, lines are lost, and no call waits."""

import io
import os
import socket
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

from typing_extensions import override

if TYPE_CHECKING:
    from typing_extensions import Buffer

LOST: Final = '{{"lost":{},"event":"lines of the log were lost: nobody read it","level":"warning"}}\n'


def log_stream(fd: int, *, journal: bool = False) -> TextIO:
    """`fd` for whole lines, each of them written at once or lost; for a `journal` what is said of that has a priority.

    The descriptor itself stays as it is for whoever shares it: whether a write may wait is a matter of each opening of
    a pipe (proc(5), /proc/pid/fd), and of each message into a socket (send(2), MSG_DONTWAIT). Files, terminals and
    another user's pipes are written to as ever.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        line_out = socket.socket(fileno=os.dup(fd))
        raw = Lossy(lambda line: line_out.send(line, socket.MSG_DONTWAIT), line_out.close, journal=journal)
    else:
        own = _own_opening(fd) if stat.S_ISFIFO(mode) else os.dup(fd)
        raw = Lossy(lambda line: os.write(own, line), lambda: os.close(own), journal=journal)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _own_opening(fd: int) -> int:
    """The pipe anew, for writes that do not wait; as it is if it is another user's, which may not be opened."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return os.dup(fd)


class Lossy(io.RawIOBase):
    """Gives each line to `write`, which takes as many of its bytes as it can, or raises `OSError`."""

    def __init__(self, write: Callable[[bytes], int], release: Callable[[], None], *, journal: bool) -> None:
        super().__init__()
        self._release: Final = release
        self._write: Final = write
        self._priority: Final = b"<4>" if journal else b""
        self._lost = 0
        self._torn = b""

    @property
    def name(self) -> str:
        """As files have one."""
        return "the log"

    @override
    def close(self) -> None:
        if not self.closed:
            self._release()
        super().close()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: "Buffer", /) -> int:
        """Write one line, behind word of those that were lost before it. It is always taken, or counted as lost."""
        line = bytes(data)
        if self._lost and self._put(self._priority + LOST.format(self._lost).encode()):
            self._lost = 0
        self._lost += not (self._lost == 0 and self._put(line))
        return len(line)

    def _put(self, line: bytes) -> bool:
        """Whether the whole line is out. What was cut off before it ends where it was cut."""
        whole = self._torn + line
        try:
            taken = self._write(whole)
        except OSError:
            return False
        self._torn = b"" if taken == len(whole) else b"\n"
        return not self._torn
