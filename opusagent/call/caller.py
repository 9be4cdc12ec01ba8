"""Who is calling: what a platform says before there is a call."""

from collections.abc import Sequence
from typing import Final

import attrs
import trio

from opusagent.call.seat import CallerSeat
from opusagent.errors import POLICY_VIOLATION, PeerGone, PeerStalled, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallerLeft, CallerNamed, CallResumed, CallStarted, Dialect

START_SECONDS: Final = 10.0
"""How long a platform that has connected may take to say whom it puts through."""


NAMED_SECONDS: Final = 2.0
"""How long a platform may take to say whom the caller has dialled, once it knows that the call is taken."""

PART_SECONDS: Final = 1.7
"""How long it may take to agree that a call is refused."""


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


async def hear_whom(caller: Caller) -> Caller:
    """The caller with whom they have dialled, which their platform says once it is told that the call is taken.

    It is told so here, and the caller hears us from now on. Their sound is not let through before the answer is there.
    `callee` is empty if nothing is said within `NAMED_SECONDS`.

    Raises:
        PeerGone: the caller has left.
        PeerStalled, RemoteProtocolError: as in any call.
    """
    socket, dialect, who = caller.seat.line.socket, caller.dialect, caller.started
    await socket.send(*dialect.accept())
    named = CallerNamed("", "", {})
    with trio.move_on_after(NAMED_SECONDS):
        while True:
            event = dialect.parse(await socket.receive())
            if isinstance(event, CallerLeft):
                raise PeerGone(f"the caller left before it was said whom they dialled: {event.reason}")
            if isinstance(event, CallerNamed):
                named = event
                break
    if replies := dialect.replies():
        await socket.send(*replies)
    named_too = attrs.evolve(
        who,
        caller=who.caller or named.caller,
        callee=named.callee,
        parameters=named.parameters,
        is_listening=True,
    )
    return attrs.evolve(caller, started=named_too)


async def part(socket: MessageSocket, dialect: Dialect, reason: str, unsaid: Sequence[str] = ()) -> None:
    """Tell the platform in its own words that the call is over, or refused, and hear it agree.

    `unsaid`: what the dialect has said before and nobody has sent.
    """
    words = dialect.hang_up(reason)
    if not words:
        return
    try:
        await socket.send(*unsaid, *words)
        while not isinstance(dialect.parse(await socket.receive()), CallerLeft):
            replies = dialect.replies()
            if replies:
                await socket.send(*replies)
    except (PeerGone, PeerStalled, RemoteProtocolError):
        return


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
