"""The caller's leg: a platform's socket, its dialect, and who is calling."""

from typing import Final

import attrs
import trio

from opusagent.errors import POLICY_VIOLATION, PeerGone, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerLeft, CallStarted, Dialect

START_SECONDS: Final = 10.0
"""How long a platform that has connected may take to say whom it puts through."""


@attrs.frozen
class Caller:
    """A caller who has been put through."""

    socket: MessageSocket
    dialect: Dialect
    started: CallStarted


async def answer(socket: MessageSocket, dialect: Dialect) -> Caller:
    """Wait for the platform to say who calls.

    Raises:
        RemoteProtocolError: it said something else, or nothing within `START_SECONDS` (close code 1008).
        PeerGone: it left before.
        PeerStalled: it stopped answering.
    """
    with trio.move_on_after(START_SECONDS):
        while True:
            event = dialect.parse(await socket.receive())
            if isinstance(event, CallStarted):
                return Caller(socket, dialect, event)
            if isinstance(event, CallerLeft):
                raise PeerGone(f"the platform ended the stream before its start: {event.reason}")
    raise RemoteProtocolError(f"no start within {START_SECONDS:g} s", close_code=POLICY_VIOLATION)
