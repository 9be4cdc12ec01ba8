"""One connection of the port that speaks HTTP/1.1 and WebSocket: requests to the site, answers back.

h11 is the protocol; this is the conversation around it, and its bounds. The site sees complete requests only and
answers each with a `Response`, or with an `Upgrade`: then the same connection becomes a WebSocket, so whoever may not
enter is turned away before the 101, in HTTP.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Protocol, assert_never
from urllib.parse import parse_qs

import h11
import structlog
import trio
from attrs import define, field, frozen
from structlog.typing import FilteringBoundLogger

from opusagent.errors import (
    GOING_AWAY,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    LocalProtocolError,
    PeerGone,
    PeerStalled,
    RemoteProtocolError,
)
from opusagent.net.blame import Blame, Fault, blame_nobody
from opusagent.net.guard import GuardedStream
from opusagent.net.handshake import Accepted, answer_handshake
from opusagent.net.limits import PLATFORM, HttpLimits, SocketLimits
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import upgrade

TEARDOWN_SECONDS: Final = 5.0
"""What an upgraded connection may take to end once it is cancelled: a goodbye, a close frame, a tape."""

_READ_BYTES: Final = 4096

log: FilteringBoundLogger = structlog.get_logger()


@frozen
class Request:
    """A complete HTTP request. Header names are lower case; `query` is as written; `peer` is a numeric address."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    peer: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of the header `name`, as often as it was sent."""
        return tuple(value for key, value in self.headers if key == name.lower())

    def header(self, name: str) -> str | None:
        """The value of the header `name`; several are one list (RFC 9110 section 5.3).

        >>> Request("GET", "/", headers=(("accept", "a"), ("accept", "b"))).header("Accept")
        'a, b'
        """
        return ", ".join(self.values(name)) or None

    @property
    def wants_websocket(self) -> bool:
        """The client asks for a WebSocket, well or badly: a bad handshake is answered when the site grants it."""
        tokens = (self.header("upgrade") or "").split(",")
        return "websocket" in {token.strip().lower() for token in tokens}

    @property
    def form(self) -> dict[str, str]:
        """The fields of an application/x-www-form-urlencoded body; of a repeated one the last, blank ones too.

        >>> Request("POST", "/", body=b"CallSid=CA1&From=%2B41").form
        {'CallSid': 'CA1', 'From': '+41'}
        """
        fields = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items()}


@frozen
class Response:
    """An HTTP answer. Content-Length is added."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def nothing_to_release() -> None:
    """Nothing was reserved."""


def as_it_is(stream: trio.abc.Stream) -> trio.abc.Stream:
    """The stream that a connection came on."""
    return stream


@frozen
class Upgrade:
    """Let the client in: the connection becomes a WebSocket and `serve` talks to it.

    When `serve` returns the socket is closed with 1000, unless `serve` has closed it. A `RemoteProtocolError` out of
    `serve` closes it with that error's code, PeerGone and PeerStalled are ends like any other, and whatever else is a
    bug of ours: 1011 and one log line. `release` is called once when the connection needs its place no more, whether or
    not it came to be a WebSocket. `wire` is what the WebSocket goes over, given the connection's own stream.
    """

    serve: Callable[[MessageSocket], Awaitable[None]]
    limits: SocketLimits = PLATFORM
    release: Callable[[], None] = nothing_to_release
    wire: Callable[[trio.abc.Stream], trio.abc.Stream] = as_it_is


class Site(Protocol):
    """What the port offers."""

    async def answer(self, request: Request) -> Response | Upgrade:
        """Decide about `request`, before a 101 is sent. Bounded by `HttpLimits.answer_seconds`."""
        ...


class _Hangup(Exception):
    """The client has left or cannot be written to. Nobody is to blame and nobody need hear of it."""


async def converse(
    stream: trio.abc.Stream,
    peer: str,
    site: Site,
    limits: HttpLimits,
    admitted: Callable[[], None],
    blame: Blame = blame_nobody,
) -> None:
    """Serve one connection until it ends. `admitted` is called when its first request is complete.

    `blame` is told what the peer does wrong, once.

    The caller closes `stream`. What `site` or an `Upgrade` raises by mistake comes out of here, maybe in a group, once
    the peer has been told 500 or 1011.
    """
    conversation = _Conversation(GuardedStream(stream, limits.send_seconds), peer, site, limits, blame)
    await trio.lowlevel.checkpoint()
    with contextlib.suppress(_Hangup):
        asked = await conversation.request()
        if asked is not None:
            admitted()
        while asked is not None and await conversation.answer(asked):
            asked = await conversation.next_request()


@frozen
class _Asked:
    raw: h11.Request
    request: Request


@define(eq=False)
class _Conversation:
    _stream: GuardedStream
    _peer: str
    _site: Site
    _limits: HttpLimits
    _blame: Blame
    _machine: h11.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._machine = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.header_bytes)

    async def request(self) -> _Asked | None:
        """A complete request; None when there is none in time, or none that can be answered other than by an error.

        Who is too slow is not told so: a 408 would have to wait for the very peer that does not read or write.
        """
        with trio.move_on_after(self._limits.request_seconds) as patience:
            try:
                return await self._read_request()
            except h11.RemoteProtocolError as error:
                self._blame(Fault.BAD_REQUEST)
                # What h11 says repeats the peer's bytes behind a colon; the peer knows them already.
                what = str(error).partition(":")[0]
                await self._refuse(Response(error.error_status_hint, f"{what}\n".encode()))
                return None
        if patience.cancelled_caught:
            self._blame(Fault.TOO_SLOW)
        return None

    async def next_request(self) -> _Asked | None:
        """The same on a connection that was kept alive, once its first byte has come."""
        self._machine.start_next_cycle()
        if not self._machine.trailing_data[0]:
            with trio.move_on_after(self._limits.idle_seconds) as patience:
                self._machine.receive_data(await self._read())
            if patience.cancelled_caught:
                return None
        return await self.request()

    async def answer(self, asked: _Asked) -> bool:
        """Let the site answer; says whether another request may follow."""
        decided = await self._decide(asked.request)
        match decided:
            case Response():
                await self._say(decided, asked.request)
            case Upgrade():
                await self._upgrade(decided, asked)
            case _:
                assert_never(decided)
        return self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE

    async def _decide(self, request: Request) -> Response | Upgrade:
        with trio.move_on_after(self._limits.answer_seconds):
            try:
                return await self._site.answer(request)
            except Exception:
                with trio.move_on_after(self._limits.send_seconds, shield=True):
                    await self._apologise(request)
                raise
        log.error("the site did not answer in time", path=request.path, seconds=self._limits.answer_seconds)
        return Response(503, b"busy\n", headers=(("retry-after", "1"),))

    async def _say(self, response: Response, request: Request) -> None:
        try:
            await self._respond(response, request, close=request.wants_websocket)
        except LocalProtocolError:
            with trio.move_on_after(self._limits.send_seconds, shield=True):
                await self._apologise(request)
            raise

    async def _apologise(self, request: Request) -> None:
        if self._machine.our_state is h11.SEND_RESPONSE:
            with contextlib.suppress(_Hangup):
                await self._respond(Response(500, b"internal error\n"), request, close=True)
        await trio.lowlevel.checkpoint()

    async def _upgrade(self, granted: Upgrade, asked: _Asked) -> None:
        judged = answer_handshake(asked.raw, self._machine.trailing_data[0])
        try:
            if isinstance(judged, Accepted):
                await _hold(granted, granted.wire(self._stream.inner), judged, self._peer, self._blame)
            else:
                self._blame(Fault.BAD_HANDSHAKE)
                refusal = Response(judged.status, f"{judged.text}\n".encode(), headers=judged.headers)
                await self._respond(refusal, asked.request, close=True)
        finally:
            granted.release()

    async def _read_request(self) -> _Asked | None:
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        body = await self._body(event)
        path, _, query = event.target.decode("ascii").partition("?")
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers)
        return _Asked(event, Request(event.method.decode("ascii"), path, query, headers, body, self._peer))

    async def _body(self, request: h11.Request) -> bytes:
        self._bound(int(dict(request.headers).get(b"content-length", b"0")))
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            self._bound(len(body))
        return bytes(body)

    def _bound(self, size: int) -> None:
        if size > self._limits.body_bytes:
            text = f"a body of more than {self._limits.body_bytes} bytes"
            raise h11.RemoteProtocolError(text, error_status_hint=413)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        await trio.lowlevel.checkpoint()
        while True:
            event = self._machine.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._machine.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._machine.receive_data(await self._read())

    async def _refuse(self, response: Response) -> None:
        """Answer what is no request, then read on for a moment: a reset would destroy the answer on its way."""
        if self._machine.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            raise _Hangup
        await self._respond(response, None, close=True)
        with trio.move_on_after(self._limits.linger_seconds):
            while await self._read():
                pass

    async def _respond(self, response: Response, request: Request | None, *, close: bool) -> None:
        headers = [("content-type", response.content_type), ("content-length", str(len(response.body)))]
        headers += [*response.headers, *([("connection", "close")] if close else [])]
        silent = request is not None and request.method == "HEAD"
        try:
            head = h11.Response(status_code=response.status, headers=headers)
            await self._write(head, h11.Data(data=b"" if silent else response.body), h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise LocalProtocolError(f"the site's answer is not HTTP: {error}") from None

    async def _write(self, *events: h11.Event) -> None:
        data = b"".join([self._machine.send(event) or b"" for event in events])
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _Hangup from None

    async def _read(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(_READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _Hangup from None


async def _hold(granted: Upgrade, stream: trio.abc.Stream, accepted: Accepted, peer: str, blame: Blame) -> None:
    """Upgrade and serve.

    A cancellation from outside reaches the work first and the plumbing only `TEARDOWN_SECONDS` later, so that a call
    which is cut off still closes its socket in order.
    """
    work, life = trio.CancelScope(), trio.CancelScope(shield=True)
    try:
        async with trio.open_nursery() as outside:
            with life:
                outside.start_soon(_pass_on, work, life)
                async with trio.open_nursery() as plumbing:
                    socket = await upgrade(plumbing, stream, accepted, granted.limits)
                    with work:
                        await _attend(granted, socket)
                    plumbing.cancel_scope.cancel()
            outside.cancel_scope.cancel()
    except* (PeerGone, PeerStalled) as left:
        log.debug("a peer left", peer=peer, why=_why(left))
        if any(isinstance(cause, PeerStalled) for cause in _leaves(left)):
            blame(Fault.STALLED)
    except* RemoteProtocolError as broken:
        blame(Fault.BROKE_PROTOCOL)
        log.warning("a peer broke the protocol", peer=peer, why=_why(broken))
    await trio.lowlevel.checkpoint()


async def _pass_on(work: trio.CancelScope, life: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        work.cancel()
        life.deadline = trio.current_time() + TEARDOWN_SECONDS


async def _attend(granted: Upgrade, socket: MessageSocket) -> None:
    code, reason = NORMAL_CLOSURE, ""
    try:
        await granted.serve(socket)
    except BaseException as error:
        code, reason = _close_code(error), _blame(error)
        raise
    finally:
        with trio.move_on_after(granted.limits.close_seconds, shield=True):
            await socket.close(code, reason)


def _close_code(error: BaseException) -> int:
    """What the peer is told when `error` ended its handler: our mistakes first, then its own, then that we leave."""
    causes = list(_leaves(error))
    if not all(isinstance(cause, (RemoteProtocolError, PeerGone, PeerStalled, trio.Cancelled)) for cause in causes):
        return INTERNAL_ERROR
    broken = [cause.close_code for cause in causes if isinstance(cause, RemoteProtocolError)]
    if broken:
        return broken[0]
    return GOING_AWAY if any(isinstance(cause, trio.Cancelled) for cause in causes) else NORMAL_CLOSURE


def _blame(error: BaseException) -> str:
    """What the peer did wrong, in our words; of our own mistakes it is told nothing."""
    return "; ".join(str(cause) for cause in _leaves(error) if isinstance(cause, RemoteProtocolError))


def _why(error: BaseException) -> str:
    return "; ".join(str(cause) for cause in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    match error:
        case BaseExceptionGroup(exceptions=parts):
            for part in parts:
                yield from _leaves(part)
        case _:
            yield error
