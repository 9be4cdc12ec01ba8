"""The seats that a platform may come back to: those of this process, and the way to those of others."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias

import trio

from opusagent.call.bell import Bell
from opusagent.call.seat import CallerSeat
from opusagent.net.message_socket import MessageSocket

SeatName: TypeAlias = tuple[str, str]
"""The name of the peer's token, and the platform's name for the call: who comes back comes with both."""


class Seats:
    """The seats in this process. `news` is rung when there is one more or one less; one task waits for it."""

    def __init__(self) -> None:
        self.news: Final = Bell()
        self._seats: Final[dict[SeatName, CallerSeat]] = {}

    def __contains__(self, name: SeatName) -> bool:
        return name in self._seats

    def __iter__(self) -> Iterator[SeatName]:
        return iter(self._seats)

    def find(self, name: SeatName) -> CallerSeat | None:
        """The seat of that name, if it is here."""
        return self._seats.get(name)

    def awaits(self, token: str) -> bool:
        """Whether a call of that token's has lost its socket and nobody has come back yet."""
        return any(seat.is_empty for (ours, _), seat in self._seats.items() if ours == token)

    @contextmanager
    def kept(self, name: SeatName, seat: CallerSeat) -> Generator[None]:
        """Keep `seat` for whoever comes back for it. Nobody else has the name."""
        self._seats[name] = seat
        self.news.ring()
        try:
            yield
        finally:
            del self._seats[name]
            self.news.ring()


class Elsewhere(Protocol):
    """Calls that live in other processes."""

    async def carry(self, name: SeatName, first: str, socket: MessageSocket) -> bool:
        """Carry `socket`, which said `first`, to the process where that seat is, until either end closes.

        False, and nothing has been sent, if it is nowhere, or cannot be reached.
        """
        ...


class Nowhere:
    """There are no other processes."""

    async def carry(self, name: SeatName, first: str, socket: MessageSocket) -> bool:
        """It is nowhere."""
        del name, first, socket
        await trio.lowlevel.checkpoint()
        return False
