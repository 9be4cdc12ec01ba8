"""Two hundred reloads, a third of them wrong, while calls go on and others begin: none is lost, none is mixed up."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.daemon.control_socket import ask
from opusagent.local.server import LIMITS, PATH, LocalSite
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.units import Ms
from tests.daemon.process import PATIENCE, DaemonProcess, Settings, call, daemon

RELOADS: Final = 200
LIVE: Final = 20
BETWEEN: Final = 20
"""Reloads from one new call to the next."""


@attrs.define
class Told:
    """What the model was told in one call, wherever a configuration shows: the numbers that stand in it."""

    numbers: set[str]


@attrs.frozen
class Overheard:
    """A model's socket, and what it is told."""

    socket: MessageSocket
    told: Told

    async def receive(self) -> str:
        text = await self.socket.receive()
        if not text.startswith('{"type":"input_audio_buffer.append"'):
            self.told.numbers.update(re.findall(r"number-(\d+)", text))
        return text

    async def send(self, *messages: str) -> None:
        await self.socket.send(*messages)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code, reason)


@attrs.frozen
class OverheardSite:
    """The embedded model behind an ear."""

    site: LocalSite = LocalSite()
    told: list[Told] = attrs.field(factory=list[Told])

    async def answer(self, request: Request) -> Response | Upgrade:
        granted = await self.site.answer(request)
        if isinstance(granted, Response):
            return granted
        told = Told(set(re.findall(r"number-(\d+)", request.query)))
        self.told.append(told)
        return Upgrade(partial(self._attend, granted, told), LIMITS)

    async def _attend(self, granted: Upgrade, told: Told, socket: MessageSocket) -> None:
        await granted.serve(Overheard(socket, told))


def write(directory: Path, number: int, port: int, *, wrong: bool = False) -> None:
    """A configuration in which everything that a model hears has `number` in it."""
    text = f"""
        [realtime]
        url = "ws://127.0.0.1:{port}{PATH}"
        model = "number-{number}"
    """
    path = Settings(greeting=f"I am number-{number}.").write(directory, wrong=text)
    agent = f'[agent]\ninstructions = "You are number-{number}."'
    whole = path.read_text().replace("[agent]", agent)
    path.write_text(whole + ("[nonsense]\n" if wrong else ""))


async def reload(directory: Path, number: int, port: int) -> bool:
    """Every third configuration is wrong. Whether the verdict is what it should be."""
    wrong = number % 3 == 0
    write(directory, number, port, wrong=wrong)
    status, body = await trio.to_thread.run_sync(ask, directory / "control.sock", "POST", "/reload")
    return (status, bool(json.loads(body)["problems"])) == ((422, True) if wrong else (200, False))


async def storm(running: DaemonProcess, directory: Path, port: int) -> list[bool]:
    """The reloads, with a new call at every twentieth."""
    verdicts: list[bool] = []
    for number in range(2, RELOADS + 2):
        verdicts.append(await reload(directory, number, port))
        if number % BETWEEN == 0:
            async with call(running.port) as caller:
                await caller.hear(Ms(20))
                await caller.hang_up()
    return verdicts


async def test_200_reloads_lose_no_call_and_mix_none(tmp_path: Path) -> None:
    site = OverheardSite()
    listeners = await open_listeners("127.0.0.1", 0)
    port = bound_port(listeners)
    async with trio.open_nursery() as house:
        await house.start(serve, listeners, site)
        async with daemon(tmp_path, Settings(max_calls=LIVE + 1)) as running:
            assert await reload(tmp_path, 1, port)
            async with trio.open_nursery() as live:
                for _ in range(LIVE):
                    live.start_soon(_be_on_the_line, running.port)
                await running.says("call started", times=LIVE)
                with trio.fail_after(3 * PATIENCE):
                    verdicts = await storm(running, tmp_path, port)
                over = await running.says("call ended", times=RELOADS // BETWEEN)
                live.cancel_scope.cancel()
            started = [each["generation"] for each in running.said("call started")]
        house.cancel_scope.cancel()
    assert verdicts == [True] * RELOADS
    assert len(over) == RELOADS // BETWEEN
    assert started[:LIVE] == [2] * LIVE
    assert len(set(started[LIVE:])) == RELOADS // BETWEEN
    assert [len(told.numbers) for told in site.told] == [1] * (LIVE + RELOADS // BETWEEN)


async def _be_on_the_line(port: int) -> None:
    async with call(port):
        await trio.sleep_forever()
