"""The whole process stands still for seconds, as a virtual machine that is moved: its calls go on."""

import os
import signal
from pathlib import Path

import attrs
import trio

from opusagent.local.server import LIMITS, PATH, LocalSite
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.units import Ms
from tests.daemon.process import Settings, be_answered, call, daemon

FROZEN_SECONDS = 3


class PatientSite:
    """The embedded model, with more patience for a client that is silent than it has by itself."""

    async def answer(self, request: Request) -> Response | Upgrade:
        granted = await LocalSite().answer(request)
        patient = attrs.evolve(LIMITS, ping_seconds=20.0, pong_seconds=20.0)
        return granted if isinstance(granted, Response) else attrs.evolve(granted, limits=patient)


async def test_calls_live_through_three_seconds_in_which_the_process_stands_still(tmp_path: Path) -> None:
    """The model is elsewhere and goes on meanwhile, as the callers do. Nobody is given up, and nobody is replaced."""
    listeners = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as house:
        await house.start(serve, listeners, PatientSite())
        more = f'[realtime]\nurl = "ws://127.0.0.1:{bound_port(listeners)}{PATH}"\n'
        async with daemon(tmp_path, Settings(more=more)) as running:
            async with call(running.port) as one, call(running.port) as two:
                for caller in (one, two):
                    await caller.hear(Ms(200))
                os.kill(running.process.pid, signal.SIGSTOP)
                await trio.sleep(FROZEN_SECONDS)
                os.kill(running.process.pid, signal.SIGCONT)
                for caller in (one, two):
                    await be_answered(caller)
                    await caller.hang_up()
            ended = await running.says("call ended", times=2)
        house.cancel_scope.cancel()
    assert {line["reason"] for line in ended} == {"caller hung up"}
    assert running.said("model lost") == []
