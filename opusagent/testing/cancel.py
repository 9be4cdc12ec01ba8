"""Calls that are cancelled before any step of the scheduler: they unwind within a bound, in order, and leave nothing.

    $ python -m opusagent.testing.cancel                                  # every step of all three scenarios
    $ python -m opusagent.testing.cancel --scenario resume --stride 7

A scenario is run once to learn how many steps the tasks of its call take, then once for each step, cancelled from
outside before it. Whatever else happens in the world is decided by one seed, so that the steps are the same each time.
"""

import sys
import time
import wave
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Generic

import attrs
import trio
from trio.testing import MockClock
from typing_extensions import override

from opusagent.call.call import Limits, run_call
from opusagent.call.caller import Caller, answer
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange
from opusagent.call.hands import Hands, NoHands, Say
from opusagent.call.recorder import FINISH_SECONDS, Recorder
from opusagent.call.report import CallReport
from opusagent.call.seat import PARTING_SECONDS
from opusagent.call.tool_calls import ToolCall
from opusagent.call.uplink import DRAIN_SECONDS
from opusagent.errors import LocalProtocolError, OpusagentError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.realtime.events import Item, Response, ResponseCreate, ResponseCreated, ResponseOutputItemDone
from opusagent.testing.audiocodes_caller import ScriptedAudioCodesCaller
from opusagent.testing.descriptors import descriptors
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.model import NotSaid
from opusagent.testing.play import BY_TWILIO, CALL, PROFILE, STARTED, S, Stage, Theatre, disk_inline
from opusagent.testing.play_audiocodes import AudioCodesStage
from opusagent.testing.sim.scheduler import seeded
from opusagent.testing.watched_leg import WatchedLeg
from opusagent.units import Ms, Pcm16

UNWINDING: Final = DRAIN_SECONDS + PARTING_SECONDS + Limits().goodbye_seconds + FINISH_SECONDS
"""What the end of a call may take: the caller's last words, all goodbyes, the tape."""

PATIENCE: Final = 90.0
"""How long the platform may take to give a call up that was cancelled while it had no socket."""

SOUND: Final = Pcm16((2000).to_bytes(2, "little") * 2400)
"""A tenth of a second of the model's voice."""


@attrs.frozen
class Scenario(Generic[S]):
    """A call, and what happens in it."""

    theatre: Theatre[S]
    script: Callable[[S], Awaitable[None]]


@attrs.frozen
class Outcome:
    """What became of a run: the steps that the call's tasks took, and what was wrong with its end.

    `report`: None if the call was cancelled before it had one.
    """

    steps: int
    breaches: Sequence[str]
    report: CallReport | None


@attrs.define(eq=False)
class _Watch:
    """The disk and the model's legs of one call: when the file was used last, and whether the legs were closed then."""

    legs: list[WatchedLeg] = attrs.field(factory=list[WatchedLeg], init=False)
    finished: float = 0.0
    in_order: bool = False
    report: CallReport | None = None
    over: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def disk(self, work: Callable[[], None]) -> None:
        await disk_inline(work)
        self.finished = trio.current_time()
        self.in_order = all(leg.closed for leg in self.legs)


class Steps(trio.abc.Instrument):
    """Counts the steps of a task and all below it, and cancels `call` before the step `at`."""

    def __init__(self, at: int) -> None:
        self.count = 0
        self.call: Final = trio.CancelScope()
        self.struck: float | None = None
        self.root: trio.lowlevel.Task | None = None
        self._at: Final = at

    @override
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.root is None or not self._is_below(task):
            return
        self.count += 1
        if self.count == self._at:
            self.struck = trio.current_time()
            self.call.cancel()

    def _is_below(self, task: trio.lowlevel.Task) -> bool:
        each: trio.lowlevel.Task | None = task
        while each is not None and each is not self.root:
            each = None if each.parent_nursery is None else each.parent_nursery.parent_task
        return each is not None


def run(scenario: Scenario[S], at: int) -> Outcome:
    """Run `scenario`, cancelled before the step `at` of its call; 0: not at all."""
    steps, watch = Steps(at), _Watch()
    with TemporaryDirectory() as folder, seeded(1):
        open_before = descriptors()
        left = trio.run(
            _perform, scenario, Path(folder), steps, watch, clock=MockClock(autojump_threshold=0), instruments=[steps]
        )
        breaches = [*left, *_judge(Path(folder), steps, watch)]
        breaches += [f"descriptor {number} is left: {target}" for number, target in descriptors() - open_before]
    return Outcome(steps.count, breaches, watch.report)


def _judge(folder: Path, steps: Steps, watch: _Watch) -> Iterator[str]:
    if not watch.in_order:
        yield "the tape was finished before every session of the model's was closed"
    if steps.struck is not None and watch.finished - steps.struck > UNWINDING + 0.001:
        yield f"unwound {watch.finished - steps.struck:.3f} s after it was cancelled"
    paths = list(folder.rglob("call.wav"))
    if len(paths) != 1:
        yield f"{len(paths)} recordings"
        return
    with wave.open(str(paths[0])) as file:
        if paths[0].stat().st_size != 44 + 4 * file.getnframes():
            yield f"the header says {file.getnframes()} frames of {paths[0].stat().st_size} bytes"


async def _perform(scenario: Scenario[S], folder: Path, steps: Steps, watch: _Watch) -> Sequence[str]:
    """The call in a task of its own, with everything around it outside: its peers live to see how it ends."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    ours, theirs = memory_pair()
    async with trio.open_nursery() as scenery:
        stage = scenario.theatre.cast(theirs, scenery)
        scenery.start_soon(_act, stage, scenario.script)
        caller = await answer(ours, scenario.theatre.dialect())
        if not isinstance(caller, Caller):
            raise LocalProtocolError("the first socket of a call is not one that comes back")

        async def dial(plumbing: trio.Nursery) -> MessageSocket:
            watch.legs.append(WatchedLeg(await stage.dial(plumbing)))
            return watch.legs[-1]

        exchange = Exchange(dial, Recorder(folder, watch.disk))
        scenery.start_soon(_carry, scenario.theatre, stage, caller, exchange, steps, watch)
        await watch.over.wait()
        with trio.move_on_after(PATIENCE) as patience:
            await stage.caller.until_ended()
        scenery.cancel_scope.cancel()
    left = trio.lowlevel.current_statistics().tasks_living - tasks
    told = ["the platform was not told"] if patience.cancelled_caught else []
    return [*told, *stage.caller.complaints, *([f"{left} tasks are left"] if left else [])]


async def _carry(
    theatre: Theatre[S], stage: S, caller: Caller, exchange: Exchange, steps: Steps, watch: _Watch
) -> None:
    steps.root = trio.lowlevel.current_task()
    with steps.call, stage.carrying(caller):
        watch.report = await run_call(
            CALL, caller, theatre.profile, exchange, stage.ending, started=STARTED, limits=theatre.limits
        )
    steps.root = None
    watch.over.set()


async def _act(stage: S, script: Callable[[S], Awaitable[None]]) -> None:
    """Play `script`, and leave when the line is dead."""

    async def play() -> None:
        with suppress(OpusagentError, NotSaid):
            await script(stage)

    async with stage.caller.on_the_line(), trio.open_nursery() as actors:
        actors.start_soon(play)
        await stage.caller.until_ended()
        actors.cancel_scope.cancel()


# The scenarios.


class _Errand(NoHands):
    """A call with one tool, which takes a moment."""

    @override
    async def run(self, call: ToolCall) -> str:
        await trio.sleep(0.03)
        return f'{{"done": "{call.name}"}}'


def _hands(say: Say) -> Hands:
    del say
    return _Errand()


async def barge_in_and_tool(stage: Stage) -> None:
    """The model runs a tool, says what came of it, and is interrupted."""
    model = await stage.answered()
    errand = Item(type="function_call", id="item-1", status="completed", call_id="call-1", name="look", arguments="{}")
    await model.send(ResponseCreated(response=Response(id="response-1")))
    await model.send(ResponseOutputItemDone(response_id="response-1", output_index=0, item=errand))
    await model.response_done("response-1", output=(errand,))
    await model.expect(ResponseCreate)
    await model.say("answer", Pcm16(SOUND * 4), response_id="response-2")
    await stage.caller.hear(Ms(80))
    await model.speech_started()
    await trio.sleep(0.03)
    await model.speech_stopped()
    await stage.caller.hang_up()


async def resume(stage: AudioCodesStage) -> None:
    """The platform's socket breaks while the model is heard, and another one takes its place."""
    model = await stage.answered()
    await model.say("answer", Pcm16(SOUND * 3), response_id="response-1")
    await stage.caller.hear(Ms(60))
    await stage.caller.break_line(stage.platform.vanish)
    await trio.sleep(0.1)
    await stage.reconnect()
    await model.say("more", SOUND, response_id="response-2")
    await stage.caller.hear(Ms(60))
    await stage.caller.hang_up()


async def replacement(stage: Stage) -> None:
    """The model's session breaks in the middle of an answer; another one goes on with it."""
    model = await stage.answered()
    await model.begin("answer", response_id="response-1")
    await model.delta("answer", SOUND, response_id="response-1")
    await stage.caller.hear(Ms(60))
    stage.legs[0].vanish()
    another = await stage.another()
    await another.opening()
    await another.expect(ResponseCreate)
    await another.say("rest", SOUND, response_id="response-2")
    await stage.caller.hear(Ms(60))
    await stage.caller.hang_up()


def _by_audiocodes(platform: MemorySocket, scenery: trio.Nursery) -> AudioCodesStage:
    return AudioCodesStage(ScriptedAudioCodesCaller(platform), platform, Ending(), scenery)


BY_AUDIOCODES: Final = Theatre(_by_audiocodes, AudioCodesDialect, limits=Limits(call_seconds=60.0, resume_seconds=2.0))

TWILIO: Final[Mapping[str, Scenario[Stage]]] = {
    "barge-in": Scenario(attrs.evolve(BY_TWILIO, profile=attrs.evolve(PROFILE, hands=_hands)), barge_in_and_tool),
    "replacement": Scenario(BY_TWILIO, replacement),
}
AUDIOCODES: Final[Mapping[str, Scenario[AudioCodesStage]]] = {"resume": Scenario(BY_AUDIOCODES, resume)}
NAMES: Final = ("barge-in", "resume", "replacement")


def run_named(name: str, at: int) -> Outcome:
    """Run the scenario of this name, cancelled before the step `at`."""
    return run(TWILIO[name], at) if name in TWILIO else run(AUDIOCODES[name], at)


def sweep(name: str, *, stride: int = 1, first: int = 1) -> tuple[int, Mapping[int, Sequence[str]]]:
    """How many steps the scenario takes, and what was wrong, by step, of each that was tried."""
    steps = run_named(name, 0).steps
    outcomes = {at: run_named(name, at).breaches for at in range(first, steps + 1, stride)}
    return steps, {at: breaches for at, breaches in outcomes.items() if breaches}


def main(arguments: Sequence[str]) -> int:
    """Sweep the scenarios that are wanted. The exit status is 1 if any end was a bad one."""
    parser = ArgumentParser(prog="python -m opusagent.testing.cancel", description="Cancel a call at every step.")
    parser.add_argument("--scenario", choices=NAMES, help="this one alone")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="try every N-th step (default 1)")
    wanted = parser.parse_args(arguments)
    failed = 0
    for name in NAMES if wanted.scenario is None else (wanted.scenario,):
        begun = time.process_time()
        steps, bad = sweep(name, stride=wanted.stride)
        failed += len(bad)
        for at, breaches in bad.items():
            print(f"{name}, cancelled before step {at}: {'; '.join(breaches)}")
        spent = time.process_time() - begun
        tried = len(range(1, steps + 1, wanted.stride))
        print(f"{name}: {steps} steps, {tried} tried, {len(bad)} bad ends, {spent:.1f} s of CPU")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
