"""What the daemon's port answers: health, the platforms' webhooks, and the media streams that become calls."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

import attrs
import trio

from opusagent.daemon.admission import Refusal, Slot
from opusagent.daemon.config import Config
from opusagent.daemon.config_routes import bases_of
from opusagent.daemon.routing import Inbound, NoAgent, choose, platform_at, webhook_of
from opusagent.daemon.spans import Parent, parent_in
from opusagent.daemon.tickets import Tickets
from opusagent.errors import RemoteProtocolError
from opusagent.net.auth import BearerTokens
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_signature import (
    SETTINGS_HEADER,
    SIGNATURE_HEADER,
    BadSignature,
    SignedRequest,
    fault_of,
    signed_urls,
)
from opusagent.platforms.twiml import REJECT, VoiceRequest, connect_stream, form_fields
from opusagent.wire import printable

RETRY_SECONDS: Final = "5"
"""What a platform that is refused for lack of room is told to wait."""


TEXTS: Final[Mapping[Refusal, str]] = {
    Refusal.DRAINING: "draining: no new calls",
    Refusal.MEMORY: "no memory for a further call",
    Refusal.TOO_FAST: "too many calls in a second",
    Refusal.SOURCE_FULL: "all calls of this address are taken",
    Refusal.SOURCE_TOO_FAST: "too many calls in a second from this address",
    Refusal.UNSIGNED: "a signature of Twilio's is needed",
    Refusal.FORGED: "the signature is not Twilio's for this address",
    Refusal.NO_BEARER: "a bearer token is needed",
    Refusal.WRONG_BEARER: "a bearer token is needed",
    Refusal.WEB_PAGE: "web pages may not call",
}

STATUSES: Final[Mapping[Refusal, HTTPStatus]] = {
    Refusal.FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.MEMORY: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.TOO_FAST: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal.SOURCE_FULL: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.SOURCE_TOO_FAST: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.UNSIGNED: HTTPStatus.FORBIDDEN,
    Refusal.FORGED: HTTPStatus.FORBIDDEN,
    Refusal.NO_BEARER: HTTPStatus.UNAUTHORIZED,
    Refusal.WRONG_BEARER: HTTPStatus.UNAUTHORIZED,
    Refusal.WEB_PAGE: HTTPStatus.FORBIDDEN,
}
"""Of the reasons that are known before the 101; the others close the WebSocket with 1008."""

CONVERSATION_HEADER: Final = "ac-conversation-id"
"""What some versions of VoiceAI Connect say with the upgrade."""

TWIML: Final = "text/xml; charset=utf-8"

INSECURE: Final = "insecure"
"""Stands for the token of a peer that need not show one."""

CONNECTIVITY: Final = b'{"type":"ac-bot-api","success":true}'
"""What AudioCodes' Validate wants to read at the bot's address, exactly (AudioCodes Bot API, connectivity check)."""


@attrs.frozen
class Arrival:
    """How a platform's socket came: by which path, and the span that somebody in front has begun for it, if any."""

    path: str
    parent: Parent | None = None


class Calls(Protocol):
    """Who takes the calls."""

    def vacancy(self) -> Refusal | None:
        """Why a call would be refused; None if there is a place."""
        ...

    def reserve(self, source: str) -> Slot | Refusal:
        """A place for a call from the address `source`; or why there is none, which has been counted and logged."""
        ...

    def release(self, slot: Slot) -> None:
        """Give the place back."""
        ...

    def refuse(self, reason: Refusal, about: Mapping[str, str]) -> None:
        """Count one that is refused; `about` is for the log, which tells of it now and then."""
        ...

    def may_resume(self, token: str, conversation: str | None) -> bool:
        """Whether a socket that is dialled now is let in without a place, as one that comes back and nothing else.

        `conversation`: for which, if it says so.
        """
        ...

    async def take_twilio_call(self, arrival: Arrival, socket: MessageSocket) -> None:
        """Carry a media stream to its end."""
        ...

    async def take_audiocodes_call(
        self, arrival: Arrival, token: str, slot: Slot | None, socket: MessageSocket
    ) -> None:
        """Carry a conversation to its end, or hand the socket to the call that it resumes. `token` names the peer's.

        Without a `slot` nothing but a resume has a place.
        """
        ...


class Reception:
    """The site. Decides by path and method; a media stream is let in before the 101 or not at all."""

    def __init__(self, config: Config, calls: Calls) -> None:
        self._config: Final = config
        self._calls: Final = calls
        self._tokens: Final = BearerTokens(
            token.reveal() for token in (config.audiocodes.tokens if config.audiocodes else ())
        )
        self._tickets: Final = Tickets(config.twilio)
        routes: dict[str, tuple[tuple[str, ...], Callable[[Request], Response | Upgrade]]] = {
            "/healthz": (("GET", "HEAD"), healthy)
        }
        bases = bases_of(config.twilio, config.audiocodes)
        for path in (*bases.values(), *config.routes.paths):
            match platform_at(path, bases):
                case "twilio":
                    routes[webhook_of(path, bases["twilio"])] = (("POST",), partial(self._twilio_voice, path))
                    routes[path] = (("GET", "HEAD"), self._twilio_media)
                case "audiocodes":
                    routes[path] = (("GET", "HEAD", "POST"), self._audiocodes)
                case None:
                    continue
        self._routes: Final = routes

    async def answer(self, request: Request) -> Response | Upgrade:
        """The answer to `request`: 404 for a path that is not ours, 405 for a method that the path does not have."""
        await trio.lowlevel.checkpoint()
        methods, respond = self._routes.get(request.path, ((request.method,), nothing_here))
        if request.method not in methods:
            allowed = ", ".join(methods)
            body = f"{request.path} answers {allowed}, not {request.method}\n"
            return Response(405, body.encode(), headers=(("allow", allowed),))
        return respond(request)

    def _twilio_voice(self, media: str, request: Request) -> Response:
        """Twilio asks what to do with a call: it shall stream to `media`, with a ticket, if there is a place.

        What stands in the query of the webhook's address is passed on to the stream, whose TwiML we write.
        """
        try:
            fields, voice = form_fields(request.body), VoiceRequest.from_form(request.body)
            asked = dict(form_fields(request.query.encode()))
        except RemoteProtocolError as wrong:
            return Response(400, f"{wrong}\n".encode())
        refusal = self._not_from_twilio(request, fields, websocket=False)
        why_not = self._calls.vacancy()
        if refusal is None and why_not is not None:
            self._calls.refuse(why_not, {"peer": request.peer})
            refusal = self._no(why_not)
        if refusal is not None:
            return refusal
        call = Inbound("twilio", media, voice.callee, asked)
        if isinstance(choose(self._config.routes, call), NoAgent):
            self._calls.refuse(Refusal.NO_AGENT, about_call(voice.call_sid, call))
            return Response(200, REJECT.encode(), TWIML)
        parameters = {**asked, **voice.parameters(), **self._tickets.parameters(voice.call_sid)}
        twiml = connect_stream(stream_url(self._config, media), parameters)
        return Response(200, twiml.encode(), TWIML)

    def _twilio_media(self, request: Request) -> Response | Upgrade:
        if not request.wants_websocket:
            body = b"this path carries Twilio Media Streams: connect with a WebSocket\n"
            return Response(426, body, headers=(("upgrade", "websocket"),))
        refusal = self._not_from_twilio(request, (), websocket=True)
        if refusal is not None:
            return refusal
        slot = self._calls.reserve(request.peer)
        if isinstance(slot, Refusal):
            return self._no(slot)
        take = partial(self._calls.take_twilio_call, arrival_of(request))
        return Upgrade(take, release=partial(self._calls.release, slot))

    def _not_from_twilio(
        self, request: Request, fields: tuple[tuple[str, str], ...], *, websocket: bool
    ) -> Response | None:
        """What to say to a request that Twilio has not signed. Who is not believed takes no place and no ticket."""
        twilio, public_url = self._config.twilio, self._config.server.public_url
        if twilio is None or twilio.insecure:
            return self._from_a_web_page(request)
        target = f"{request.path}?{request.query}" if request.query else request.path
        signed = SignedRequest(
            signed_urls(public_url or "", target, websocket=websocket),
            fields,
            request.header(SIGNATURE_HEADER),
            request.header(SETTINGS_HEADER),
        )
        fault = fault_of(signed, twilio.keys)
        if fault is None:
            return None
        reason = Refusal.UNSIGNED if fault is BadSignature.MISSING else Refusal.FORGED
        self._calls.refuse(reason, {"peer": request.peer, "signed_for": signed.urls[0]})
        return self._no(reason)

    def _from_a_web_page(self, request: Request) -> Response | None:
        """What to say to a browser (RFC 6455, section 10.2), where nothing else has to be shown.

        Any page that somebody on this machine looks at may dial a loopback address. A page cannot sign, and has no
        token.
        """
        if request.header("origin") is None:
            return None
        self._calls.refuse(Refusal.WEB_PAGE, {"peer": request.peer})
        return self._no(Refusal.WEB_PAGE)

    def _audiocodes(self, request: Request) -> Response | Upgrade:
        """The vendor's check of the address (a plain request), or a conversation. Both need the token."""
        insecure = self._config.audiocodes is not None and self._config.audiocodes.insecure
        refusal = self._from_a_web_page(request) if insecure else None
        if refusal is not None:
            return refusal
        shown = request.header("authorization")
        token = INSECURE if insecure else self._tokens.recognise(shown)
        if token is None:
            reason = Refusal.NO_BEARER if shown is None else Refusal.WRONG_BEARER
            self._calls.refuse(reason, {"peer": request.peer})
            return self._no(reason)
        if not request.wants_websocket:
            return Response(200, CONNECTIVITY, "application/json")
        if self._calls.may_resume(token, request.header(CONVERSATION_HEADER)):
            # Its call has a place already. If it should be a new one all the same, it is told so behind the 101.
            return Upgrade(partial(self._calls.take_audiocodes_call, arrival_of(request), token, None))
        slot = self._calls.reserve(request.peer)
        if isinstance(slot, Refusal):
            return self._no(slot)
        take = partial(self._calls.take_audiocodes_call, arrival_of(request), token, slot)
        return Upgrade(take, release=partial(self._calls.release, slot))

    def _no(self, reason: Refusal) -> Response:
        text = f"all {self._config.server.max_calls} calls are taken" if reason is Refusal.FULL else TEXTS[reason]
        match STATUSES[reason]:
            case HTTPStatus.UNAUTHORIZED:
                headers: tuple[tuple[str, str], ...] = (("www-authenticate", "Bearer"),)
            case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
                headers = (("retry-after", RETRY_SECONDS),)
            case _:
                headers = ()
        return Response(STATUSES[reason], f"{text}\n".encode(), headers=headers)


def arrival_of(request: Request) -> Arrival:
    """How the socket of `request` came. Asked only of who is believed."""
    return Arrival(request.path, parent_in(request.header("traceparent")))


def healthy(request: Request) -> Response:
    """The loop turns and answers."""
    del request
    return Response(200, b"ok\n")


def nothing_here(request: Request) -> Response:
    """Nobody lives at this path."""
    del request
    return Response(404, b"nothing here\n")


def about_call(platform_call: str, call: Inbound) -> Mapping[str, str]:
    """What the log says of a call that no agent takes."""
    shown = {"platform_call": platform_call, "path": call.path, "callee": call.number or "", "bot": call.bot}
    return {name: printable(value) for name, value in shown.items()}


def stream_url(config: Config, path: str) -> str:
    """The address that the platform is told to stream to: from the configuration, never from a peer's Host header.

    Without a `public_url` it is the address that the daemon listens at, which only a caller on this machine reaches.
    """
    public = urlsplit(config.server.public_url or f"http://{config.server.listen.address}")
    scheme = "wss" if public.scheme == "https" else "ws"
    return f"{scheme}://{public.netloc}{public.path.rstrip('/')}{path}"
