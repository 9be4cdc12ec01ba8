"""A daemon with real sockets in this process, a model that remembers what it was told, and callers to dial it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import attrs
import trio

from opusagent.call.report import CallReport
from opusagent.daemon.config import Config, parse
from opusagent.daemon.observer import Observer
from opusagent.daemon.server import run_daemon
from opusagent.local.server import LIMITS, PATH, LocalSite
from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import PLATFORM
from opusagent.net.listener import bound_port, open_listeners, serve
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.realtime.codec import parse_client_event
from opusagent.realtime.events import SessionUpdate
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.twilio_messages import Identity

PATIENCE: Final = 60.0


@attrs.frozen
class Heard:
    """A model's socket; what configures it is put into `told`."""

    socket: MessageSocket
    told: trio.MemorySendChannel[SessionUpdate]

    async def receive(self) -> str:
        text = await self.socket.receive()
        if text.startswith('{"type":"session.update"'):
            event = parse_client_event(text)
            assert isinstance(event, SessionUpdate)
            await self.told.send(event)
        return text

    async def send(self, *messages: str) -> None:
        await self.socket.send(*messages)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code, reason)


@attrs.define
class Model:
    """The embedded model behind an ear, or one that `is_down`. `dialled`: how often somebody has come."""

    told: trio.MemorySendChannel[SessionUpdate]
    is_down: bool = False
    site: LocalSite = attrs.field(factory=LocalSite)
    dialled: int = 0

    async def answer(self, request: Request) -> Response | Upgrade:
        self.dialled += 1
        if self.is_down:
            return Response(503)
        granted = await self.site.answer(request)
        return granted if isinstance(granted, Response) else Upgrade(partial(self._attend, granted), LIMITS)

    async def _attend(self, granted: Upgrade, socket: MessageSocket) -> None:
        await granted.serve(Heard(socket, self.told))


@attrs.frozen
class Switchboard:
    """The daemon at `port`. Each `call_*` is one whole call that leaves as soon as its model has been configured."""

    port: int
    config: Config
    model: Model
    updates: trio.MemoryReceiveChannel[SessionUpdate]
    reports: trio.MemoryReceiveChannel[CallReport]

    @asynccontextmanager
    async def dial(self, path: str) -> AsyncGenerator[MessageSocket]:
        """A platform's socket."""
        async with trio.open_nursery() as plumbing:
            yield await connect(plumbing, f"ws://127.0.0.1:{self.port}{path}", [], PLATFORM)
            plumbing.cancel_scope.cancel()

    async def call_twilio(
        self, callee: str, path: str = "/twilio/media", parameters: Mapping[str, str] | None = None
    ) -> tuple[SessionUpdate, CallReport]:
        """What the model is told, and what is left of the call."""
        async with self.dial(path) as socket:
            caller = ScriptedTwilioCaller(socket, Identity(callee=callee, further=parameters or {}))
            async with caller.on_the_line():
                told = await self.updates.receive()
                await caller.hang_up()
            return told, await self.reports.receive()

    async def call_audiocodes(
        self, conversation: Conversation, path: str = "/audiocodes", keys: str = ""
    ) -> tuple[SessionUpdate, CallReport, ScriptedAudioCodesCaller]:
        """The same; `keys` are pressed before."""
        async with self.dial(path) as socket:
            caller = ScriptedAudioCodesCaller(socket, conversation)
            async with caller.on_the_line():
                told = await self.updates.receive()
                await caller.accepted()
                if keys:
                    await caller.press(keys)
                else:
                    await caller.hang_up()
                report = await self.reports.receive()
            return told, report, caller


@asynccontextmanager
async def switchboard(text: str, *, is_down: bool = False) -> AsyncGenerator[Switchboard]:
    """The daemon of a configuration. `is_down`: its model is."""
    told, updates = trio.open_memory_channel[SessionUpdate](10)
    over, reports = trio.open_memory_channel[CallReport](10)
    model = Model(told, is_down)
    with trio.fail_after(PATIENCE):
        listeners = await open_listeners("127.0.0.1", 0)
        url = f"ws://127.0.0.1:{bound_port(listeners)}{PATH}"
        config = parse(f'[server]\nlisten = "127.0.0.1:0"\n[realtime]\nurl = "{url}"\n{text}', {}, source="x")
        async with trio.open_nursery() as house:
            await house.start(serve, listeners, model)
            observer = Observer(on_report=over.send_nowait)
            port = await house.start(partial(run_daemon, config, url, trio.Event(), observer=observer))
            yield Switchboard(port, config, model, updates, reports)
            house.cancel_scope.cancel()
