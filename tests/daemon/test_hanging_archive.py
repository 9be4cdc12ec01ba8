"""A disk that hangs with old recordings does not hold the end of the daemon."""

import os
from pathlib import Path

import trio
from trio.testing import wait_all_tasks_blocked

from opusagent.daemon.config import Config, Listen, Recording, Server, Twilio
from opusagent.daemon.server import run_daemon

PATIENCE = 20.0
"""Seconds for what takes none."""


async def test_a_daemon_ends_while_its_archive_hangs(tmp_path: Path) -> None:
    """A recording that is left over is a pipe into which nobody writes: whoever opens it waits for ever."""
    folder = tmp_path / "2030/01/02/left-over"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    os.mkfifo(folder / "call.wav")
    config = Config(
        server=Server(listen=Listen("127.0.0.1", 0)),
        twilio=Twilio(insecure=True),
        recording=Recording(tmp_path, format="flac"),
    )
    stop, is_up, is_over = trio.Event(), trio.Event(), trio.Event()

    async def live() -> None:
        async with trio.open_nursery() as daemons:
            await daemons.start(run_daemon, config, "ws://127.0.0.1:9", stop)
            is_up.set()
        is_over.set()

    async with trio.open_nursery() as house:
        house.start_soon(live)
        await is_up.wait()
        with trio.move_on_after(1):  # nothing goes on but the archive, which waits
            await wait_all_tasks_blocked(0.1)
        stop.set()
        with trio.move_on_after(PATIENCE):
            await is_over.wait()
        ended_by_itself = is_over.is_set()
        os.close(os.open(folder / "call.wav", os.O_RDWR | os.O_NONBLOCK))  # the pipe lets go of whoever waits
    assert ended_by_itself
