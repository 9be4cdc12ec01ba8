"""Who is calling: what a platform says before there is a call."""

from typing import Final

import attrs
import trio

from opusagent.call.seat import CallerSeat
from opusagent.errors import POLICY_VIOLATION, PeerGone, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerLeft, CallResumed, CallStarted, Dialect

START_SECONDS: Final = 10.0
"""How long a platform that has connected may take to say whom it puts through."""


@attrs.frozen
class Caller:
    """A caller who has been put through."""

    seat: CallerSeat
    dialect: Dialect
    started: CallStarted


async def answer(socket: MessageSocket, dialect: Dialect) -> Caller | CallResumed:
    """Wait for the platform to say who calls, or which call it comes back for.

    Raises:
        RemoteProtocolError: it said something else, or nothing within `START_SECONDS` (close code 1008). It has been
            told so in its own words, if it has any.
        PeerGone: it left before.
        PeerStalled: it stopped answering.
    """
    try:
        return await _first_words(socket, dialect)
    except RemoteProtocolError as fault:
        wrong = fault
    refusal = dialect.hang_up(str(wrong))
    if refusal:
        await socket.send(*refusal)
    raise wrong


async def _first_words(socket: MessageSocket, dialect: Dialect) -> Caller | CallResumed:
    with trio.move_on_after(START_SECONDS):
        while True:
            event = dialect.parse(await socket.receive())
            replies = dialect.replies()
            if replies:
                await socket.send(*replies)
            if isinstance(event, CallStarted):
                return Caller(CallerSeat(socket), dialect, event)
            if isinstance(event, CallResumed):
                return event
            if isinstance(event, CallerLeft):
                raise PeerGone(f"the platform ended the stream before its start: {event.reason}")
    raise RemoteProtocolError(f"no start within {START_SECONDS:g} s", close_code=POLICY_VIOLATION)
