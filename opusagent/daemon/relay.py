"""From one process to another: a platform's socket that was accepted here, for a call that lives there."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from opusagent.daemon.seats import SeatName
from opusagent.errors import GOING_AWAY, PeerGone, PeerRefused, PeerStalled, RemoteProtocolError
from opusagent.net.auth import BearerTokens
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import PLATFORM
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.secret import Secret

SEAT_PATH: Final = "/seat"

UNSAYABLE: Final = frozenset({1005, 1006, 1015})

PEER_HEADER: Final = "x-opusagent-peer"
"""The name of the token that the platform has shown to the process that it dialled. It is not the token."""

Resume = Callable[[str, MessageSocket], Awaitable[None]]
"""Lets a socket come back for a call: the name of its token, and the socket, on which nothing has been said yet."""


class SeatSite:
    """What a process offers to the others: a way back into its calls, for who knows the secret that they share."""

    def __init__(self, secret: Secret, resume: Resume) -> None:
        self._tokens: Final = BearerTokens([secret.reveal()])
        self._resume: Final = resume

    async def answer(self, request: Request) -> Response | Upgrade:
        """401 without the secret, 404 for anything but a WebSocket at `SEAT_PATH`."""
        await trio.lowlevel.checkpoint()
        if self._tokens.recognise(request.header("authorization")) is None:
            return Response(401, b"the secret that the processes share is needed\n")
        if request.path != SEAT_PATH or not request.wants_websocket:
            return Response(404, b"nothing here\n")
        return Upgrade(partial(self._resume, request.header(PEER_HEADER) or ""))


async def carry(name: SeatName, address: str, secret: Secret, first: str, socket: MessageSocket) -> bool:
    """Carry `socket` to the process at `address`, until either end closes; the other is closed alike.

    False, and nothing has been sent, if nobody answers there, or not to us.
    """
    headers = [("Authorization", f"Bearer {secret.reveal()}"), (PEER_HEADER, name[0])]
    was_carried = True
    async with trio.open_nursery() as plumbing:
        try:
            there = await connect(plumbing, f"ws://{address}{SEAT_PATH}", headers, PLATFORM)
            await there.send(first)
        except (PeerGone, PeerRefused, PeerStalled, RemoteProtocolError):
            was_carried = False
        else:
            code = await _pump_both(socket, there)
            await there.close(code)
            await socket.close(code)
        plumbing.cancel_scope.cancel()
    return was_carried


async def _pump_both(one: MessageSocket, other: MessageSocket) -> int:
    """Until either end closes. The code to close the other one with."""
    codes: list[int] = []
    async with trio.open_nursery() as ways:

        def over(code: int) -> None:
            codes.append(code)
            ways.cancel_scope.cancel()

        ways.start_soon(_pump, one, other, over)
        ways.start_soon(_pump, other, one, over)
    return codes[0]


async def _pump(source: MessageSocket, sink: MessageSocket, over: Callable[[int], None]) -> None:
    """Send on whatever comes. Nothing is buffered here: a sink that does not take is a source that is not read."""
    try:
        while True:
            await sink.send(await source.receive())
    except PeerGone as gone:
        # What cannot be said in a close frame (RFC 6455 section 7.4.1) is a line that broke.
        over(GOING_AWAY if gone.code in UNSAYABLE else gone.code)
    except (PeerStalled, RemoteProtocolError):
        over(GOING_AWAY)
