"""A socket that is carried to another process, seen from its two ends."""

import pytest
import trio

from opusagent.daemon.relay import PEER_HEADER, SEAT_PATH, SeatSite, carry
from opusagent.errors import PeerGone
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.secret import Secret
from opusagent.testing.memory import MemorySocket, memory_pair

SECRET = Secret("what-they-share")
NAME = ("name-of-a-token", "conversation-1")


class There:
    """The process at the other end. It notes who came, says two things behind what it hears, and closes."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.left: list[int] = []

    async def resume(self, token: str, socket: MessageSocket) -> None:
        self.came.append((token, await socket.receive()))
        await socket.send("welcome", "back")
        try:
            while (heard := await socket.receive()) != "enough":
                await socket.send(f"heard {heard}")
            await socket.close(4321, "done")
        except PeerGone as gone:
            self.left.append(gone.code)


async def carried(there: There, secret: Secret, platform: MemorySocket, ours: MemorySocket) -> bool:
    del platform
    async with trio.open_nursery() as nursery:
        listeners = await open_listeners("127.0.0.1", 0)
        await nursery.start(serve, listeners, SeatSite(SECRET, there.resume))
        was_carried = await carry(NAME, f"127.0.0.1:{bound_port(listeners)}", secret, "first", ours)
        nursery.cancel_scope.cancel()
    return was_carried


async def test_everything_comes_across_in_order_and_the_close_too() -> None:
    there, (platform, ours) = There(), memory_pair()
    await platform.send("one", "two", "enough")
    assert await carried(there, SECRET, platform, ours)
    assert there.came == [("name-of-a-token", "first")]
    assert [await platform.receive() for _ in range(4)] == ["welcome", "back", "heard one", "heard two"]
    with pytest.raises(PeerGone) as gone:
        await platform.receive()
    assert gone.value.code == 4321


@pytest.mark.parametrize(("leaves", "heard"), [("closes", 4000), ("breaks", 1001)])
async def test_a_platform_that_leaves_is_told_to_the_other_process(leaves: str, heard: int) -> None:
    there, (platform, ours) = There(), memory_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(carried, there, SECRET, platform, ours)
        assert await platform.receive() == "welcome"
        if leaves == "closes":
            await platform.close(4000)
        else:
            platform.vanish()
    assert there.left == [heard]


async def test_who_does_not_share_the_secret_is_refused_and_the_platform_hears_nothing() -> None:
    there, (platform, ours) = There(), memory_pair()
    assert not await carried(there, Secret("a-guess"), platform, ours)
    assert there.came == []
    await ours.close(4001)
    with pytest.raises(PeerGone) as gone:
        await platform.receive()
    assert gone.value.code == 4001


async def test_nobody_there_is_no_way() -> None:
    _, ours = memory_pair()
    assert not await carry(NAME, "127.0.0.1:1", SECRET, "first", ours)


async def test_the_site_has_one_path_and_wants_the_secret_first() -> None:
    site = SeatSite(SECRET, There().resume)

    async def status(path: str, *headers: tuple[str, str]) -> int:
        answer = await site.answer(Request("GET", path, headers=headers))
        return answer.status if isinstance(answer, Response) else 101

    known, upgrade = ("authorization", f"Bearer {SECRET.reveal()}"), ("upgrade", "websocket")
    assert await status(SEAT_PATH, upgrade) == 401
    assert await status("/", known, upgrade) == 404
    assert await status(SEAT_PATH, known) == 404
    assert await status(SEAT_PATH, known, upgrade, (PEER_HEADER, "x")) == 101
    assert isinstance(await site.answer(Request("GET", SEAT_PATH, headers=(known, upgrade))), Upgrade)
