"""The places in a call that a socket takes: the caller's, which another socket may take over, and the model's."""

from collections.abc import Awaitable, Callable

import attrs
import trio

from opusagent.errors import GOING_AWAY, LocalProtocolError
from opusagent.net.message_socket import MessageSocket

DialModel = Callable[[trio.Nursery], Awaitable[MessageSocket]]
"""Opens a session with the model; the socket's own tasks go into the nursery given.

Raises `PeerRefused`, `PeerStalled` or `RemoteProtocolError`, within a bound.
"""


@attrs.define
class ModelSeat:
    """The model's place in a call: empty until it is dialled."""

    dial: DialModel
    plumbing: trio.Nursery
    socket: MessageSocket | None = None

    async def take(self) -> MessageSocket:
        """Dial the model and seat it."""
        self.socket = await self.dial(self.plumbing)
        return self.socket


@attrs.frozen(eq=False)
class Line:
    """A platform's socket, and whether the call still needs it."""

    socket: MessageSocket
    released: trio.Event = attrs.field(factory=trio.Event)


class CallerSeat:
    """The platform's place in a call.

    A platform whose socket broke comes back on another one, whose owner lets it `occupy` the seat, and the call goes
    on. The newest always wins: the platform knows which of its sockets it still wants.
    """

    def __init__(self, socket: MessageSocket) -> None:
        self.line = Line(socket)
        self._next: Line | None = None
        self._news = trio.Event()

    async def occupy(self, socket: MessageSocket) -> None:
        """Let `socket` take over. Returns when the call does not need it any more; its owner closes it then."""
        line = Line(socket)
        if self._next is not None:
            self._next.released.set()
        self._next = line
        self._news.set()
        await line.released.wait()

    async def newcomer(self) -> None:
        """Until another socket wants the seat."""
        await self._news.wait()

    async def change(self) -> None:
        """Seat the newcomer, and close the socket that sat here: it may be half alive."""
        old, new = self.line, self._next
        if new is None:
            raise LocalProtocolError("nobody waits for the caller's seat")
        self.line, self._next, self._news = new, None, trio.Event()
        await old.socket.close(GOING_AWAY, "the call goes on over another socket")
        old.released.set()

    def vacate(self) -> None:
        """The call is over: nobody's socket is needed."""
        self.line.released.set()
        if self._next is not None:
            self._next.released.set()
