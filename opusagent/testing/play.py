"""A whole call on a stage: the real call between a scripted caller and a scripted model, on any clock.

    def test_something() -> None:
        async def script(stage: Stage) -> None:
            model = await stage.answered()
            await model.say("item-1", tone, response_id="response-1")
            await stage.caller.hear(Ms(500))
            await stage.caller.hang_up()

        report = play(script)

`play` turns the clock itself: an hour takes as long as its events. `perform` is the same inside a running loop. The
same for another platform is a `Theatre` of its own.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

import attrs
import trio
from trio.testing import MockClock

from opusagent.audio.media import MULAW_8K
from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.call.breaker import Breaker
from opusagent.call.call import Limits, run_call
from opusagent.call.caller import Caller, answer
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange, Profile
from opusagent.call.hearing import Hearing
from opusagent.call.moments import Moment
from opusagent.call.policy import Policy
from opusagent.call.recorder import Disk, Recorder
from opusagent.call.report import CallReport
from opusagent.call.switch import RecordingSwitch
from opusagent.call.tape import TapeKind
from opusagent.errors import LocalProtocolError
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallResumed, Dialect
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.settings import session_update
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.model import ScriptedModel
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import CallId

CALL: Final = CallId("staged")
STARTED: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

PROFILE: Final = Profile(
    session_update(instructions="Be brief.", voice="marin", audio="pcm", caller=MULAW_8K),
    Policy(instructions="Be brief."),
)


async def disk_inline(work: Callable[[], None]) -> None:
    """A disk without threads: a thread would hold a virtual clock."""
    await trio.lowlevel.checkpoint()
    work()


C = TypeVar("C", bound=ScriptedTwilioCaller | ScriptedAudioCodesCaller)


@attrs.define(eq=False)
class CallStage(Generic[C]):
    """What a script plays with. `platform` is the caller's end of the line, for what no caller would do.

    `models` are the sessions that the call dialled, in order, and `legs` their ends of the sockets. `calls` are the
    calls that go on: one, once the caller has been put through.
    """

    caller: C
    platform: MemorySocket
    ending: Ending
    scenery: trio.Nursery
    switch: RecordingSwitch = attrs.field(factory=RecordingSwitch, init=False)
    models: list[ScriptedModel] = attrs.field(factory=list[ScriptedModel], init=False)
    legs: list[MemorySocket] = attrs.field(factory=list[MemorySocket], init=False)
    moments: list[Moment] = attrs.field(factory=list[Moment], init=False)
    calls: list[Caller] = attrs.field(factory=list[Caller], init=False)
    _dialled: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """What the call dials: a model that waits for the script."""
        del plumbing
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_pair(MODEL)
        model = ScriptedModel(theirs)
        self.scenery.start_soon(model.listen)
        self.legs.append(theirs)
        self.models.append(model)
        self._dialled.set()
        self._dialled = trio.Event()
        return ours

    @contextmanager
    def carrying(self, caller: Caller) -> Generator[None]:
        """While the call goes on, whoever comes back for it finds it."""
        self.calls.append(caller)
        try:
            yield
        finally:
            self.calls.remove(caller)

    async def dialled(self) -> ScriptedModel:
        """The model, once the call has dialled it; nothing has been said yet."""
        return await self.another(1)

    async def another(self, number: int = 2) -> ScriptedModel:
        """The model's session of that number, once the call has dialled it; nothing has been said in it yet."""
        while len(self.models) < number:
            await self._dialled.wait()
        return self.models[number - 1]

    async def answered(self) -> ScriptedModel:
        """The model, once its session is configured."""
        model = await self.dialled()
        await model.opening()
        return model


Stage: TypeAlias = CallStage[ScriptedTwilioCaller]
Script = Callable[[Stage], Awaitable[None]]

S = TypeVar("S", bound=CallStage[ScriptedTwilioCaller] | CallStage[ScriptedAudioCodesCaller])


@attrs.frozen
class Theatre(Generic[S]):
    """How calls of one platform are staged: who stands at the far end of the line, and how we speak to them.

    Somebody else runs the `hearing`'s one task.
    """

    cast: Callable[[MemorySocket, trio.Nursery], S]
    dialect: Callable[[], Dialect]
    profile: Profile = PROFILE
    limits: Limits = Limits()
    directory: Path | None = None
    disk: Disk = disk_inline
    hearing: Hearing | None = None
    quality: QualityThresholds | None = None
    kind: TapeKind = TapeKind()
    least_free: int = 0
    breaker: Callable[[], Breaker] = Breaker

    def play(self, script: Callable[[S], Awaitable[None]]) -> CallReport:
        """Play `script` in virtual time and return the call's report. What the script raises comes out in a group."""
        return trio.run(self.perform, script, clock=MockClock(autojump_threshold=0))

    async def perform(self, script: Callable[[S], Awaitable[None]]) -> CallReport:
        """Play `script` on the running loop's clock. The call is over when this returns, whatever the script did."""
        reports: list[CallReport] = []
        async with trio.open_nursery() as scenery, self._curtain(scenery, script) as (stage, line):
            caller = await answer(line, self.dialect())
            if isinstance(caller, CallResumed):
                raise LocalProtocolError("the first socket of a call is not one that comes back")
            with stage.carrying(caller):
                report = await run_call(
                    CALL,
                    caller,
                    self.profile,
                    Exchange(
                        stage.dial,
                        Recorder(self.directory, self.disk, self.kind, self.least_free),
                        self.hearing,
                        stage.moments.append,
                        self.quality,
                        self.breaker(),
                    ),
                    stage.ending,
                    started=STARTED,
                    limits=self.limits,
                    switch=stage.switch,
                )
                reports.append(report)
        return reports[0]

    @asynccontextmanager
    async def _curtain(
        self, scenery: trio.Nursery, script: Callable[[S], Awaitable[None]]
    ) -> AsyncGenerator[tuple[S, MessageSocket]]:
        """Up: the caller is on the line and the script runs. Down: when both the call and the script are through."""
        ours, theirs = memory_pair()
        stage = self.cast(theirs, scenery)

        async def act() -> None:
            async with stage.caller.on_the_line():
                await script(stage)

        async with trio.open_nursery() as actors:
            actors.start_soon(act)
            yield stage, ours


def twilio_stage(platform: MemorySocket, scenery: trio.Nursery) -> Stage:
    """A caller by Twilio."""
    return Stage(ScriptedTwilioCaller(platform), platform, Ending(), scenery)


BY_TWILIO: Final = Theatre(twilio_stage, TwilioDialect)
"""How a call by Twilio is staged; `attrs.evolve` makes it another one."""


def play(
    script: Script,
    *,
    profile: Profile = PROFILE,
    limits: Limits | None = None,
    directory: Path | None = None,
    disk: Disk = disk_inline,
) -> CallReport:
    """Play `script` with a caller by Twilio. See `Theatre.play`."""
    limits = limits or Limits()
    return attrs.evolve(BY_TWILIO, profile=profile, limits=limits, directory=directory, disk=disk).play(script)


async def perform(
    script: Script,
    *,
    profile: Profile = PROFILE,
    limits: Limits | None = None,
    directory: Path | None = None,
    disk: Disk = disk_inline,
) -> CallReport:
    """Play `script` with a caller by Twilio on the running loop's clock. See `Theatre.perform`."""
    limits = limits or Limits()
    return await attrs.evolve(BY_TWILIO, profile=profile, limits=limits, directory=directory, disk=disk).perform(script)
