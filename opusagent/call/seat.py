"""The places in a call that a socket takes: the caller's, which another socket may take over, and the model's."""

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

from opusagent.errors import GOING_AWAY, LocalProtocolError
from opusagent.net.message_socket import MessageSocket

DialModel = Callable[[trio.Nursery], Awaitable[MessageSocket]]
"""Opens a session with the model; the socket's own tasks go into the nursery given.

Raises `PeerRefused`, `PeerStalled` or `RemoteProtocolError`, within a bound.
"""


PARTING_SECONDS: Final = 2.5
"""What parting from a session may cost a call that ends: a close handshake takes two seconds at most."""


@attrs.define
class ModelSeat:
    """The model's place in a call: empty until it is dialled, taken twice while one session relieves another."""

    dial: DialModel
    plumbing: trio.Nursery
    sockets: list[MessageSocket] = attrs.field(factory=list[MessageSocket], init=False)

    async def take(self) -> MessageSocket:
        """Dial the model and seat it."""
        socket = await self.dial(self.plumbing)
        self.sockets.append(socket)
        return socket

    async def part(self, socket: MessageSocket) -> None:
        """Close a session that is lost or relieved, also while the call ends."""
        with trio.move_on_after(PARTING_SECONDS, shield=True):
            await socket.close(GOING_AWAY, "the call goes on in another session")
        self.sockets.remove(socket)

    async def close(self) -> None:
        """The call is over: close every session that is still there."""
        async with trio.open_nursery() as goodbyes:
            for socket in self.sockets:
                goodbyes.start_soon(socket.close)


@attrs.frozen(eq=False)
class Line:
    """A platform's socket, whether the call still needs it, and whether it was lost."""

    socket: MessageSocket
    released: trio.Event = attrs.field(factory=trio.Event)
    lost: trio.Event = attrs.field(factory=trio.Event)


class CallerSeat:
    """The platform's place in a call.

    A platform whose socket broke comes back on another one, whose owner lets it `occupy` the seat, and the call goes
    on. The newest always wins: the platform knows which of its sockets it still wants. A line that is lost is closed by
    the call at once, even if it is half alive: a platform that believes in it would not come back.
    """

    def __init__(self, socket: MessageSocket) -> None:
        self.line = Line(socket)
        self.vacated = trio.Event()
        self._next: Line | None = None
        self._news = trio.Event()

    @property
    def is_empty(self) -> bool:
        """The line was lost, and nobody has come back yet."""
        return self.line.lost.is_set()

    def lose(self) -> None:
        """The line is lost; another may come."""
        self.line.lost.set()

    async def occupy(self, socket: MessageSocket) -> bool:
        """Let `socket` take over. Returns when the call does not need it any more; its owner closes it then.

        That is at once if the call is over. False if the call is over and `socket` has never been its line: the call
        has said nothing on it, and a platform takes a mere close for a line that broke, and comes back once more.
        """
        if self.vacated.is_set():
            await trio.lowlevel.checkpoint()
            return False
        line = Line(socket)
        if self._next is not None:
            self._next.released.set()
        self._next = line
        self._news.set()
        await line.released.wait()
        return self._next is not line

    async def newcomer(self) -> None:
        """Until another socket wants the seat."""
        await self._news.wait()

    def change(self) -> None:
        """Seat the newcomer instead of the line that was lost."""
        if self._next is None:
            raise LocalProtocolError("nobody waits for the caller's seat")
        self.line.released.set()
        self.line, self._next, self._news = self._next, None, trio.Event()

    def vacate(self) -> None:
        """The call is over: nobody's socket is needed, nor will be."""
        self.vacated.set()
        self.line.released.set()
        if self._next is not None:
            self._next.released.set()
