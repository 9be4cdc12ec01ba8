"""A simulated network: trio's sockets, listeners and streams, over pipes. What uses it is the code that uses TCP.

trio asks a `SocketFactory` for its sockets if it is given one (`trio.socket.set_custom_socket_factory`, "Virtual
networking for testing"), so nothing in the program knows. Addresses are numeric: no name is resolved, for that would
take a thread.
"""

import errno
import os
from collections.abc import Callable
from typing import Final

import trio
from typing_extensions import override

from opusagent.testing.sim.dice import Dice
from opusagent.testing.sim.pipe import Connection, Pipe, Weather
from opusagent.testing.sim.tcp import SimSocket
from opusagent.testing.sim.trace import Trace

BACKLOG: Final = 128


class Network(trio.abc.SocketFactory):
    """Every socket of the world. `hosts` are the names of the ports that may be dialled, for the trace."""

    def __init__(self, dice: Dice, trace: Trace, hosts: dict[int, str], weather: Callable[[str], Weather]) -> None:
        self.connections: Final[list[Connection]] = []
        self.open: Final[dict[SimSocket, None]] = {}
        """Sockets that nobody has closed, in the order in which they were made. A dict: a set has no order."""
        self.refused_until = 0.0
        """Until when nobody answers a dial."""
        self.hosts: Final = hosts
        self.trace: Final = trace
        self.accept_failures = 0
        """How many accepts are still to fail for want of a descriptor."""
        self._dice: Final = dice
        self._dial_dice: Final = dice.of("dial")
        self._weather: Final = weather
        self._listening: Final[dict[int, SimSocket]] = {}
        self._next_port = 40_000

    @override
    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> SimSocket:
        del family, type, proto
        return SimSocket(self)

    def listen(self, socket: SimSocket, port: int) -> None:
        """`socket` takes the connections to `port`."""
        self._listening[port] = socket

    def forget(self, socket: SimSocket) -> None:
        """`socket` is closed."""
        self.open.pop(socket, None)
        for port in [port for port, each in self._listening.items() if each is socket]:
            del self._listening[port]

    async def dial(self, client: SimSocket, port: int) -> None:
        """Connect `client` to whoever listens at `port`. Raises `OSError`."""
        await trio.sleep(self._dial_dice.uniform(0.001, 0.05))
        listener = self._listening.get(port)
        if listener is None or trio.current_time() < self.refused_until or len(listener.waiting) >= BACKLOG:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        host = self.hosts[port]
        name = f"{host}#{len(self.connections)}"
        there, back = self._pipe(f"{name}>"), self._pipe(f"{name}<")
        connection = Connection(name, there, back)
        self.connections.append(connection)
        server = SimSocket(self)
        self._next_port += 1
        client.attach(connection, there, back, ("10.0.0.1", self._next_port), ("10.0.0.2", port), f"to {host}")
        server.attach(connection, back, there, ("10.0.0.2", port), ("10.0.0.1", self._next_port), f"at {host}")
        self.trace.note("dialled", name)
        listener.knock(server)

    @property
    def alive(self) -> list[Connection]:
        """The connections that something can still happen to."""
        return [each for each in self.connections if not each.is_over]

    def heal(self) -> None:
        """Whatever is blocked or refused is not any more. What is broken stays so."""
        self.refused_until = 0.0
        self.accept_failures = 0
        for connection in self.connections:
            connection.unblock()

    def _pipe(self, name: str) -> Pipe:
        return Pipe(name, self._weather(name), self._dice.of(name))
