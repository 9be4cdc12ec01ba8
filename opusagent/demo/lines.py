"""How the demo's caller reaches the daemon: over real sockets, as one platform or another does."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Literal, TypeAlias

import attrs
import trio

from opusagent.net.limits import PLATFORM
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms

Platform: TypeAlias = Literal["twilio", "audiocodes"]
AnyCaller: TypeAlias = ScriptedTwilioCaller | ScriptedAudioCodesCaller

GAP_SECONDS: Final = 1.0
"""How long the platform is away when its socket breaks: not so long that what it missed is worth nothing any more."""


@attrs.frozen
class Visit:
    """A caller on the line, and what befalls the line in the middle of an answer."""

    caller: AnyCaller
    mishap: Callable[[], Awaitable[None]]


@attrs.frozen
class Line:
    """A platform: its name for people, how to dial the daemon at a port, and how often its socket breaks."""

    name: str
    dial: Callable[[int], AbstractAsyncContextManager[Visit]]
    breaks: int


@attrs.frozen
class Connection:
    """A socket, and what cuts its wire."""

    socket: MessageSocket
    cut: Callable[[], None]


async def stay_connected(url: str, task_status: trio.TaskStatus[Connection]) -> None:
    """Connect, and stay connected until the wire is cut."""
    async with trio.open_nursery() as plumbing:
        socket = await connect(plumbing, url, [], PLATFORM)
        task_status.started(Connection(socket, plumbing.cancel_scope.cancel))


@asynccontextmanager
async def dial_twilio(port: int) -> AsyncGenerator[Visit]:
    """As Twilio dials. Nothing happens to its socket: a media stream that breaks is over."""
    async with trio.open_nursery() as wires:
        connection = await wires.start(stay_connected, f"ws://127.0.0.1:{port}/twilio/media")
        yield Visit(ScriptedTwilioCaller(connection.socket), trio.lowlevel.checkpoint)
        wires.cancel_scope.cancel()


@asynccontextmanager
async def dial_audiocodes(port: int) -> AsyncGenerator[Visit]:
    """As VoiceAI Connect dials. Its wire is cut, and it comes back on another."""
    url = f"ws://127.0.0.1:{port}/audiocodes"
    async with trio.open_nursery() as wires:
        connection = await wires.start(stay_connected, url)
        caller = ScriptedAudioCodesCaller(connection.socket)

        async def lose_the_line() -> None:
            await caller.break_line(connection.cut)
            await trio.sleep(GAP_SECONDS)
            again = await wires.start(stay_connected, url)
            await caller.resume(again.socket)
            await caller.hear(Ms(300))

        yield Visit(caller, lose_the_line)
        wires.cancel_scope.cancel()


LINES: Final[dict[Platform, Line]] = {
    "twilio": Line("Twilio Media Streams", dial_twilio, breaks=0),
    "audiocodes": Line("AudioCodes VoiceAI Connect", dial_audiocodes, breaks=1),
}
"""The platforms that the demo can be."""
