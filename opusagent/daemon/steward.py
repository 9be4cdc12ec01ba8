"""Runs the daemon from its first accept to its end, and answers `Control`: reload, upgrade, drain.

One thing at a time changes what the daemon is: reloads and upgrades wait for each other, and neither begins once the
end has. Orders only note what is wanted; `run` is the one task that acts on it.
"""

import math
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.archive import Archive
from opusagent.call.disk import SharedDisk
from opusagent.call.hearing import Hearing
from opusagent.call.recorder import Disk
from opusagent.call.report import CallReport
from opusagent.daemon.admission import Refusal
from opusagent.daemon.config import Config
from opusagent.daemon.control import CallDetail, CallOnLine, Status, Verdict
from opusagent.daemon.doorstep import Doorstep
from opusagent.daemon.dump import task_tree
from opusagent.daemon.frontage import Frontage
from opusagent.daemon.gauges import LiveCall
from opusagent.daemon.generation import Backend, Generation, changes, fixed_problems, settle
from opusagent.daemon.life import Life, Phase, is_alive
from opusagent.daemon.meter import Meter
from opusagent.daemon.observer import Observer
from opusagent.daemon.roster import Roster
from opusagent.daemon.spans import Told
from opusagent.daemon.systemd import EXTENSION_USEC, ServiceManager, status
from opusagent.daemon.traces import Traces
from opusagent.daemon.upgrade import Predecessor, Successor, UpgradeFailed, start_successor
from opusagent.errors import ConfigError
from opusagent.net.blame import Fault
from opusagent.net.limits import ListenerLimits
from opusagent.net.listener import FrontDoor, ListenerStatistics
from opusagent.units import CallId, LoopTime

log: FilteringBoundLogger = structlog.get_logger()

GOODBYE_SECONDS: Final = 10.0
"""How long the calls may take to end when their time is over: goodbyes and recordings, all at once."""

TERMINAL_DRAIN_SECONDS: Final = 5.0
"""What calls get when somebody at a terminal presses Ctrl-C, if the configuration does not give them less."""

TICK_SECONDS: Final = 1.0
"""Between two looks at the clock, the calls and the drain's end."""


@attrs.frozen(kw_only=True)
class Means:
    """What a steward works with. `load` reads the configuration anew; `command` starts the program anew."""

    load: Callable[[], Awaitable[Config]]
    backend: Backend
    disk: Disk
    environ: Mapping[str, str]
    command: Sequence[str] = ()
    manager: ServiceManager = ServiceManager(None)
    watchdog: float | None = None
    predecessor: Predecessor | None = None


class Steward:
    """The daemon, once its sockets are open."""

    def __init__(
        self,
        generation: Generation,
        doorstep: Doorstep,
        means: Means,
        observer: Observer,
        admin: Doorstep | None = None,
    ) -> None:
        self.roster: Final = Roster()
        self.meter: Final = Meter()
        self.meter.agents.follow(generation.config.crew)
        self._traces: Final = Traces(generation.config.tracing, self.meter.count_traces)
        self._observer: Final = observer
        self._archive: Final = Archive(generation.keeping, SharedDisk(threads=1, abandon_on_cancel=True))
        onlooker = attrs.evolve(observer, on_report=self._on_report)
        self.frontage: Final = Frontage(generation, self.roster, onlooker, self._is_ready)
        self._doorstep: Final = doorstep
        self._admin: Final = admin
        self._means: Final = means
        self._began: Final = LoopTime(trio.current_time())
        self._life = Life(Phase.STARTING, self._began)
        self._manager = means.manager
        listeners = doorstep.listeners(lambda: self._generation.identity)
        self._door: Final = FrontDoor(listeners, self.frontage, ListenerLimits())
        self._accepting: Final = trio.CancelScope()
        self.superseded: Final = trio.Event()
        """Set once another process is the daemon, and this one only carries its calls to their ends."""
        self._change: Final = trio.Lock()
        self.overran = False
        """Whether the drain's time ran out while there were calls, and nobody had asked for haste."""
        self._last_refusal: tuple[str, ...] = ()
        self._was_told_to_stop = False
        self._is_hastened = False
        self._is_alone = False
        self._successor: Successor | None = None
        self._last_status = ""
        self._new_ears, self._ears = trio.open_memory_channel[Hearing](math.inf)
        self._listen_with(generation.hearing)

    # -- questions ----------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """How the daemon is."""
        now = LoopTime(trio.current_time())
        deadline = self._life.deadline
        return Status(
            phase=self._life.phase,
            generation=self._generation.number,
            calls=len(self.roster.conversations),
            connections=self.roster.connections,
            max_calls=self._generation.config.server.max_calls,
            uptime_seconds=round(now - self._began, 1),
            hanging=self.roster.hanging,
            drain_seconds_left=None if deadline is None else round(max(0.0, deadline - now), 1),
            last_refusal=self._last_refusal,
        )

    def calls(self) -> Sequence[CallOnLine]:
        """The calls that there are, the oldest first."""
        now = LoopTime(trio.current_time())
        return [call.seen(now) for call in self.roster.conversations]

    def call(self, call_id: CallId) -> CallDetail | None:
        """One call, with what it has come to so far."""
        call = self.roster.conversation(call_id)
        return None if call is None else call.detail(LoopTime(trio.current_time()))

    def live(self) -> list[LiveCall]:
        """The calls that there are, with what they have come to so far."""
        now = LoopTime(trio.current_time())
        return [LiveCall(call.seen(now), call.switch.progress()) for call in self.roster.conversations]

    def refusals(self) -> Mapping[Refusal, int]:
        """How many calls were refused, by every reason that there is."""
        return self.roster.admission.refusals()

    def door(self) -> ListenerStatistics:
        """What the calls' port has seen."""
        return self._door.statistics()

    def faults(self) -> Mapping[Fault, int]:
        """What peers did wrong there, by every fault that there is."""
        return self._door.faults()

    @property
    def _generation(self) -> Generation:
        return self.frontage.generation

    # -- orders -------------------------------------------------------------------------------------------------

    def hang_up(self, call_id: CallId) -> bool:
        """End one call in order."""
        return self.roster.hang_up(call_id)

    def record(self, call_id: CallId, *, on: bool) -> bool:
        """Pause or resume one call's recording."""
        return self.roster.record(call_id, on=on)

    def drain(self, seconds: float | None = None) -> None:
        """No new calls; the end when the last is over, or after `seconds`."""
        patience = self._generation.config.server.drain_seconds if seconds is None else seconds
        if not self._life.is_ending:
            self._manager.tell("STOPPING=1")
            log.info("draining", calls=self.roster.connections, seconds=patience)
        self._life = self._life.draining(LoopTime(trio.current_time()), patience)
        self.roster.close_door()
        self.roster.news.ring()
        self._tell_status()

    def stop(self, signalled: signal.Signals) -> None:
        """Drain; if that was said before, end now. Who was taken over from is told as well, and waited for."""
        if self._means.predecessor is not None and signalled is signal.SIGTERM:
            self._means.predecessor.pass_on(signalled)
        configured = self._generation.config.server.drain_seconds
        if not self._was_told_to_stop:
            self._was_told_to_stop = True
            self.drain(min(configured, TERMINAL_DRAIN_SECONDS) if signalled is signal.SIGINT else configured)
        elif self._life.phase is Phase.DRAINING:
            log.info("told again to stop: the calls end now", calls=self.roster.connections)
            self._is_hastened = True
            self.drain(0)

    async def reload(self) -> Verdict:
        """Read the configuration anew. What is wrong with it is said, and then nothing has changed."""
        async with self._change:
            if self._life.phase is not Phase.READY:
                return self._refuse("reload", [f"the daemon is {self._life.phase.value}"])
            self._life = self._life.reloading(LoopTime(trio.current_time()))
            self._manager.reloading()
            try:
                return await self._follow_file()
            except ConfigError as wrong:
                return self._refuse("reload", wrong.problems)
            except Exception:
                # A bug of ours in reading a file must not end the calls that there are.
                log.exception("fault in a reload")
                return self._refuse("reload", ["a fault of the program: the log has its traceback"])
            finally:
                self._life = self._life.ready(LoopTime(trio.current_time()))
                self._manager.tell("READY=1")
                self._tell_status()

    async def upgrade(self) -> Verdict:
        """Start the program anew and hand over to it, or say why it does not start, and go on."""
        async with self._change:
            if self._life.phase is not Phase.READY:
                return self._refuse("upgrade", [f"the daemon is {self._life.phase.value}"])
            means = self._means
            log.info("upgrading: the new process starts")
            admin = self._admin.fds if self._admin else ()
            try:
                successor = await start_successor(means.command, self._doorstep.fds, means.environ, admin)
                with trio.CancelScope(shield=True, deadline=trio.current_time() + TICK_SECONDS):
                    await successor.go()
            except UpgradeFailed as failed:
                return self._refuse("upgrade", str(failed).splitlines())
            self._hand_over(successor)
            try:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + TICK_SECONDS):
                    await successor.lead()
            except UpgradeFailed:
                # It is the main process already: its end is the service manager's to mend.
                log.exception("the successor ended as it took over", successor=successor.pid)
            return Verdict(generation=self._generation.number)

    async def _follow_file(self) -> Verdict:
        old, means = self._generation, self._means
        config = await means.load()
        fixed = fixed_problems(old.config, config)
        if fixed:
            raise ConfigError(fixed)
        new = await settle(old.number + 1, config, means.backend, means.disk)
        changed = changes(old.config, config)
        if config.vad == old.config.vad:
            new = attrs.evolve(new, hearing=old.hearing)  # all calls in one batch
        else:
            self._listen_with(new.hearing)
        self.frontage.follow(new)
        self._archive.follow(new.keeping)
        self._traces.follow(config.tracing)
        self.meter.agents.follow(config.crew)
        self._last_refusal = ()
        log.info("reloaded", generation=new.number, changed=changed)
        return Verdict(generation=new.number, changed=changed)

    def _on_report(self, report: CallReport) -> None:
        """A call is over, with all that is kept of it. It is on the roster until it is filed."""
        call = self.roster.conversation(report.call_id)
        self.meter.count(report, "" if call is None else call.platform)
        if call is not None:
            self._traces.add(Told(report, call.platform, call.generation, call.parent))
        if report.recording is not None:
            self._archive.finished(Path(report.recording).parent)
        self._observer.on_report(report)

    def _listen_with(self, hearing: Hearing | None) -> None:
        if hearing is not None:
            self._new_ears.send_nowait(hearing)

    def _refuse(self, what: str, problems: Sequence[str]) -> Verdict:
        self._last_refusal = tuple(f"{what} refused: {problem}" for problem in problems)
        log.error(f"{what} refused, nothing has changed", problems=tuple(problems), generation=self._generation.number)
        self._tell_status()
        return Verdict(generation=self._generation.number, problems=tuple(problems))

    def _hand_over(self, successor: Successor) -> None:
        """From here on the successor is the daemon. What this process accepted stays its own.

        It is kept: with the channel to it open, it knows that we are there.
        """
        self._successor = successor
        self._manager.tell(f"MAINPID={successor.pid}")
        self._manager = ServiceManager(None)
        self._accepting.cancel()
        self.superseded.set()
        patience = self._generation.config.server.drain_seconds
        self._life = self._life.draining(LoopTime(trio.current_time()), patience)
        log.info("handed over", successor=successor.pid, calls=self.roster.connections, drain_seconds=patience)
        self.roster.news.ring()

    def dump(self) -> None:
        """Write to the log what every task is doing, and how full the daemon and each call's buffers are."""
        backlogs = {call.call_id: attrs.asdict(call.switch.progress().backlog) for call in self.roster.conversations}
        log.warning("dump", status=attrs.asdict(self.status()), backlogs=backlogs, tasks=task_tree())

    # -- the run ------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until drained, and to the end of the last call."""
        async with trio.open_nursery() as connections:
            connections.start_soon(self._listen)
            connections.start_soon(self._archive.run)
            connections.start_soon(self._traces.run)
            async with trio.open_nursery() as doors:
                doors.start_soon(self._accept, connections)
                doors.start_soon(self._tick)
                doors.start_soon(self._await_predecessor)
                self._life = self._life.ready(LoopTime(trio.current_time()))
                self._manager.tell("READY=1", f"MAINPID={os.getpid()}")
                self._tell_status()
                on_ready()
                await self._until_drained()
                self.overran = bool(self.roster.connections) and not self._is_hastened
                await self._end_calls()
                doors.cancel_scope.cancel()
            await self._traces.finish()
            connections.cancel_scope.cancel()
        if self._successor is not None:
            await self._successor.part()

    def _is_ready(self) -> bool:
        """Whether calls may be sent to our port: to us, or to the successor that answers there now."""
        return self._life.is_ready or self._successor is not None

    async def _accept(self, connections: trio.Nursery) -> None:
        with self._accepting:
            await self._door.accept(connections)

    async def _listen(self) -> None:
        """Every generation's ears, to the end: those of earlier ones sleep when their last call is over."""
        async with trio.open_nursery() as listening:
            async for hearing in self._ears:
                listening.start_soon(hearing.listen)

    async def _await_predecessor(self) -> None:
        """A process that still has calls of ours is waited for like a call, for as long as a drain waits."""
        if self._means.predecessor is not None:
            await self._means.predecessor.wait_gone()
            log.info("the process that was taken over from has ended")
        self._is_alone = True
        self.roster.news.ring()

    async def _until_drained(self) -> None:
        while not self._life.is_ending:
            await self.roster.news.wait(None)
        while trio.current_time() < (deadline := self._life.deadline or LoopTime(trio.current_time())):
            handed_over = self._accepting.cancel_called and self._door.statistics().open
            if self._is_alone and not self.roster.connections and not handed_over:
                return
            await self.roster.news.wait(deadline)

    async def _end_calls(self) -> None:
        self._life = self._life.stopping(LoopTime(trio.current_time()))
        self._tell_status()
        left = len(self.roster.conversations)
        if left:
            log.warning("the calls that are left are ended", calls=left)
        self.roster.end_calls()
        with trio.move_on_after(GOODBYE_SECONDS):
            await trio.lowlevel.checkpoint()
            while self.roster.conversations:
                await self.roster.news.wait(None)

    async def _tick(self) -> None:
        """Once a second: the watchdog, the status, and patience while draining."""
        period = min(TICK_SECONDS, self._means.watchdog or TICK_SECONDS)
        due = trio.current_time()
        while True:
            due = max(due, trio.current_time() - period) + period
            await trio.sleep_until(due)
            now = LoopTime(trio.current_time())
            stuck = self.roster.count_stuck(now)
            if self._means.watchdog and is_alive(now - due, len(self.roster.conversations), stuck):
                self._manager.tell("WATCHDOG=1")
            if self._life.is_ending:
                self._manager.tell(f"EXTEND_TIMEOUT_USEC={EXTENSION_USEC}")
                self.roster.news.ring()
            self._tell_status()

    def _tell_status(self) -> None:
        text = describe(self.status())
        if text != self._last_status:
            self._last_status = text
            self._manager.tell(status(text))


def describe(now: Status) -> str:
    """A line for a person: how the daemon is, and what it last refused."""
    match now.phase:
        case Phase.DRAINING | Phase.STOPPING:
            left = "" if now.drain_seconds_left is None else f", at most {now.drain_seconds_left:.0f} s more"
            text = f"{now.phase.value}: calls {now.connections}{left}"
        case _:
            text = f"{now.phase.value}: generation {now.generation}, calls {now.connections}/{now.max_calls}"
    return "; ".join([text, *now.last_refusal])
