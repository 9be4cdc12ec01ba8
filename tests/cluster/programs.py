"""The other programs of a cluster, as they are: Redis and HAProxy. Each is gone when its context is left."""

import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

PATIENCE: Final = 60.0

needs_redis: Final = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")
needs_haproxy: Final = pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port: int = own.getsockname()[1]
        return port


@asynccontextmanager
async def program(*command: str) -> AsyncGenerator[trio.Process]:
    """A program that runs until it is not needed any more."""
    process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
            await process.wait()


@asynccontextmanager
async def redis(directory: Path) -> AsyncGenerator[str]:
    """A Redis that keeps nothing, on a Unix socket. Its URL."""
    path = directory / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(directory))
    async with program("redis-server", *options):
        await until_listening(socket.AF_UNIX, str(path))
        yield f"unix://{path}"
    path.unlink(missing_ok=True)


@asynccontextmanager
async def haproxy(directory: Path, configuration: str, port: int) -> AsyncGenerator[None]:
    """HAProxy with a configuration that has it listen at `port`."""
    path = directory / "haproxy.cfg"
    path.write_text(configuration)
    await trio.run_process(["haproxy", "-c", "-q", "-f", str(path)])
    async with program("haproxy", "-db", "-q", "-f", str(path)):
        await until_listening(socket.AF_INET, ("127.0.0.1", port))
        yield


async def until_listening(family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    """Wait until something listens there."""
    with trio.fail_after(PATIENCE):
        while not await _answers(family, address):  # noqa: ASYNC110 - another program tells nobody when it listens
            await trio.sleep(0.02)


async def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with trio.socket.socket(family) as probe:
        try:
            await probe.connect(address)
        except OSError:
            return False
    return True


def replaced(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """`text` with each first thing, which stands there once, replaced by the second."""
    for what, by in pairs:
        assert text.count(what) == 1, f"{what!r} stands there {text.count(what)} times"
        text = text.replace(what, by)
    return text
