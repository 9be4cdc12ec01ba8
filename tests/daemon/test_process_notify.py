"""What a running daemon tells its service manager, datagram by datagram; and upgrades that go wrong."""

import os
import re
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from opusagent.units import Ms
from tests.daemon.process import PATIENCE, DaemonProcess, Settings, be_answered, call, daemon, get

NO_WATCHDOG = {"WATCHDOG_USEC": "0"}


@attrs.frozen
class Manager:
    """A service manager's ear."""

    inbox: trio.socket.SocketType
    heard: list[str] = attrs.field(factory=list[str])

    async def hears(self, wanted: str) -> str:
        """The next notification that matches; what came before it is put aside in `heard`."""
        with trio.fail_after(PATIENCE):
            while True:
                said = (await self.inbox.recv(65536)).decode()
                self.heard.append(said)
                if re.search(wanted, said, re.DOTALL):
                    return said


@asynccontextmanager
async def managed(
    directory: Path, settings: Settings, environ: dict[str, str]
) -> AsyncGenerator[tuple[DaemonProcess, Manager]]:
    """A daemon whose notifications are heard."""
    address = str(directory / "notify")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        await inbox.bind(address)
        manager = Manager(inbox)
        async with daemon(directory, settings, {"NOTIFY_SOCKET": address, **environ}) as running:
            yield running, manager


async def test_the_notifications_of_a_life(tmp_path: Path) -> None:
    """Ready once, a reload with its time, a refused one in the status, the drain's patience second by second."""
    settings = Settings()
    async with managed(tmp_path, settings, NO_WATCHDOG) as (running, manager), call(running.port) as caller:
        pid = running.process.pid
        assert await manager.hears("READY=1") == f"READY=1\nMAINPID={pid}"
        assert await manager.hears("STATUS") == "STATUS=ready: generation 1, calls 0/100"
        await manager.hears("STATUS=ready: generation 1, calls 1/100")
        running.process.send_signal(signal.SIGHUP)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", await manager.hears("RELOADING"))
        assert await manager.hears("READY=1") == "READY=1"
        assert await manager.hears("STATUS") == "STATUS=ready: generation 2, calls 1/100"
        settings.write(tmp_path, wrong="[nonsense]\n")
        running.process.send_signal(signal.SIGHUP)
        refused = await manager.hears("STATUS=ready: generation 2, calls 1/100; reload refused: ")
        assert "unknown table `nonsense`" in refused
        running.process.terminate()
        assert await manager.hears("STOPPING") == "STOPPING=1"
        assert await manager.hears("EXTEND") == "EXTEND_TIMEOUT_USEC=5000000"
        await manager.hears(r"STATUS=draining: calls 1, at most \d+ s more")
        await caller.hang_up()
        assert await running.ended() == 0
        assert "WATCHDOG=1" not in manager.heard


async def test_the_watchdog_is_fed_while_the_loop_turns(tmp_path: Path) -> None:
    """Three times a period, and with nothing else in the datagram."""
    async with managed(tmp_path, Settings(), {"WATCHDOG_USEC": "600000"}) as (_, manager):
        begun = trio.current_time()
        assert [await manager.hears("WATCHDOG") for _ in range(4)] == ["WATCHDOG=1"] * 4
        assert trio.current_time() - begun < PATIENCE / 2


async def test_an_upgrade_tells_who_is_the_main_process_before_that_one_speaks(tmp_path: Path) -> None:
    """The old process says MAINPID and is silent from then on; the new one is ready after it."""
    async with managed(tmp_path, Settings(), NO_WATCHDOG) as (running, manager), call(running.port) as caller:
        await manager.hears("READY=1")
        upgraded = await running.order("upgrade")
        assert (upgraded.returncode, upgraded.stdout) == (0, b"upgrade: done, generation 1\n")
        (_, new) = await running.says("ready", times=2)
        pid = new["pid"]
        assert await manager.hears("MAINPID") == f"MAINPID={pid}"
        assert await manager.hears(".") == f"READY=1\nMAINPID={pid}"
        assert await manager.hears(".") == "STATUS=ready: generation 1, calls 0/100"
        await be_answered(caller)
        await caller.hang_up()
        assert await running.ended() == 0
        await running.says("the process that was taken over from has ended")


async def test_a_stop_after_an_upgrade_reaches_both_processes_and_ends_when_both_have_drained(tmp_path: Path) -> None:
    async with managed(tmp_path, Settings(), NO_WATCHDOG) as (running, manager), call(running.port) as old_call:
        await running.order("upgrade")
        (_, new) = await running.says("ready", times=2)
        async with call(running.port) as new_call:
            await new_call.hear(Ms(20))
            os.kill(int(str(new["pid"])), signal.SIGTERM)
            await running.says("draining")
            await new_call.hang_up()
            await manager.hears("STATUS=draining: calls 0")
        await be_answered(old_call)
        assert running.said("ended") == []
        await old_call.hang_up()
        assert await running.ended() == 0
        assert [each["overran"] for each in await running.says("ended", times=2)] == [False, False]


async def test_a_new_process_that_cannot_start_leaves_the_old_one_serving(tmp_path: Path) -> None:
    """The order is refused with every problem, the status tells it, and when it is mended an upgrade succeeds."""
    settings = Settings()
    async with managed(tmp_path, settings, NO_WATCHDOG) as (running, manager), call(running.port) as caller:
        settings.write(tmp_path, wrong="[nonsense]\n[limits]\ncall_seconds = 0\n")
        refused = await running.order("upgrade")
        assert refused.returncode == 1
        assert b"unknown table `nonsense`" in refused.stderr
        assert b"`call_seconds` must be from 1" in refused.stderr
        await manager.hears("STATUS=ready: generation 1, calls 1/100; upgrade refused: ")
        assert await get(running.port, "/readyz") == b"HTTP/1.1 200 "
        await be_answered(caller)
        settings.write(tmp_path)
        assert (await running.order("upgrade")).returncode == 0
        await caller.hang_up()
        assert await running.ended() == 0
