"""How the demo's caller reaches the daemon: over real sockets, as one platform or another does."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Literal, TypeAlias

import attrs
import trio

from opusagent.net.handshake import Endpoint, Greeting
from opusagent.net.limits import PLATFORM
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import greet
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.wire import BreakableStream, Wire
from opusagent.units import Ms

Platform: TypeAlias = Literal["twilio", "audiocodes"]
AnyCaller: TypeAlias = ScriptedTwilioCaller | ScriptedAudioCodesCaller

GAP_SECONDS: Final = 1.0
"""How long the platform is away when its socket breaks: not so long that what it missed is worth nothing any more."""


@attrs.frozen
class Visit:
    """A caller on the line: their socket, its wire, and how they come back on another if their platform does."""

    caller: AnyCaller
    socket: MessageSocket
    wire: Wire
    come_back: Callable[[], Awaitable[None]] | None


@attrs.frozen
class Line:
    """A platform: its name for people, and how to dial the daemon at a port. `breaks`: how often its socket does."""

    name: str
    dial: Callable[[int], AbstractAsyncContextManager[Visit]]
    breaks: int


@attrs.frozen
class Connection:
    """A socket, and the wire below it."""

    socket: MessageSocket
    wire: Wire


async def stay_connected(url: str, task_status: trio.TaskStatus[Connection]) -> None:
    """Connect, and stay connected until the wire breaks."""
    endpoint = Endpoint.parse(url)
    async with trio.open_nursery() as plumbing:
        wire = BreakableStream(await trio.open_tcp_stream(endpoint.host, endpoint.port))
        socket = await greet(plumbing, wire, Greeting.to(endpoint, []), PLATFORM)
        task_status.started(Connection(socket, wire))


@asynccontextmanager
async def dial_twilio(port: int) -> AsyncGenerator[Visit]:
    """As Twilio dials. Its media stream does not come back."""
    async with trio.open_nursery() as wires:
        connection = await wires.start(stay_connected, f"ws://127.0.0.1:{port}/twilio/media")
        yield Visit(ScriptedTwilioCaller(connection.socket), connection.socket, connection.wire, None)
        wires.cancel_scope.cancel()


@asynccontextmanager
async def dial_audiocodes(port: int) -> AsyncGenerator[Visit]:
    """As VoiceAI Connect dials. When its wire breaks, it comes back on another."""
    url = f"ws://127.0.0.1:{port}/audiocodes"
    async with trio.open_nursery() as wires:
        connection = await wires.start(stay_connected, url)
        caller = ScriptedAudioCodesCaller(connection.socket)

        async def come_back() -> None:
            await trio.sleep(GAP_SECONDS)
            again = await wires.start(stay_connected, url)
            await caller.resume(again.socket)
            await caller.hear(Ms(300))

        yield Visit(caller, connection.socket, connection.wire, come_back)
        wires.cancel_scope.cancel()


LINES: Final[dict[Platform, Line]] = {
    "twilio": Line("Twilio Media Streams", dial_twilio, breaks=0),
    "audiocodes": Line("AudioCodes VoiceAI Connect", dial_audiocodes, breaks=1),
}
"""The platforms that the demo can be."""
