"""A whole call on a stage: the real call between a scripted caller and a scripted model, on any clock.

    def test_something() -> None:
        async def script(stage: Stage) -> None:
            model = await stage.answered()
            await model.say("item-1", tone, response_id="response-1")
            await stage.caller.hear(Ms(500))
            await stage.caller.hang_up()

        report = play(script)

`play` turns the clock itself: an hour takes as long as its events. `perform` is the same inside a running loop.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio
from trio.testing import MockClock

from opusagent.audio.media import MULAW_8K
from opusagent.call.call import Exchange, Limits, Profile, run_call
from opusagent.call.caller import answer
from opusagent.call.ending import Ending
from opusagent.call.moments import Moment
from opusagent.call.recorder import Disk, Recorder
from opusagent.call.report import CallReport
from opusagent.errors import LocalProtocolError
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.dialect import CallResumed
from opusagent.platforms.twilio import TwilioDialect
from opusagent.realtime.settings import session_update
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.model import ScriptedModel
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import CallId

CALL: Final = CallId("staged")
STARTED: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

PROFILE: Final = Profile(
    session_update(instructions="Be brief.", voice="marin", audio="pcm", caller=MULAW_8K),
    instructions="Be brief.",
)


async def disk_inline(work: Callable[[], None]) -> None:
    """A disk without threads: a thread would hold a virtual clock."""
    await trio.lowlevel.checkpoint()
    work()


@attrs.define(eq=False)
class Stage:
    """What a script plays with. `platform` is the caller's end of the line, for what no caller would do.

    `models` are the sessions that the call dialled, in order, and `legs` their ends of the sockets.
    """

    caller: ScriptedTwilioCaller
    platform: MemorySocket
    ending: Ending
    scenery: trio.Nursery
    models: list[ScriptedModel] = attrs.field(factory=list[ScriptedModel], init=False)
    legs: list[MemorySocket] = attrs.field(factory=list[MemorySocket], init=False)
    moments: list[Moment] = attrs.field(factory=list[Moment], init=False)
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
        return ours

    async def dialled(self) -> ScriptedModel:
        """The model, once the call has dialled it; nothing has been said yet."""
        await self._dialled.wait()
        return self.models[-1]

    async def answered(self) -> ScriptedModel:
        """The model, once its session is configured."""
        model = await self.dialled()
        await model.opening()
        return model


Script = Callable[[Stage], Awaitable[None]]


def play(
    script: Script,
    *,
    profile: Profile = PROFILE,
    limits: Limits | None = None,
    directory: Path | None = None,
    disk: Disk = disk_inline,
) -> CallReport:
    """Play `script` in virtual time and return the call's report. What the script raises comes out in a group."""
    show = partial(perform, script, profile=profile, limits=limits, directory=directory, disk=disk)
    return trio.run(show, clock=MockClock(autojump_threshold=0))


async def perform(
    script: Script,
    *,
    profile: Profile = PROFILE,
    limits: Limits | None = None,
    directory: Path | None = None,
    disk: Disk = disk_inline,
) -> CallReport:
    """Play `script` on the running loop's clock. The call is over when this returns, whatever the script did."""
    async with trio.open_nursery() as scenery, _curtain(scenery, script) as (stage, line):
        caller = await answer(line, TwilioDialect())
        if isinstance(caller, CallResumed):
            raise LocalProtocolError("Twilio does not come back to a call")
        return await run_call(
            CALL,
            caller,
            profile,
            Exchange(stage.dial, Recorder(directory, disk), watch=stage.moments.append),
            stage.ending,
            started=STARTED,
            limits=limits or Limits(),
        )


@asynccontextmanager
async def _curtain(scenery: trio.Nursery, script: Script) -> AsyncGenerator[tuple[Stage, MessageSocket]]:
    """Up: the caller is on the line and the script runs. Down: when both the call and the script are through."""
    ours, theirs = memory_pair()
    stage = Stage(ScriptedTwilioCaller(theirs), theirs, Ending(), scenery)

    async def act() -> None:
        async with stage.caller.on_the_line():
            await script(stage)

    async with trio.open_nursery() as actors:
        actors.start_soon(act)
        yield stage, ours
