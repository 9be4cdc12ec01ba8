"""The embedded backend on real sockets: a Realtime service on loopback, one session for each connection.

It asks for no key, because it listens on loopback only; whatever key comes is taken. Each session has two tasks: one
hears the client and never waits for the other, which tells it what is due, and does what `faults` asks for, if anything
is asked for.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from typing import Final, assert_never
from urllib.parse import parse_qs

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.bell import Bell
from opusagent.errors import PeerGone, PeerStalled
from opusagent.local.answers import Pace
from opusagent.local.faults import GARBAGE, MOST_GARBAGE, Deed, Err, Mischief, Misdeed, Prank, ShutDoor
from opusagent.local.refusals import Refusal
from opusagent.local.session import SESSION_SECONDS, Goodbye, LocalSession
from opusagent.local.voices import Parrot, Voice
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import MIB, MODEL
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.codec import render
from opusagent.realtime.events import ErrorEvent, ServerEvent
from opusagent.testing.wire import BreakableStream, Wire
from opusagent.units import LoopTime

PATH: Final = "/v1/realtime"
LOOPBACK: Final = "127.0.0.1"
REFUSED_AT_CONNECT: Final = 4000
"""The close code behind an `error` that comes instead of a session (seen of the real service)."""

LIMITS: Final = attrs.evolve(MODEL, message_bytes=21 * MIB, queued_bytes=21 * MIB)
"""15 MiB of audio in one append, the service's limit, are 20 MiB of base64."""

UNTENDED: Final = attrs.evolve(LIMITS, ping_seconds=3600.0)
"""Those of a backend that misbehaves: it does not ask whether its client is alive, which might end its mischief."""

WRITE_MESSAGES: Final = 16
"""How many messages go into one write."""

MAIL_LIMIT: Final = 10_000
"""Messages that wait for the client to read. Beyond it the client counts as stalled and the session ends."""

log: FilteringBoundLogger = structlog.get_logger()


@attrs.define(eq=False)
class _Mail:
    """What waits to be told, and the bell that wakes the teller: nothing becomes due earlier without an event."""

    prank: Prank
    waiting: deque[ServerEvent] = attrs.field(factory=deque[ServerEvent])
    bell: Bell = attrs.field(factory=Bell)
    is_mute: bool = False
    """What is posted from now on is not told."""

    def post(self, events: Sequence[ServerEvent]) -> None:
        """Have `events` told. Raises `PeerStalled` if the client has left too much unread."""
        self.prank.notice(events, LoopTime(trio.current_time()))
        if not self.is_mute:
            self.waiting.extend(events)
        if len(self.waiting) > MAIL_LIMIT:
            raise PeerStalled(f"the client left {len(self.waiting)} messages unread")

    def take(self) -> list[str]:
        """The next messages of one write."""
        return [render(self.waiting.popleft()) for _ in range(min(WRITE_MESSAGES, len(self.waiting)))]


def untold(_what: str) -> None:
    """Nobody wants to know."""


@attrs.frozen
class Trouble:
    """What befalls one session, and the wire that it befalls. `tell` is given each deed, in words."""

    prank: Prank
    wire: Wire
    tell: Callable[[str], object]


async def run_session(socket: MessageSocket, session: LocalSession, trouble: Trouble | None = None) -> None:
    """Carry `session` over `socket` until either side ends it; the socket is closed then.

    Raises `RemoteProtocolError` if the client breaks WebSocket; what breaks only the Realtime protocol is answered.
    """
    mail = _Mail(Mischief().session() if trouble is None else trouble.prank)
    mail.post(session.opening())
    try:
        async with trio.open_nursery() as talk:
            talk.start_soon(_tell, socket, session, mail, trouble, talk.cancel_scope)
            talk.start_soon(_hear, socket, session, mail)
    except* (PeerGone, PeerStalled) as left:
        log.debug("a client left", session=session.tag, why=str(left.exceptions[0]))
    if session.goodbye is None:
        await socket.close()
    else:
        await socket.close(session.goodbye.code, session.goodbye.reason)


async def _hear(socket: MessageSocket, session: LocalSession, mail: _Mail) -> None:
    while True:
        text = await socket.receive()
        events = session.hear_text(text, LoopTime(trio.current_time()))
        mail.post(events)
        if events or session.goodbye is not None:
            mail.bell.ring()


async def _tell(
    socket: MessageSocket, session: LocalSession, mail: _Mail, trouble: Trouble | None, talk: trio.CancelScope
) -> None:
    """Tell what is due. What the session does that it should not comes before what it would say at that moment."""
    await trio.lowlevel.checkpoint()
    while mail.waiting or session.goodbye is None:
        now = LoopTime(trio.current_time())
        mail.post(session.tick(now))
        deed = mail.prank.take(now)
        if deed is not None and trouble is not None:
            trouble.tell(deed.value)
            await _do(deed, socket, session, mail, trouble.wire)
        elif mail.waiting:
            await socket.send(*mail.take())
        else:
            await mail.bell.wait(_sooner(session.next_due(), mail.prank.next_due))
    talk.cancel()


def _sooner(one: LoopTime | None, other: LoopTime | None) -> LoopTime | None:
    return min((time for time in (one, other) if time is not None), default=None)


async def _do(deed: Deed, socket: MessageSocket, session: LocalSession, mail: _Mail, wire: Wire) -> None:
    match deed:
        case Misdeed.VANISH:
            wire.vanish()
        case Misdeed.HALF_CLOSE:
            wire.half_close()
        case Misdeed.FREEZE:
            wire.stall()
        case Misdeed.STALL:
            mail.is_mute = True
            mail.waiting.clear()
        case Misdeed.BABBLE:
            await socket.send(*islice(cycle(GARBAGE), MOST_GARBAGE))
        case Err():
            await socket.send(render(ErrorEvent(error=deed.detail)))
            if deed.closes is not None:
                session.goodbye = Goodbye(deed.closes, deed.message)
        case _:
            assert_never(deed)


@attrs.frozen
class LocalSite:
    """What the embedded backend's port offers: sessions with `voice`, at `pace`, and the mischief that is asked for."""

    voice: Voice = attrs.field(factory=Parrot)
    pace: Pace = attrs.field(factory=Pace)
    mischief: Mischief = attrs.field(factory=Mischief)
    tell: Callable[[str], object] = untold
    """Is given each fault, in words, when it happens."""

    async def answer(self, request: Request) -> Response | Upgrade:
        await trio.lowlevel.checkpoint()
        if request.path != PATH:
            return Response(404, f"only {PATH} is served here\n".encode())
        if not request.wants_websocket:
            return Response(426, b"this is a WebSocket\n", headers=(("upgrade", "websocket"),))
        if (shut := self.mischief.on_dial()) is not None:
            self.tell(f"the model's door answers {shut.status}")
            return _turned_away(shut)
        wires: list[Wire] = []
        serve = partial(self._attend, request, wires)
        return (
            Upgrade(serve, UNTENDED, wire=partial(_breakable, wires))
            if self.mischief.faults
            else Upgrade(serve, LIMITS)
        )

    async def _attend(self, request: Request, wires: Sequence[Wire], socket: MessageSocket) -> None:
        model = parse_qs(request.query).get("model", [""])[0]
        refusal = _refused(request, model)
        if refusal is not None:
            await socket.send(render(ErrorEvent(error=refusal.detail(None))))
            await socket.close(REFUSED_AT_CONNECT, str(refusal))
            return
        trouble = Trouble(self.mischief.session(), wires[0], self.tell) if wires else None
        await run_session(socket, new_session(model, self.voice, self.pace), trouble)


def _breakable(wires: list[Wire], stream: trio.abc.Stream) -> trio.abc.Stream:
    """`stream`, or one that can break, which is put to `wires` then."""
    if not isinstance(stream, trio.SocketStream):
        return stream
    wires.append(wire := BreakableStream(stream))
    return wire


def _turned_away(shut: ShutDoor) -> Response:
    headers = () if shut.retry_after is None else (("retry-after", str(shut.retry_after)),)
    return Response(shut.status, b"not now\n", headers=headers)


def new_session(model: str, voice: Voice, pace: Pace) -> LocalSession:
    """A session that begins now. Needs a running loop: its clock is the session's."""
    return LocalSession(
        tag=secrets.token_hex(4),
        model=model,
        voice=voice,
        opened=LoopTime(trio.current_time()),
        expires_at=int(datetime.now(UTC).timestamp() + SESSION_SECONDS),
        pace=pace,
    )


def _refused(request: Request, model: str) -> Refusal | None:
    """Why there is no session, in the service's words."""
    if request.header("openai-beta") is not None:
        return Refusal("beta_api_shape_disabled", "The Realtime beta API is no longer supported. Use the GA API.")
    if not model:
        return Refusal("missing_model", "You must provide a model parameter.")
    return None


async def serve_local(
    voice: Voice | None = None,
    *,
    pace: Pace | None = None,
    port: int = 0,
    mischief: Mischief | None = None,
    tell: Callable[[str], object] = untold,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the embedded backend on loopback until cancelled; without `voice`, the parrot.

    With `mischief` it misbehaves as that says, and `tell` is given each fault in words when it happens. `task_status`
    is started with the URL to dial, without a model: `ws://127.0.0.1:<port>/v1/realtime`. Port 0 is any free one.
    Raises `CannotBind`.
    """
    listeners = await open_listeners(LOOPBACK, port)
    site = LocalSite(voice or Parrot(), pace or Pace(), mischief or Mischief(), tell)
    async with trio.open_nursery() as service:
        await service.start(serve, listeners, site)
        task_status.started(f"ws://{LOOPBACK}:{bound_port(listeners)}{PATH}")
