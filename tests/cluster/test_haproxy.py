"""The example configuration, with the real HAProxy before two real processes."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from opusagent.daemon.desk import resume
from opusagent.net.limits import PLATFORM
from opusagent.net.sockets import connect
from opusagent.platforms.audiocodes import SessionAccepted, SessionInitiate, parse_bridge_message, render
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms
from tests.cluster.programs import PATIENCE, free_port, haproxy, needs_haproxy
from tests.daemon.process import DaemonProcess, Settings, be_answered, call, daemon, get

EXAMPLE: Final = Path(__file__).parents[2] / "examples/haproxy.cfg"

AUDIOCODES: Final = "[audiocodes]\ninsecure = true\n"


@asynccontextmanager
async def behind_haproxy(directory: Path) -> AsyncGenerator[tuple[int, DaemonProcess, DaemonProcess]]:
    """Two processes, and the port of the HAProxy before them."""
    async with AsyncExitStack() as stack:
        members: list[DaemonProcess] = []
        for name in ("one", "two"):
            (directory / name).mkdir()
            members.append(await stack.enter_async_context(daemon(directory / name, Settings(more=AUDIOCODES))))
        one, two = members
        port = free_port()
        text, changes = re.subn(r"bind .*", f"bind 127.0.0.1:{port}", EXAMPLE.read_text())
        assert changes == 1
        for address, member in (("10.0.0.5:8080", one), ("10.0.0.6:8080", two)):
            assert text.count(address) == 2
            text = text.replace(address, f"127.0.0.1:{member.port}")
        await stack.enter_async_context(haproxy(directory, text, port))
        with trio.fail_after(PATIENCE):
            while await get(port, "/readyz") != b"HTTP/1.1 200 ":  # noqa: ASYNC110 - it has looked at both when it has
                await trio.sleep(0.05)
        yield port, one, two


@asynccontextmanager
async def calls(port: int, count: int) -> AsyncGenerator[list[ScriptedTwilioCaller]]:
    """So many callers on the line, each greeted."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(call(port)) for _ in range(count)]
        for caller in callers:
            with trio.fail_after(PATIENCE):
                await caller.hear(Ms(20))
        yield callers
        for caller in callers:
            await caller.hang_up()


@needs_haproxy
async def test_calls_are_spread_and_a_drain_cuts_none_and_refuses_none(tmp_path: Path) -> None:
    """Evenly; and from the moment of the drain on every new call goes to the other process, refused by nobody."""
    async with behind_haproxy(tmp_path) as (port, one, two), calls(port, 6) as first:
        assert [len(each.said("call started")) for each in (one, two)] == [3, 3]
        one.process.terminate()
        await one.says("draining")
        async with calls(port, 4):
            assert [len(each.said("call started")) for each in (one, two)] == [3, 7]
        for caller in first:
            assert caller.ended is None
        await be_answered(first[0])
        await be_answered(first[1])
        for caller in first:
            await caller.hang_up()
        assert await one.ended() == 0


@needs_haproxy
async def test_a_conversation_comes_back_to_its_own_process_by_the_name_in_its_header(tmp_path: Path) -> None:
    """Without Redis. Eight conversations, so that one that is sent anywhere is found out."""
    async with behind_haproxy(tmp_path) as (port, one, two):
        for number in range(8):
            await comes_back(port, f"conversation-{number}")
        started = [len(each.said("call started")) for each in (one, two)]
        assert sum(started) == 8
        assert min(started) > 0


async def comes_back(port: int, conversation: str) -> None:
    """A conversation whose first socket breaks."""
    url, headers = f"ws://127.0.0.1:{port}/audiocodes", [("AC-Conversation-Id", conversation)]
    initiate = SessionInitiate(conversationId=conversation, supportedMediaFormats=("raw/mulaw",))
    for first in (render(initiate), resume(conversation)):
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as plumbing:
                socket = await connect(plumbing, url, headers, PLATFORM)
                await socket.send(first)
                assert isinstance(parse_bridge_message(await socket.receive()), SessionAccepted)
                plumbing.cancel_scope.cancel()
