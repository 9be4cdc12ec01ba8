"""The daemon as a whole: what is opened, in which order, and what the process answers to signals with."""

import faulthandler
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.disk import SharedDisk
from opusagent.call.recorder import Disk
from opusagent.daemon.admin_door import ADMIN, TokenSite, open_admin
from opusagent.daemon.companionship import Companionship, open_companionship
from opusagent.daemon.config import EMBEDDED_BACKEND, Config, doubts, load
from opusagent.daemon.control_site import ControlSite
from opusagent.daemon.control_socket import ANSWER_SECONDS, ControlSocket, open_control
from opusagent.daemon.doorstep import Doorstep, open_doorstep
from opusagent.daemon.exposition import metrics_of
from opusagent.daemon.generation import Generation, settle
from opusagent.daemon.loop_watch import LoopWatch
from opusagent.daemon.memory import mind_memory
from opusagent.daemon.observer import Observer
from opusagent.daemon.steward import Means, Steward
from opusagent.daemon.systemd import InheritedSocket, ServiceManager, inherited_sockets, watchdog_seconds
from opusagent.daemon.upgrade import Predecessor, own_command
from opusagent.errors import CannotBind, ConfigError
from opusagent.net.limits import HttpLimits, ListenerLimits
from opusagent.net.listener import serve

__all__ = ["DRAINED", "OVERRAN", "Observer", "run_daemon", "run_process"]

log: FilteringBoundLogger = structlog.get_logger()

DRAINED: Final = 0
OVERRAN: Final = 4

CONTROL_LIMITS: Final = ListenerLimits(
    connections=64, half_open=32, http=HttpLimits(answer_seconds=ANSWER_SECONDS, idle_seconds=ANSWER_SECONDS)
)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

StartEmbedded = Callable[[trio.Nursery], Awaitable[str]]
"""Starts the embedded backend in a nursery and says where it is dialled."""


async def run_daemon(
    config: Config,
    model_url: str,
    stop: trio.Event,
    *,
    observer: Observer | None = None,
    disk: Disk | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`; then every call ends, is recorded to its end, and the function returns.

    The daemon inside another program: no signals, no service manager, no control socket, one configuration for good.
    `disk` does its blocking work, threads without it. `task_status` is told the port.

    Raises:
        CannotBind: the address cannot be listened at.
        ConfigError: the configuration names what cannot be used.
    """

    async def same() -> Config:
        await trio.lowlevel.checkpoint()
        return config

    async def backend(_: Config) -> str:
        await trio.lowlevel.checkpoint()
        return model_url

    means = Means(load=same, backend=backend, disk=disk or SharedDisk(abandon_on_cancel=True), environ={})
    generation = await settle(1, config, backend, means.disk)
    doorstep = await open_doorstep(config.server, ())
    companionship = await open_companionship(config.cluster)
    steward = Steward(generation, doorstep, means, observer or Observer())
    async with trio.open_nursery() as company:
        if companionship is not None:
            company.start_soon(companionship.keep, steward.roster, steward.frontage)
        async with trio.open_nursery() as house:
            ready = trio.Event()
            house.start_soon(steward.run, ready.set)
            await ready.wait()
            announce(generation, doorstep)
            task_status.started(doorstep.port)
            await stop.wait()
            steward.drain(0)
        company.cancel_scope.cancel()


def announce(generation: Generation, doorstep: Doorstep, admin: Doorstep | None = None) -> None:
    """One line of the log: we are ready, and where."""
    config = generation.config
    log.info(
        "ready",
        listen=config.server.listen.address,
        port=doorstep.port,
        tls=generation.identity is not None,
        model="parrot" if config.realtime.url == EMBEDDED_BACKEND else config.realtime.model,
        backend=generation.model_url,
        pid=os.getpid(),
        **({} if admin is None else {"admin_port": admin.port}),
    )
    for doubt in doubts(config):
        log.warning("doubtful configuration", what=doubt)


def run_process(path: Path, environ: Mapping[str, str], start_embedded: StartEmbedded) -> int:
    """Be the daemon, as a process of its own: until a signal or an order ends it. Returns the exit status.

    Raises:
        ConfigError: the configuration at `path` cannot be used.
        CannotBind: an address cannot be listened at.
    """
    faulthandler.enable()
    predecessor = Predecessor.of(environ)
    try:
        config = load(path, environ)
        sockets = predecessor.sockets if predecessor else inherited_sockets(environ, os.getpid())
        return trio.run(partial(_live, path, config, environ, start_embedded, predecessor, sockets))
    except (ConfigError, CannotBind) as error:
        if predecessor is not None:
            predecessor.refuse(str(error))
        raise


@attrs.frozen
class _Opened:
    """A daemon that has all that it needs and has not begun."""

    steward: Steward
    control: ControlSocket | None
    admin: Doorstep | None
    companionship: Companionship | None
    ready: Callable[[], None]


async def _live(
    path: Path,
    config: Config,
    environ: Mapping[str, str],
    start_embedded: StartEmbedded,
    predecessor: Predecessor | None,
    sockets: tuple[InheritedSocket, ...],
) -> int:
    async with trio.open_nursery() as beside:
        means = Means(
            load=partial(_load, path, environ),
            backend=_backend(beside, start_embedded),
            disk=SharedDisk(abandon_on_cancel=True),
            environ=environ,
            command=own_command(),
            manager=ServiceManager.of(environ),
            watchdog=watchdog_seconds(environ, os.getpid()),
            predecessor=predecessor,
        )
        loop = LoopWatch()
        trio.lowlevel.add_instrument(loop)
        opened = await _open(config, means, sockets)
        if isinstance(opened, _Opened):
            with trio.open_signal_receiver(*SIGNALS) as signals:
                await _carry(opened, signals, predecessor, loop)
        beside.cancel_scope.cancel()
    if not isinstance(opened, _Opened):
        raise opened
    log.info("ended", overran=opened.steward.overran)
    return OVERRAN if opened.steward.overran else DRAINED


async def _open(
    config: Config, means: Means, sockets: tuple[InheritedSocket, ...]
) -> _Opened | ConfigError | CannotBind:
    """Everything that can fail. A failure is a value here, so that no nursery makes a group of it."""
    try:
        generation = await settle(1, config, means.backend, means.disk)
        doorstep = await open_doorstep(config.server, [each for each in sockets if each.name != ADMIN])
        admin = await open_admin(config, [each for each in sockets if each.name == ADMIN])
        steward = Steward(generation, doorstep, means, Observer(), admin)
        control = await open_control(config.admin.socket) if config.admin.socket else None
        companionship = await open_companionship(config.cluster)
    except (ConfigError, CannotBind) as error:
        return error
    return _Opened(steward, control, admin, companionship, partial(_on_ready, generation, doorstep, admin))


def _on_ready(generation: Generation, doorstep: Doorstep, admin: Doorstep | None) -> None:
    announce(generation, doorstep, admin)
    gc.collect()
    gc.freeze()  # what is there now stays: a full collection during calls need not look at it


async def _carry(
    opened: _Opened, signals: AsyncIterator[int], predecessor: Predecessor | None, loop: LoopWatch
) -> None:
    """Serve until the steward has done, and answer orders meanwhile."""
    steward, control = opened.steward, opened.control
    site = ControlSite(steward, metrics_of(steward, steward.meter, loop))
    if predecessor is not None:
        await predecessor.take_over()
    async with trio.open_nursery() as orders:
        if control is not None:
            control.show()
            await orders.start(serve, [control.listener], site, CONTROL_LIMITS)
        if opened.admin is not None:
            orders.start_soon(_serve_admin, opened.admin, steward, site, orders)
        if opened.companionship is not None:
            orders.start_soon(opened.companionship.keep, steward.roster, steward.frontage)
        orders.start_soon(mind_memory, steward.roster)
        async with trio.open_nursery() as house:
            house.start_soon(steward.run, opened.ready)
            orders.start_soon(_obey, signals, steward, orders)
        if control is not None:
            control.remove()
        orders.cancel_scope.cancel()


async def _serve_admin(admin: Doorstep, steward: Steward, site: ControlSite, orders: trio.Nursery) -> None:
    """Answer at the admin port until another process is the daemon; what was asked before is answered."""
    listeners = admin.listeners(lambda: steward.frontage.generation.identity)
    door = TokenSite(site, lambda: steward.frontage.generation.config)
    async with trio.open_nursery() as accepting:
        accepting.start_soon(partial(serve, listeners, door, CONTROL_LIMITS, connections=orders))
        await steward.superseded.wait()
        accepting.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[int], steward: Steward, orders: trio.Nursery) -> None:
    """Do what signals say. A reload or an upgrade takes its time; a stop does not wait for it."""
    async for number in signals:
        match signal.Signals(number):
            case signal.SIGHUP:
                orders.start_soon(steward.reload)
            case signal.SIGUSR1:
                steward.dump()
            case signal.SIGUSR2:
                orders.start_soon(steward.upgrade)
            case told:
                steward.stop(told)


async def _load(path: Path, environ: Mapping[str, str]) -> Config:
    return await trio.to_thread.run_sync(load, path, environ)


def _backend(nursery: trio.Nursery, start_embedded: StartEmbedded) -> Callable[[Config], Awaitable[str]]:
    """Where a configuration's model is dialled. The embedded one is started when the first configuration wants it."""
    started: list[str] = []

    async def dialled(config: Config) -> str:
        await trio.lowlevel.checkpoint()
        if not config.realtime.is_embedded:
            return config.realtime.url
        if not started:
            started.append(await start_embedded(nursery))
        return started[0]

    return dialled
