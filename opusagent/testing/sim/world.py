"""The world of one run: everything that the daemon stands on, the daemon, and what is asked of both.

    scenery    the model's service, the callers, trouble and the operator; it outlives the daemon
    house      the daemon: its steward, with all calls below it

The daemon's generation is settled by the daemon's own code and its steward runs as in a process; only signals, the
service manager and the control socket are not there.
"""

import math
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, assert_never

import attrs
import structlog.testing
import trio
from trio.testing import MockClock

from opusagent.call.report import CallReport
from opusagent.daemon.config import Config
from opusagent.daemon.config_tables import Agent, AudioCodes, Limits, Quality, Realtime, Recording, Server, Twilio, Vad
from opusagent.daemon.config_values import Listen
from opusagent.daemon.doorstep import open_doorstep
from opusagent.daemon.generation import settle
from opusagent.daemon.observer import Observer
from opusagent.daemon.steward import GOODBYE_SECONDS, Means, Steward
from opusagent.net.http import TEARDOWN_SECONDS
from opusagent.net.listener import open_listeners, serve
from opusagent.platforms.audiocodes import SessionAccepted
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.descriptors import descriptors
from opusagent.testing.sim.backend import Service
from opusagent.testing.sim.dead_air import Span, spans
from opusagent.testing.sim.dice import Dice
from opusagent.testing.sim.disk import SimDisk
from opusagent.testing.sim.faults import HANG_SECONDS, Trouble
from opusagent.testing.sim.laws import Breach, Seen, breaches
from opusagent.testing.sim.network import Network
from opusagent.testing.sim.operator import Operator, Shelf
from opusagent.testing.sim.plan import Call, Mode, Plan
from opusagent.testing.sim.platforms import AnyCaller, Platforms
from opusagent.testing.sim.scheduler import seeded
from opusagent.testing.sim.trace import Trace, keep_quiet
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import CallId

DAEMON_HOST: Final = "10.0.0.2"
DAEMON_PORT: Final = 8080
MODEL_HOST: Final = "10.0.0.3"
MODEL_PORT: Final = 9000
HOSTS: Final = {DAEMON_PORT: "daemon", MODEL_PORT: "model"}
OF_THE_DAEMON: Final = ("at daemon", "to model", f"listening at {DAEMON_PORT}")
"""How the labels of the daemon's own sockets begin."""

SETTLE_SECONDS: Final = 15.0 + HANG_SECONDS
"""How long a call may go on when both its peers are gone: noticing 10 s, a goodbye 5 s, and what its disk takes."""

END_SECONDS: Final = GOODBYE_SECONDS + TEARDOWN_SECONDS + HANG_SECONDS
"""How long the daemon may take to end when the time of its drain is over."""

LONGEST_SECONDS: Final = 600.0
"""No run takes longer. One that does hangs."""

FRESH: Final = Call("twilio", 0.0, 6.0)
"""The call that is placed when all is well again: its caller has to hear something."""

RESUME_SECONDS: Final = 3.0

ROLLOVER_AT: Final = 0.25
"""The part of a session's time after which another one is opened. Pauses in which nothing is open are rare here."""


@attrs.frozen
class Outcome:
    """What became of a run. `digest` is the trace's hash, `seconds` the world's, `ends` the calls' ends."""

    plan: Plan
    digest: str
    lines: int
    seconds: float
    ends: Counter[str]
    refused: int
    breaches: tuple[Breach, ...]


def run(plan: Plan, tell: Callable[[str], None] = keep_quiet, world: "type[World] | None" = None) -> Outcome:
    """Run what `plan` says, and judge it. `tell` is given the trace line by line; `world` may be another than ours."""
    seen, trace, clock = Seen(plan), Trace(tell), MockClock(autojump_threshold=0)
    with TemporaryDirectory() as folder, seeded(plan.seed), structlog.testing.capture_logs() as logs:
        before = descriptors()
        shape = (world or World)(plan, Path(folder), trace, seen)
        try:
            trio.run(shape.live, clock=clock)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is what the run has found
            seen.broken_promises.append(f"the world came to an end: {_told(fault)}")
        seen.descriptors, seen.logs = descriptors() - before, logs
        broken = breaches(seen)
    ends = Counter(report.end.value for report in seen.reports)
    return Outcome(plan, trace.digest, trace.lines, clock.current_time(), ends, shape.refused, broken)


class World:
    """One run's. `live` is all of it."""

    def __init__(self, plan: Plan, folder: Path, trace: Trace, seen: Seen) -> None:
        self.plan: Final = plan
        self.seen: Final = seen
        self.trace: Final = trace
        self.refused = 0
        self.dice: Final = Dice(plan.seed)
        self.network: Final = Network(self.dice, trace, HOSTS, plan.weather)
        self.disk: Final = self.new_disk()
        self.config: Final = self.new_config(folder)

    async def live(self) -> None:
        """From the first socket to the last."""
        trio.socket.set_custom_socket_factory(self.network)
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(LONGEST_SECONDS):
            async with trio.open_nursery() as scenery:
                service = Service(self.dice, self.trace, self.plan.session_seconds)
                listeners = await open_listeners(MODEL_HOST, MODEL_PORT)
                scenery.start_soon(partial(serve, listeners, service))
                await self._house(scenery, service)
                scenery.cancel_scope.cancel()
        self.seen.tasks = (tasks, trio.lowlevel.current_statistics().tasks_living)

    async def _house(self, scenery: trio.Nursery, service: Service) -> None:
        shelf = self.new_shelf()
        steward = await self.open_daemon(shelf)
        platforms = Platforms(f"ws://{DAEMON_HOST}:{DAEMON_PORT}", self.dice, self.trace)
        operator = Operator(steward, shelf, self.dice.of("operator"), self.trace)
        trouble = Trouble(
            self.plan,
            self.dice.of("trouble"),
            self.network,
            self.disk,
            platforms,
            service,
            operator,
            self.trace,
        )
        story = Story(self, steward, platforms, trouble)
        async with trio.open_nursery() as house:
            ready = trio.Event()
            house.start_soon(steward.run, ready.set)
            await ready.wait()
            scenery.start_soon(story.tell, scenery)
        self.trace.note("the daemon is over")
        story.over.set()
        self._look_back(platforms, service, operator)

    async def open_daemon(self, shelf: Shelf) -> Steward:
        """The daemon, with its port open and not yet running."""
        means = Means(load=shelf.load, backend=_backend, disk=self.disk, environ={})
        generation = await settle(1, self.config, means.backend, means.disk)
        doorstep = await open_doorstep(self.config.server, ())
        return Steward(generation, doorstep, means, Observer(on_start=self.on_start, on_report=self.on_report))

    def new_config(self, folder: Path) -> Config:
        """What the daemon is configured with."""
        return _config(self.plan, folder)

    def new_shelf(self) -> Shelf:
        """The configuration file that reloads read."""
        return Shelf(self.config)

    def new_disk(self) -> SimDisk:
        """The disk that recordings go to."""
        return SimDisk(self.trace)

    def on_start(self, call_id: CallId, folder: Path | None) -> None:
        """A call begins."""
        self.seen.started[call_id] = folder
        self.seen.began[call_id] = trio.current_time()
        self.trace.note("a call begins")

    def on_report(self, report: CallReport) -> None:
        """A call is over."""
        self.seen.reports.append(report)
        self.trace.note("a call ended:", report.end.value, report.seconds, *attrs.astuple(report.audio))

    def _look_back(self, platforms: Platforms, service: Service, operator: Operator) -> None:
        """What the daemon has left behind, and what the others say of it."""
        seen, self.refused = self.seen, platforms.refused
        seen.left_open.extend(each.label for each in self.network.open if each.label.startswith(OF_THE_DAEMON))
        for caller in platforms.callers:
            seen.complaints.extend(f"platform: {each}" for each in caller.complaints if not each.startswith("the peer"))
            seen.ears[_name(caller)] = _ear(caller)
        seen.floors = service.floors
        seen.complaints.extend(f"model: {each}" for each in service.complaints)
        seen.complaints.extend(f"operator: {each}" for each in operator.complaints)
        seen.disk_has_failed = self.disk.has_failed


@attrs.define(eq=False)
class Story:
    """What happens in a run, as its mode wants it, until the daemon has ended."""

    world: World
    steward: Steward
    platforms: Platforms
    trouble: Trouble
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    bad_times: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def tell(self, scenery: trio.Nursery) -> None:
        """All of it."""
        plan = self.world.plan
        scenery.start_soon(self._make_trouble, scenery)
        match plan.mode:
            case Mode.SAFETY:
                await self._callers()
                await self._settle()
                await self._drain()
            case Mode.LIVENESS:
                await self._get_well()
                await self._begin_anew()
                await self._drain()
            case Mode.SHUTDOWN:
                scenery.start_soon(self._callers)
                await trio.sleep(plan.stop_at)
                self.steward.stop(signal.SIGTERM)
                await self._end_within(plan.drain_seconds)
            case _:
                assert_never(plan.mode)

    async def _make_trouble(self, scenery: trio.Nursery) -> None:
        with self.bad_times:
            await self.trouble.make(scenery)

    async def _callers(self) -> None:
        """Everybody who calls, until the last has left."""
        async with trio.open_nursery() as callers:
            for number, call in enumerate(self.world.plan.calls):
                callers.start_soon(self.platforms.place, call, str(number))

    async def _get_well(self) -> None:
        """Trouble for a while, then none: what had to end ends."""
        async with trio.open_nursery() as callers:
            callers.start_soon(self._callers)
            await trio.sleep(self.world.plan.heal_at)
            self.bad_times.cancel()
            self.trouble.heal()
        await self._settle()

    async def _begin_anew(self) -> None:
        """All is well again: a new call is taken, and its caller hears the model."""
        caller = await self.platforms.place(FRESH, "fresh")
        if caller is None:
            self._promise("a call is refused when all is well again")
        elif not caller.heard_bytes:
            self._promise("a caller hears nothing when all is well again")
        await self._settle()

    async def _settle(self) -> None:
        """All callers are gone: so are their calls, soon."""
        await trio.sleep(SETTLE_SECONDS)
        left = self.steward.status().connections
        if left:
            self._promise(f"{left} calls go on {SETTLE_SECONDS:g} s after the last caller")

    async def _drain(self) -> None:
        """Everybody is gone: the daemon may end at once."""
        self.steward.drain(0)
        await self._end_within(0)

    async def _end_within(self, drain: float) -> None:
        with trio.move_on_after(drain + END_SECONDS) as patience:
            await self.over.wait()
        if patience.cancelled_caught:
            self._promise(f"the daemon has not ended {END_SECONDS:g} s after its drain of {drain:g} s")

    def _promise(self, broken: str) -> None:
        self.world.seen.broken_promises.append(broken)


def _config(plan: Plan, folder: Path) -> Config:
    return Config(
        server=Server(listen=Listen(DAEMON_HOST, DAEMON_PORT), drain_seconds=plan.drain_seconds),
        realtime=Realtime(url=f"ws://{MODEL_HOST}:{MODEL_PORT}/v1/realtime", audio=plan.audio),
        twilio=Twilio(insecure=True),
        audiocodes=AudioCodes(insecure=True, resume_seconds=RESUME_SECONDS),
        agent=Agent(),
        recording=Recording(directory=folder, free_space_megabytes=0),
        limits=Limits(call_seconds=300, rollover_seconds=plan.session_seconds * ROLLOVER_AT),
        vad=Vad(enabled=plan.hears, detector="energy"),
        quality=Quality(enabled=plan.hears),
    )


async def _backend(config: Config) -> str:
    await trio.lowlevel.checkpoint()
    return config.realtime.url


def _name(caller: AnyCaller) -> str:
    """What its platform calls the call."""
    match caller:
        case ScriptedTwilioCaller():
            return caller.identity.call_sid
        case ScriptedAudioCodesCaller():
            return caller.conversation.conversation_id
    assert_never(caller)


def _ear(caller: AnyCaller) -> Sequence[Span]:
    """What there was to hear, from when to when. Twilio has its callers hear us before anybody has answered."""
    answered = -math.inf
    if isinstance(caller, ScriptedAudioCodesCaller):
        answered = min((each.at for each in caller.told(SessionAccepted)), default=math.inf)
    return spans(caller.heard, caller.media, answered, caller.ended.at if caller.ended else math.inf)


def _told(fault: BaseException) -> str:
    """The exceptions at the bottom of a group, one after the other."""
    match fault:
        case BaseExceptionGroup(exceptions=parts):
            return "; ".join(map(_told, parts))
        case _:
            return f"{type(fault).__name__}: {fault}"
