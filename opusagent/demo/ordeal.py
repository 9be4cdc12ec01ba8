"""A call that something happens to, over real sockets and in real time: what it was, what was heard, who took over.

The caller is greeted, asks something, and it happens. Then they wait for what comes, ask something else, and leave. How
long they heard nothing while it was not their turn is measured by the sound at their ear.
"""

import errno
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, assert_never

import attrs
import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.clips import TONE, built_in
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.disk import SharedDisk
from opusagent.call.moments import AnswerBegan, ModelBack, Moment
from opusagent.call.policy import SILENCE
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport, page
from opusagent.daemon.server import Observer, run_daemon
from opusagent.demo.ear import presence
from opusagent.demo.faults import DiskFault, LineFault, Ordeal, Outcome
from opusagent.demo.lines import LINES, Line, Platform, Visit
from opusagent.demo.show import ALIKE, Audience, ask, configuration, leave_page
from opusagent.demo.silences import longest_silence
from opusagent.demo.speech import WORDS, load
from opusagent.errors import PeerGone
from opusagent.local.faults import Mischief
from opusagent.local.server import serve_local
from opusagent.net.limits import PLATFORM
from opusagent.units import LoopTime, Ms

BOUND: Final = DEAD_AIR_SECONDS + SILENCE
"""Seconds that a caller may hear nothing: it is not known before some silence that they have spoken."""

SLACK: Final = 0.5
"""Seconds that a busy machine may be late."""

PATIENCE: Final = 60.0
"""Seconds that the whole call may take."""

QUIET: Final = Ms(1500)
"""After so much of it a caller takes it that all was said."""

LIKE_THE_APOLOGY: Final = 0.8
"""The likeness from which on the apology counts as heard. What is whole comes back with 0.97 and more."""

NOTICED: Final = PLATFORM.ping_seconds + PLATFORM.pong_seconds
"""Seconds after which it is known at the latest that a platform is gone."""


@attrs.define(eq=False)
class Watch:
    """What is seen of one call from outside, and how long its caller heard nothing."""

    audience: Audience
    struck: trio.Event = attrs.field(factory=trio.Event)
    back: trio.Event = attrs.field(factory=trio.Event)
    answered: trio.Event = attrs.field(factory=trio.Event)
    """By another session."""
    struck_at: float = math.inf
    over_at: float = math.inf
    silence: float = 0.0
    alike: float = 0.0
    sound: bytes = b""
    """All that the caller heard, as mu-law."""

    def on_fault(self, what: str) -> None:
        """It has happened."""
        self.audience.say(f"FAULT: {what}")
        self.struck_at = min(self.struck_at, trio.current_time())
        self.struck.set()

    def on_moment(self, moment: Moment) -> None:
        """Something happened in the call, as the daemon sees it."""
        self.audience.on_moment(moment)
        if isinstance(moment, ModelBack):
            self.back.set()
        elif isinstance(moment, AnswerBegan) and self.back.is_set():
            self.answered.set()

    def on_report(self, report: CallReport) -> None:
        """The call is over."""
        self.over_at = trio.current_time()
        self.audience.on_report(report)


@attrs.frozen
class FailingDisk:
    """A disk that does all work until `fault` is struck, and then fails or hangs."""

    fault: DiskFault
    struck: trio.Event
    disk: SharedDisk = attrs.field(factory=partial(SharedDisk, abandon_on_cancel=True))

    async def __call__(self, work: Callable[[], None]) -> None:
        """Have `work` done, if the disk still does any. Raises `OSError`."""
        if not self.struck.is_set():
            await self.disk(work)
        elif self.fault is DiskFault.HANGS:
            await trio.sleep_forever()
        else:
            await trio.lowlevel.checkpoint()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def run_ordeal(
    ordeal: Ordeal, output: Path, write: Callable[[str], object], platform: Platform = "twilio"
) -> bool:
    """Place the call, show it, leave what there is under `output`. Whether nobody was left in silence, and all else."""
    line, watch = LINES[platform], Watch(Audience(write))
    write(f"one call: caller <-{line.name}-> daemon <-OpenAI Realtime-> parrot, all on loopback\n")
    write(f"what will happen: {ordeal.title}\n")
    observer = Observer(watch.audience.on_start, watch.on_moment, watch.on_report)
    disk = None if ordeal.disk is None else FailingDisk(ordeal.disk, watch.struck)
    async with trio.open_nursery() as house:
        url = await house.start(partial(serve_local, mischief=Mischief(ordeal.model), tell=watch.on_fault))
        daemon = partial(run_daemon, configuration(output, url), url, trio.Event(), observer=observer, disk=disk)
        port = await house.start(daemon)
        with trio.move_on_after(PATIENCE):
            await _call(ordeal, line, port, watch)
            await watch.audience.over.wait()
        house.cancel_scope.cancel()
    return _verdict(ordeal, watch, Outcome.GOES_ON if line.breaks and ordeal.resumed else ordeal.outcome)


async def _call(ordeal: Ordeal, line: Line, port: int, watch: Watch) -> None:
    async with line.dial(port) as visit, visit.caller.on_the_line():
        try:
            await _converse(ordeal, visit, watch)
            await visit.caller.hang_up()
        except PeerGone:
            watch.audience.say("the line has ended")
        heard = b"".join(piece.audio for piece in visit.caller.heard)
        watch.sound = Converter(visit.caller.media, MULAW_8K).push(heard)


async def _converse(ordeal: Ordeal, visit: Visit, watch: Watch) -> None:
    """Be greeted, ask, have it happen, hear what comes, and ask again. Raises `PeerGone` if the line ends before."""
    caller, since = visit.caller, LoopTime(trio.current_time())
    await caller.hear(Ms(300))
    await caller.quiet(QUIET)
    _measure(visit, watch, since)
    watch.audience.say(f'caller: "{WORDS["appointment"]}"')
    await caller.say(Converter(MULAW_8K, caller.media).push(load("appointment")))
    since = LoopTime(trio.current_time())
    try:
        await _suffer(ordeal, visit, watch)
    finally:
        _measure(visit, watch, since)
    watch.alike = await ask(caller, watch.audience, "goodbye")


def _measure(visit: Visit, watch: Watch, since: LoopTime) -> None:
    """How long the caller has heard nothing at the most, since then. When all was said, it is their own turn."""
    ended, now = visit.caller.ended, trio.current_time()
    until = LoopTime(now - QUIET / 1000) if ended is None else ended.at
    silence = longest_silence(visit.caller.heard, visit.caller.media, since, until)
    watch.silence = max(watch.silence, silence)
    watch.audience.say(f"the caller heard nothing for {silence:.2f} s at the most")


async def _suffer(ordeal: Ordeal, visit: Visit, watch: Watch) -> None:
    """Have it happen, and hear what comes of it until it is quiet. Raises `PeerGone` if the line ends before."""
    caller = visit.caller
    if ordeal.line is not None or ordeal.disk is not None:
        await caller.hear(Ms(600))
    if ordeal.disk is not None:
        watch.on_fault(ordeal.disk.value)
    if ordeal.line is not None:
        watch.on_fault(ordeal.line.value)
        await _break(ordeal.line, visit)
        if visit.come_back is None or not ordeal.resumed:
            await caller.until_ended()
        else:
            await visit.come_back()
    await watch.struck.wait()
    if ordeal.replaced:
        await watch.answered.wait()
    if ordeal.outcome is Outcome.APOLOGY:
        await caller.until_ended()
    await caller.hear(Ms(200))
    await caller.quiet(QUIET)


async def _break(fault: LineFault, visit: Visit) -> None:
    match fault:
        case LineFault.VANISH:
            visit.wire.vanish()
        case LineFault.HALF_CLOSE:
            visit.wire.half_close()
        case LineFault.FREEZE:
            visit.wire.stall()
        case LineFault.BABBLE:
            with suppress(PeerGone):
                await visit.socket.send("{")
        case _:
            assert_never(fault)


# -- what came of it ---------------------------------------------------------------------------------------------------


def _verdict(ordeal: Ordeal, watch: Watch, outcome: Outcome) -> bool:
    audience, report = watch.audience, watch.audience.report
    if report is not None and audience.folder is not None and audience.folder.is_dir():
        leave_page(audience.folder, page(report))
        audience.write(f"\n{page(report)}\nleft in {audience.folder}: report.txt and what the call recorded\n")
    faults = list(problems(ordeal, watch, outcome))
    if faults:
        audience.write("".join(f"FAILED: {fault}\n" for fault in faults))
    elif outcome is Outcome.OVER:
        audience.write(f"{outcome.value}, {watch.over_at - watch.struck_at:.2f} s after it happened\n")
    else:
        audience.write(f"{outcome.value}; the caller heard nothing for {watch.silence:.2f} s at the most\n")
    return not faults


def problems(ordeal: Ordeal, watch: Watch, outcome: Outcome) -> Iterator[str]:
    """What should have come of it and did not; `outcome` is what should, on this platform."""
    report = watch.audience.report
    if report is None:
        yield f"the call did not come to its end within {PATIENCE:g} s"
        return
    if not watch.struck.is_set():
        yield "it has not happened"
    end = EndReason.CALLER_HUNG_UP if outcome is Outcome.GOES_ON else ordeal.end
    if report.end is not end:
        yield f"the call ended because: {report.end.value} ({report.end_detail})"
    if (ordeal.disk is not None) != (report.recording_fault is not None):
        yield f"the report says of the recording: {report.recording_fault}"
    took = watch.over_at - watch.struck_at
    match outcome:
        case Outcome.OVER if took > NOTICED + SLACK:
            yield f"it was over {took:.2f} s after it happened, and {NOTICED:g} s is the bound"
        case Outcome.GOES_ON | Outcome.APOLOGY if watch.silence > BOUND + SLACK:
            yield f"the caller heard nothing for {watch.silence:.2f} s, and {BOUND:g} s is the bound"
        case Outcome.GOES_ON if watch.alike < ALIKE:
            yield "the caller was not answered again"
        case Outcome.APOLOGY if report.audio.model_held or not _apologised(watch.sound):
            yield "the caller heard no apology"
        case _:
            pass


def _apologised(sound: bytes) -> bool:
    """Whether the caller heard the apology: half of its first tone at least, which no other sound has.

    A machine that is late may tear the other half. Whether all of it was heard is in the report's account.
    """
    tone = Converter(PCM16_24K, MULAW_8K).push(built_in(PCM16_24K).apology)[: MULAW_8K.bytes_of(TONE)]
    half = len(tone) // 2
    return max(presence(tone[:half], sound), presence(tone[half:], sound)) >= LIKE_THE_APOLOGY
