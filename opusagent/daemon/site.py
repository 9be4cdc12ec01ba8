"""What the daemon's port answers: health, the platforms' webhooks, and the media streams that become calls."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs
import trio

from opusagent.daemon.config import Config
from opusagent.errors import RemoteProtocolError
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twiml import VoiceRequest, connect_stream

RETRY_SECONDS: Final = "5"
"""What a platform that is refused for lack of room is told to wait."""


@attrs.frozen
class Room:
    """How many calls there are, and may be."""

    calls: int
    limit: int

    @property
    def is_full(self) -> bool:
        """No further call fits."""
        return self.calls >= self.limit


class Reception:
    """The site. Decides by path and method; a media stream is let in before the 101 or not at all."""

    def __init__(
        self, config: Config, room: Callable[[], Room], take_twilio_call: Callable[[MessageSocket], Awaitable[None]]
    ) -> None:
        self._config: Final = config
        self._room: Final = room
        self._take_twilio_call: Final = take_twilio_call
        self._routes: Final[Mapping[str, tuple[str, Callable[[Request], Response | Upgrade]]]] = {
            "/healthz": ("GET", healthy),
            "/twilio/voice": ("POST", self._twilio_voice),
        } | ({config.twilio.path: ("GET", self._twilio_media)} if config.twilio else {})

    async def answer(self, request: Request) -> Response | Upgrade:
        """The answer to `request`: 404 for a path that is not ours, 405 for a method that the path does not have."""
        await trio.lowlevel.checkpoint()
        method, respond = self._routes.get(request.path, ("", nothing_here))
        if method and request.method not in {method, "HEAD" if method == "GET" else method}:
            body = f"{request.path} answers {method}, not {request.method}\n"
            return Response(405, body.encode(), headers=(("allow", method),))
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
        room = self._room()
        if room.is_full:
            body = f"all {room.limit} calls are taken\n".encode()
            return Response(503, body, headers=(("retry-after", RETRY_SECONDS),))
        return Upgrade(self._take_twilio_call)


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
