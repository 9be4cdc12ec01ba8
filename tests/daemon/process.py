"""The daemon as a process of its own, for tests: on a free port, heard by its log, told by commands and signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.demo.speech import load
from opusagent.net.limits import PLATFORM
from opusagent.net.sockets import connect
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms

PATIENCE: Final = 60.0
"""Seconds that anything may take here. A machine that is busy with other things is no reason to fail."""

CONFIGURATION: Final = """
[server]
listen = "127.0.0.1:{port}"
drain_seconds = {drain_seconds}
max_calls = {max_calls}
[twilio]
insecure = true
[agent]
greeting = "{greeting}"
[recording]
directory = "{directory}/recordings"
[admin]
socket = "{directory}/control.sock"
{admin}
{more}
"""

Line = Mapping[str, object]


@attrs.frozen
class Settings:
    """What a test varies."""

    port: int = 0
    drain_seconds: float = 20
    max_calls: int = 100
    greeting: str = "Hello."
    admin: str = ""
    """Further lines under [admin]."""
    more: str = ""
    """Further tables."""

    def write(self, directory: Path, *, wrong: str = "") -> Path:
        """As the file that the daemon reads; `wrong` is added to it."""
        path = directory / "opusagent.toml"
        path.write_text(CONFIGURATION.format(directory=directory, **attrs.asdict(self)) + wrong)
        return path


class DaemonProcess:
    """A running daemon and those that it has started in its place. They share their standard error, which is heard."""

    def __init__(self, directory: Path, process: trio.Process) -> None:
        self.directory: Final = directory
        self.process: Final = process
        self.log: Final[list[Line]] = []
        self.noise: Final[list[str]] = []
        """What they said that was no line of the log."""
        self._news = trio.Event()

    async def listen(self, stderr: trio.abc.ReceiveStream) -> None:
        """Hear until the last of them has ended."""
        rest = b""
        async for chunk in stderr:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.startswith(b"{"):
                    self.log.append(json.loads(line))
                else:
                    self.noise.append(line.decode())
            news, self._news = self._news, trio.Event()
            news.set()

    def said(self, event: str) -> list[Line]:
        """What has been logged as `event`."""
        return [line for line in self.log if line["event"] == event]

    async def says(self, event: str, times: int = 1) -> list[Line]:
        """Wait until `event` has been logged so often."""
        with trio.fail_after(PATIENCE):
            await trio.lowlevel.checkpoint()
            while len(found := self.said(event)) < times:
                await self._news.wait()
        return found

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(str(self.said("ready")[0]["port"]))

    async def ended(self) -> int:
        """Wait for the exit status of the process that was started."""
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def order(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """What a command says that is about this daemon, such as `opusagent reload`."""
        command = [sys.executable, "-m", "opusagent", *words, "--socket", str(self.directory / "control.sock")]
        with trio.fail_after(PATIENCE):
            return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)


def command_line(path: Path) -> list[str]:
    """How a daemon is started."""
    return [sys.executable, "-m", "opusagent", "serve", "--config", str(path)]


@asynccontextmanager
async def daemon(
    directory: Path,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    command: Callable[[Path], list[str]] = command_line,
) -> AsyncGenerator[DaemonProcess]:
    """A daemon that is ready, started by `command`. It and its successors are gone afterwards."""
    path = settings.write(directory)
    own = {**os.environ, **(environ or {})}
    process = await trio.lowlevel.open_process(
        command(path), env=own, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    running = DaemonProcess(directory, process)
    stderr = process.stderr
    assert stderr is not None
    try:
        async with trio.open_nursery() as ears:
            ears.cancel_scope.deadline = trio.current_time() + 2 * PATIENCE
            ears.start_soon(running.listen, stderr)
            await running.says("ready")
            yield running
            ears.cancel_scope.cancel()
        assert not ears.cancel_scope.deadline < trio.current_time(), "a test with a daemon took too long"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
            await process.wait()
            await stderr.aclose()


@asynccontextmanager
async def call(port: int, *headers: tuple[str, str]) -> AsyncGenerator[ScriptedTwilioCaller]:
    """A caller who is on the line to the daemon at `port`, whose upgrade has `headers`."""
    async with trio.open_nursery() as plumbing:
        with trio.fail_after(PATIENCE):
            socket = await connect(plumbing, f"ws://127.0.0.1:{port}/twilio/media", headers, PLATFORM)
        caller = ScriptedTwilioCaller(socket)
        async with caller.on_the_line():
            yield caller
        plumbing.cancel_scope.cancel()


async def be_answered(caller: ScriptedTwilioCaller) -> None:
    """The call goes on: what is said is answered."""
    with trio.fail_after(PATIENCE):
        await caller.say(load("interruption"))
        await caller.hear(Ms(200))


async def http(port: int, request: str) -> bytes:
    """The whole answer to a request that is not kept alive."""
    with trio.fail_after(PATIENCE):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(request.encode())
            return b"".join([bytes(part) async for part in stream])


async def get(port: int, path: str) -> bytes:
    """The status line of a GET."""
    answer = await http(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return answer.partition(b"\r\n")[0]
