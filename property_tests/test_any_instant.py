"""A call may end at any instant, by anyone's doing: both legs are closed, then the tape is finished; nothing is left.

A scripted call with speech both ways and a barge-in is struck: the daemon stops, the task is cancelled from outside, a
leg vanishes or freezes. Once at a random instant, and once at every step that the scheduler takes.
"""

import wave
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from typing_extensions import override

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.call.call import Limits, run_call
from opusagent.call.caller import Caller, answer
from opusagent.call.ending import Ending
from opusagent.call.exchange import Exchange
from opusagent.call.reasons import EndReason
from opusagent.call.recorder import FINISH_SECONDS, Recorder
from opusagent.call.report import CallReport
from opusagent.call.seat import PARTING_SECONDS
from opusagent.call.uplink import DRAIN_SECONDS
from opusagent.errors import INTERNAL_ERROR, NORMAL_CLOSURE, OpusagentError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.testing.descriptors import descriptors
from opusagent.testing.memory import memory_pair
from opusagent.testing.model import NotSaid
from opusagent.testing.play import CALL, PROFILE, STARTED, Script, Stage, disk_inline
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.watched_leg import WatchedLeg
from opusagent.units import Ms, Mulaw, Pcm16

WORDS: Final = Mulaw(bytes(range(0x80, 0xFF)) * 200)
"""Three seconds in which every sample can be told from its neighbours, and none is silence."""

SAID: Final = mulaw_decode(WORDS)
ANSWER: Final = Pcm16((2000).to_bytes(2, "little") * 48_000)

UNWINDING: Final = DRAIN_SECONDS + PARTING_SECONDS + Limits().goodbye_seconds + FINISH_SECONDS
"""What the end of a call may take: the caller's last words, all goodbyes, the tape."""

HASTY: Final = Limits(recovery_seconds=0)
"""Losing the model is an end here: what another session makes of it is another property's."""


LATE: Final = 0.06
"""Seconds: a frame that is being said, one in the air, and one for the rounding of both."""


@attrs.define(eq=False)
class Witness:
    """Watches one call: its disk, all of its legs, and when it was struck."""

    folder: Path
    stage: Stage
    legs: list[WatchedLeg]
    struck: float | None = None
    finished: float = 0.0
    legs_were_closed: bool = False
    report: CallReport | None = None

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """The model's leg, watched."""
        self.legs.append(WatchedLeg(await self.stage.dial(plumbing)))
        return self.legs[-1]

    async def disk(self, work: Callable[[], None]) -> None:
        """A disk that remembers how things stood when it was used last: when the file was closed."""
        await disk_inline(work)
        self.finished = trio.current_time()
        self.legs_were_closed = all(leg.closed for leg in self.legs)

    def strike(self, blow: Callable[[], None]) -> None:
        """Now."""
        self.struck = trio.current_time()
        blow()

    def check(self, code: int) -> None:
        """What holds for every end: the goodbye, the order, the time that it takes, and the tape.

        `code` is the close code that the caller reads if the call was over before the caller hung up.
        """
        assert self.legs_were_closed, "every leg is closed before the tape is finished"
        assert self.struck is None or self.finished - self.struck <= UNWINDING + 0.001
        ended = self.stage.caller.ended
        assert ended is not None
        spoken = self._spoken()
        assert SAID[: len(spoken)] == spoken
        if self.report is None:
            assert ended.code in {code, NORMAL_CLOSURE}
            assert self.struck is not None
            assert len(spoken) >= 16_000 * (self.struck - LATE)
        else:
            assert self.report.recording_fault is None
            assert len(spoken) == 16 * self.report.audio.caller_received
            assert ended.code == (NORMAL_CLOSURE if self.report.end is EndReason.CALLER_HUNG_UP else code)

    def _spoken(self) -> Pcm16:
        """What the caller said, from the left channel of a file that is whole."""
        path = self.folder / "2030/01/02" / CALL / "call.wav"
        with wave.open(str(path)) as file:
            count = file.getnframes()
            caller = samples_of(file.readframes(count))[::2]
        assert path.stat().st_size == 44 + 4 * count
        (heard,) = caller.nonzero()
        if not len(heard):
            return Pcm16(b"")
        assert heard[0] <= 1
        return pcm_of(caller[heard[0] : heard[-1] + 1])


@attrs.frozen
class Blow:
    """What happens to a call, and the close code that its caller reads then (RFC 6455 section 7.4.1)."""

    name: str
    code: int
    falls: Callable[[Stage, trio.CancelScope], None]


def stop(stage: Stage, call: trio.CancelScope) -> None:
    stage.ending.shut_down()


def cancel(stage: Stage, call: trio.CancelScope) -> None:
    call.cancel()


def lose_caller(stage: Stage, call: trio.CancelScope) -> None:
    stage.platform.vanish()


def lose_model(stage: Stage, call: trio.CancelScope) -> None:
    for leg in stage.legs:
        leg.vanish()


def freeze_caller(stage: Stage, call: trio.CancelScope) -> None:
    stage.platform.stall()


def freeze_model(stage: Stage, call: trio.CancelScope) -> None:
    for leg in stage.legs:
        leg.stall()


def one_after_the_other(*blows: Callable[[Stage, trio.CancelScope], None]) -> Callable[[Stage, trio.CancelScope], None]:
    def all_of_them(stage: Stage, call: trio.CancelScope) -> None:
        for each in blows:
            each(stage, call)

    return all_of_them


BLOWS: Final = (
    Blow("the daemon stops", 1001, stop),
    Blow("the call is cancelled", 1011, cancel),
    Blow("the caller vanishes", 1006, lose_caller),
    Blow("the model vanishes", 1011, lose_model),
    Blow("the daemon stops, and both legs are frozen", 1001, one_after_the_other(freeze_caller, freeze_model, stop)),
    Blow("cancelled, and both legs are frozen", 1011, one_after_the_other(freeze_caller, freeze_model, cancel)),
    Blow("the caller vanishes, the model is frozen", 1006, one_after_the_other(freeze_model, lose_caller)),
)


async def converse(stage: Stage) -> None:
    """A greeting, a turn, an answer that is interrupted after 600 ms, and a goodbye: three seconds."""
    model = await stage.answered()
    await model.say("greeting", ANSWER[:24_000], response_id="response-1")
    await stage.caller.quiet(Ms(100))
    await model.speech_started()
    await trio.sleep(0.4)
    await model.speech_stopped()
    await model.say("answer", ANSWER, response_id="response-2", pause=0.02)
    await stage.caller.hear(Ms(600))
    await model.speech_started()
    await trio.sleep(0.5)
    await stage.caller.hang_up()


async def converse_briefly(stage: Stage) -> None:
    """The same in a fifth of a second."""
    model = await stage.answered()
    await model.say("answer", ANSWER[:19_200], response_id="response-1")
    await stage.caller.hear(Ms(120))
    await model.speech_started()
    await trio.sleep(0.04)
    await stage.caller.hang_up()


async def act(stage: Stage, script: Script) -> None:
    """Play `script` while the caller keeps talking, and leave when the line is dead."""
    async with stage.caller.on_the_line(), trio.open_nursery() as actors:
        actors.start_soon(until_it_fails, partial(stage.caller.say, WORDS))
        actors.start_soon(until_it_fails, partial(script, stage))
        await stage.caller.until_ended()
        actors.cancel_scope.cancel()


async def until_it_fails(part: Callable[[], Awaitable[None]]) -> None:
    """A part in a play that may end at any moment."""
    with suppress(OpusagentError, NotSaid):
        await part()


def tasks() -> int:
    """How many there are."""
    return trio.lowlevel.current_statistics().tasks_living


async def perform(folder: Path, script: Script, call: trio.CancelScope, prepare: Callable[[Witness], None]) -> Witness:
    """A call inside `call`, with everything around it outside: both of its peers live to see how it ends."""
    before = tasks(), descriptors()
    ours, theirs = memory_pair()
    async with trio.open_nursery() as scenery:
        stage = Stage(ScriptedTwilioCaller(theirs), theirs, Ending(), scenery)
        line = WatchedLeg(ours)
        witness = Witness(folder, stage, [line])
        prepare(witness)
        scenery.start_soon(act, stage, script)
        caller = await answer(line, TwilioDialect())
        assert isinstance(caller, Caller)
        exchange = Exchange(witness.dial, Recorder(folder, witness.disk))
        with call:
            witness.report = await run_call(
                CALL, caller, PROFILE, exchange, stage.ending, started=STARTED, limits=HASTY
            )
        with trio.fail_after(1):
            await stage.caller.until_ended()
        scenery.cancel_scope.cancel()
    assert (tasks(), descriptors() - before[1]) == (before[0], frozenset())
    return witness


def play_struck(script: Script, blow: Blow, after: float) -> Witness:
    """Play `script` with a recording, struck after so many seconds, and check what is left of it."""
    call = trio.CancelScope()

    async def strike(witness: Witness) -> None:
        await trio.sleep(after)
        witness.strike(lambda: blow.falls(witness.stage, call))

    def prepare(witness: Witness) -> None:
        witness.stage.scenery.start_soon(strike, witness)

    with TemporaryDirectory() as folder:
        show = partial(perform, Path(folder), script, call, prepare)
        witness = trio.run(show, clock=MockClock(autojump_threshold=0))
        witness.check(blow.code)
    return witness


@settings(max_examples=60)
@given(blow=st.sampled_from(BLOWS), ms=st.integers(1, 3000))
def test_a_call_ends_well_at_any_instant(blow: Blow, ms: int) -> None:
    """Whoever ends it, whenever."""
    play_struck(converse, blow, ms / 1000)


def test_the_conversation_is_one_that_is_worth_ending() -> None:
    """Left alone it has a greeting, an answer and a barge-in, and lasts about as long as instants are drawn from."""
    report = play_struck(converse, BLOWS[0], 60).report
    assert report is not None
    assert (report.end, report.barge_ins) == (EndReason.CALLER_HUNG_UP, 1)
    assert 2 < report.seconds < 3


class Steps(trio.abc.Instrument):
    """Counts what the scheduler does, and strikes before the step that is named."""

    def __init__(self, at: int, call: trio.CancelScope) -> None:
        self.count = 0
        self.witness: Witness | None = None
        self._at: Final = at
        self._call: Final = call

    def prepare(self, witness: Witness) -> None:
        """From now on steps count."""
        self.witness = witness

    @override
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.witness is None:
            return
        self.count += 1
        if self.count == self._at:
            self.witness.strike(self._call.cancel)


def play_cancelled_at(step: int) -> int:
    """Play the short conversation, cancelled from outside before `step`. How many steps it took in all."""
    call = trio.CancelScope()
    steps = Steps(step, call)
    with TemporaryDirectory() as folder:
        show = partial(perform, Path(folder), converse_briefly, call, steps.prepare)
        trio.run(show, clock=MockClock(autojump_threshold=0), instruments=[steps]).check(INTERNAL_ERROR)
    return steps.count


def test_a_call_ends_well_if_it_is_cancelled_at_any_step() -> None:
    """Before every other step of the scheduler that a short call takes: no await is so short that none hits it."""
    steps = play_cancelled_at(0)
    assert steps > 200
    for step in range(1, steps + 1, 2):
        play_cancelled_at(step)
