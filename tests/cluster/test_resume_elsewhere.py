"""A platform that comes back to another process than the one that has its call: real processes, a real Redis."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from opusagent.daemon.desk import resume
from opusagent.demo.lines import Connection, stay_connected
from opusagent.demo.speech import load
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.units import Ms
from tests.cluster.programs import PATIENCE, needs_redis, redis
from tests.daemon.process import DaemonProcess, Settings, daemon

WHO = Conversation(formats=("raw/mulaw",))

CLUSTER = """
[audiocodes]
insecure = true
[cluster]
redis = "{url}"
secret_file = "{secret}"
"""


def _settings(directory: Path, url: str, shared: str) -> Settings:
    directory.mkdir()
    secret = directory / "secret"
    secret.write_text(shared)
    return Settings(more=CLUSTER.format(url=url, secret=secret))


@asynccontextmanager
async def member(directory: Path, url: str, shared: str = "what-they-share") -> AsyncGenerator[DaemonProcess]:
    """A process of a cluster, once it is known there."""
    async with daemon(directory, _settings(directory, url, shared)) as running:
        await running.says("redis knows where calls are")
        yield running


@attrs.define
class Dialled:
    """A platform that is on the line, and the processes that it may dial."""

    caller: ScriptedAudioCodesCaller
    wires: trio.Nursery
    connection: Connection

    async def comes_back_to(self, port: int) -> None:
        """Its socket breaks, it dials whoever is at `port`, and what is said is answered."""
        with trio.fail_after(PATIENCE):
            await self.caller.break_line(self.connection.wire.vanish)
            self.connection = await self.wires.start(stay_connected, address(port))
            await self.caller.resume(self.connection.socket)
            await self.caller.say(load("interruption"))
            await self.caller.hear(Ms(200))

    async def is_refused_by(self, port: int) -> None:
        """Whoever is at `port` does not know its call. The line is as it was."""
        with trio.fail_after(PATIENCE):
            connection = await self.wires.start(stay_connected, address(port))
            await connection.socket.send(resume(WHO.conversation_id))
            assert "conversation not found" in await connection.socket.receive()
            connection.wire.vanish()


def address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/audiocodes"


@asynccontextmanager
async def dialled(port: int) -> AsyncGenerator[Dialled]:
    """A call that has been greeted."""
    async with trio.open_nursery() as wires:
        with trio.fail_after(PATIENCE):
            connection = await wires.start(stay_connected, address(port))
        caller = ScriptedAudioCodesCaller(connection.socket, WHO)
        async with caller.on_the_line():
            with trio.fail_after(PATIENCE):
                await caller.hear(Ms(200))
            yield Dialled(caller, wires, connection)
            await caller.hang_up()
        wires.cancel_scope.cancel()


@needs_redis
async def test_a_call_goes_on_over_a_socket_that_another_process_accepted(tmp_path: Path) -> None:
    """Out to the other process, back to its own, and out again; one call, one greeting, one report with its gaps."""
    async with redis(tmp_path) as url, member(tmp_path / "one", url) as one, member(tmp_path / "two", url) as two:
        async with dialled(one.port) as platform:
            for port in (two.port, one.port, two.port):
                await platform.comes_back_to(port)
        one.process.terminate()
        assert await one.ended() == 0
        assert (len(one.said("call started")), two.said("call started")) == (1, [])
        assert len(two.said("resume carried to another process")) == 2
        assert platform.caller.complaints == []
        (report,) = (tmp_path / "one/recordings").glob("*/*/*/*/report.json")
        assert len(json.loads(report.read_bytes())["line_gaps"]) == 3


@needs_redis
async def test_calls_outlive_redis_and_are_found_again_when_it_is_back(tmp_path: Path) -> None:
    """Without it a call can be resumed where it is. The new one knows nothing, and is told."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(redis(tmp_path))
        one = await stack.enter_async_context(member(tmp_path / "one", first))
        two = await stack.enter_async_context(member(tmp_path / "two", first))
        platform = await stack.enter_async_context(dialled(one.port))
        with trio.fail_after(PATIENCE):
            await trio.run_process(["redis-cli", "-s", first.removeprefix("unix://"), "shutdown", "nosave"])
        await one.says("redis is away: calls go on, and can be resumed in their own process only")
        await platform.is_refused_by(two.port)
        await platform.comes_back_to(one.port)
        await stack.enter_async_context(redis(tmp_path))
        for process in (one, two):
            await process.says("redis knows where calls are", times=2)
        await platform.comes_back_to(two.port)


@needs_redis
async def test_a_process_with_another_secret_reaches_nobody(tmp_path: Path) -> None:
    """It finds the address and is refused there; the platform is told that there is no such conversation."""
    async with redis(tmp_path) as url, member(tmp_path / "one", url) as one, dialled(one.port) as platform:
        async with member(tmp_path / "two", url, "something-else") as two:
            await platform.is_refused_by(two.port)
            await two.says("resume could not be carried to another process")
        await platform.comes_back_to(one.port)


@needs_redis
async def test_a_call_of_a_process_that_was_killed_is_refused(tmp_path: Path) -> None:
    """Its entry is still there, and nobody answers at its address."""
    async with (
        redis(tmp_path) as url,
        member(tmp_path / "two", url) as two,
        member(tmp_path / "one", url) as one,
        dialled(one.port) as platform,
    ):
        one.process.kill()
        await platform.is_refused_by(two.port)
