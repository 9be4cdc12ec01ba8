"""A port in memory that is being served while another call goes on beside whatever a test does to it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import frozen

from opusagent.net.handshake import Endpoint, Greeting
from opusagent.net.http import Request, Response, Site, Upgrade
from opusagent.net.limits import PLATFORM, ListenerLimits
from opusagent.net.listener import FrontDoor
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import greet
from opusagent.testing.raw import UPGRADE_REQUEST, EchoSite, read_to_end, read_until, switching_protocols
from opusagent.testing.streams import MemoryListener, MemoryStream

LIMITS: Final = PLATFORM


async def keep_echoing(bystander: MessageSocket) -> None:
    """Another call: its echoes come back at once, whatever happens beside it."""
    while True:
        with trio.fail_after(1):
            await bystander.send("tick")
            assert await bystander.receive() == "tick"
        await trio.sleep(0.02)


@frozen
class House:
    """A port in memory that is being served."""

    door: FrontDoor
    port: MemoryListener

    async def upgraded(self) -> MemoryStream:
        """A client whose handshake is done, and that speaks bytes from there on."""
        client = await self.port.connect()
        await client.send_all(UPGRADE_REQUEST)
        assert await read_until(client, b"\r\n\r\n") == switching_protocols(UPGRADE_REQUEST)
        return client


@asynccontextmanager
async def a_house(site: Site | None = None, limits: ListenerLimits | None = None) -> AsyncGenerator[House]:
    """Serve `site` while a bystander echoes; afterwards nothing but the bystander is left, and nothing was a bug."""
    port = MemoryListener()
    door = FrontDoor([port], site or EchoSite(LIMITS), limits or ListenerLimits())
    async with trio.open_nursery() as house:
        house.start_soon(door.accept, house)
        client = await greet(house, await port.connect(), Greeting.to(Endpoint.parse("ws://a/echo"), []), LIMITS)
        house.start_soon(keep_echoing, client)
        yield House(door, port)
        await trio.sleep(0.01)  # what ends now has ended then
        seen = door.statistics()
        assert (seen.open, seen.half_open) == (1, 0)
        house.cancel_scope.cancel()


async def seconds_until_closed(client: MemoryStream) -> tuple[bytes, float]:
    begin = trio.current_time()
    return await read_to_end(client), round(trio.current_time() - begin, 3)


@frozen
class Doomed:
    """Echoes on /echo for the bystander, and gives every other WebSocket to `handler`."""

    handler: Callable[[MessageSocket], Awaitable[None]]

    async def answer(self, request: Request) -> Response | Upgrade:
        granted = await EchoSite(LIMITS).answer(request)
        return granted if request.header("sec-websocket-key") != "dGhlIHNhbXBsZSBub25jZQ==" else Upgrade(self.handler)


async def leave(_socket: MessageSocket) -> None:
    await trio.lowlevel.checkpoint()
