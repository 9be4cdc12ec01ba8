"""What the daemon's port answers: health, the platforms' webhooks, and the media streams that become calls."""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

import attrs
import trio

from opusagent.daemon.config import Config
from opusagent.errors import RemoteProtocolError
from opusagent.net.auth import BearerTokens
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twiml import VoiceRequest, connect_stream

RETRY_SECONDS: Final = "5"
"""What a platform that is refused for lack of room is told to wait."""


INSECURE: Final = "insecure"
"""Stands for the token of a peer that need not show one."""

CONNECTIVITY: Final = b'{"type":"ac-bot-api","success":true}'
"""What AudioCodes' Validate wants to read at the bot's address, exactly (AudioCodes Bot API, connectivity check)."""


@attrs.frozen
class Room:
    """How many calls there are, and may be, and whether the daemon takes new ones at all."""

    calls: int
    limit: int
    is_closing: bool = False

    @property
    def is_full(self) -> bool:
        """No further call fits."""
        return self.is_closing or self.calls >= self.limit


class Calls(Protocol):
    """Who takes the calls."""

    def room(self) -> Room:
        """How many there are, and may be."""
        ...

    async def take_twilio_call(self, socket: MessageSocket) -> None:
        """Carry a media stream to its end."""
        ...

    async def take_audiocodes_call(self, token: str, socket: MessageSocket) -> None:
        """Carry a conversation to its end, or hand the socket to the call that it resumes. `token` names the peer's."""
        ...


class Reception:
    """The site. Decides by path and method; a media stream is let in before the 101 or not at all."""

    def __init__(self, config: Config, calls: Calls) -> None:
        self._config: Final = config
        self._calls: Final = calls
        self._tokens: Final = BearerTokens(
            token.reveal() for token in (config.audiocodes.tokens if config.audiocodes else ())
        )
        routes: dict[str, tuple[tuple[str, ...], Callable[[Request], Response | Upgrade]]] = {
            "/healthz": (("GET", "HEAD"), healthy)
        }
        if config.twilio:
            routes["/twilio/voice"] = (("POST",), self._twilio_voice)
            routes[config.twilio.path] = (("GET", "HEAD"), self._twilio_media)
        if config.audiocodes:
            routes[config.audiocodes.path] = (("GET", "HEAD", "POST"), self._audiocodes)
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

    def _twilio_voice(self, request: Request) -> Response:
        try:
            voice = VoiceRequest.from_form(request.body)
        except RemoteProtocolError as wrong:
            return Response(400, f"{wrong}\n".encode())
        twiml = connect_stream(stream_url(self._config), voice.parameters())
        return Response(200, twiml.encode(), "text/xml; charset=utf-8")

    def _twilio_media(self, request: Request) -> Response | Upgrade:
        if not request.wants_websocket:
            body = b"this path carries Twilio Media Streams: connect with a WebSocket\n"
            return Response(426, body, headers=(("upgrade", "websocket"),))
        return self._refusal() or Upgrade(self._calls.take_twilio_call)

    def _audiocodes(self, request: Request) -> Response | Upgrade:
        """The vendor's check of the address (a plain request), or a conversation. Both need the token."""
        insecure = self._config.audiocodes is not None and self._config.audiocodes.insecure
        token = INSECURE if insecure else self._tokens.recognise(request.header("authorization"))
        if token is None:
            return Response(401, b"a bearer token is needed\n", headers=(("www-authenticate", "Bearer"),))
        if not request.wants_websocket:
            return Response(200, CONNECTIVITY, "application/json")
        # Whether the socket brings a new call or resumes one is said behind the 101: a resume needs no room, its call
        # has one, and a call too many is refused in the platform's own words.
        return Upgrade(partial(self._calls.take_audiocodes_call, token))

    def _refusal(self) -> Response | None:
        room = self._calls.room()
        if not room.is_full:
            return None
        body = b"draining: no new calls\n" if room.is_closing else f"all {room.limit} calls are taken\n".encode()
        return Response(503, body, headers=(("retry-after", RETRY_SECONDS),))


def healthy(request: Request) -> Response:
    """The loop turns and answers."""
    del request
    return Response(200, b"ok\n")


def nothing_here(request: Request) -> Response:
    """Nobody lives at this path."""
    del request
    return Response(404, b"nothing here\n")


def stream_url(config: Config) -> str:
    """The address that the platform is told to stream to: from the configuration, never from a peer's Host header.

    Without a `public_url` it is the address that the daemon listens at, which only a caller on this machine reaches.
    """
    path = config.twilio.path if config.twilio else ""
    public = urlsplit(config.server.public_url or f"http://{config.server.listen.address}")
    scheme = "wss" if public.scheme == "https" else "ws"
    return f"{scheme}://{public.netloc}{public.path.rstrip('/')}{path}"
