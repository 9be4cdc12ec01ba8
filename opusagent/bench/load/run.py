"""One measurement: so many calls at once for so many seconds against one program."""

import asyncio
import base64
import contextlib
import gc
import os
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Final, assert_never

import attrs

from opusagent.bench.load.account import Account
from opusagent.bench.load.audiocodes import AudioCodesCaller
from opusagent.bench.load.caller import FRAME, Caller, TwilioCaller
from opusagent.bench.load.line import Line
from opusagent.bench.load.service import Answers, Service, Session
from opusagent.bench.load.subjects import Running, Subject, at_work
from opusagent.bench.load.voices import CYCLE_FRAMES, MULAW, PCM_24K, caller_frames

WARM_UP: Final = 1.0
"""Seconds between the last call's beginning and the measuring."""
GRACE: Final = 0.5
"""Seconds in which what is under way may arrive."""
PATIENCE: Final = 20.0
"""Seconds that a call may take to be put through."""
LONGEST_END: Final = 30.0


@attrs.frozen
class Load:
    """How busy the generator was: of one core, and how late it sent its frames, in milliseconds."""

    share: float
    lateness: Sequence[float]


@attrs.frozen
class Outcome:
    """What was found: CPU in milliseconds per second of call, memory in megabytes, and each call's account."""

    subject: str
    calls: int
    cpu_ms: float
    cores: float
    memory: float
    idle_memory: float
    accounts: Sequence[Account]
    load: Load


@attrs.frozen(eq=False)
class Stimulus:
    """All that callers and models ever say, rendered once."""

    frames: Mapping[str, Sequence[bytes]]
    answers: Answers

    @classmethod
    def rendered(cls) -> "Stimulus":
        """Renders it, which takes a moment."""
        frames = {each.name: [base64.b64encode(frame) for frame in caller_frames(each)] for each in (MULAW, PCM_24K)}
        return cls(frames, Answers.rendered())

    def caller(self, subject: Subject, account: Account, number: int, phase: int) -> Caller:
        """A caller as `subject` expects them."""
        match subject.platform:
            case "twilio":
                return TwilioCaller(account, number, self.frames[MULAW.name], phase)
            case "audiocodes":
                return AudioCodesCaller(account, number, self.frames[PCM_24K.name], phase)
        assert_never(subject.platform)


@attrs.define(eq=False)
class Call:
    """One call, both ends of it."""

    caller: Caller
    session: Session
    account: Account


async def measure(subject: Subject, calls: int, seconds: float, stimulus: Stimulus) -> Outcome:
    """Put `calls` through to `subject`, measure for `seconds`, and hang up."""
    service = Service()
    server, port = await service.serve()
    try:
        with own_core(subject.processes) as cores, at_work(subject, port, cores) as running:
            await running.listen()
            return await _measure(subject, running, service, stimulus, calls, seconds)
    finally:
        server.close()


async def _measure(
    subject: Subject, running: Running, service: Service, stimulus: Stimulus, calls: int, seconds: float
) -> Outcome:
    first = await put_through(running, service, stimulus, subject, 0, 0)
    await asyncio.sleep(WARM_UP)
    await hang_up([first])
    idle = running.memory()
    talking = [
        await put_through(running, service, stimulus, subject, number, CYCLE_FRAMES * number // calls)
        for number in range(1, calls + 1)
    ]
    await asyncio.sleep(WARM_UP)
    gc.collect()
    gc.disable()
    began, cpu, own = time.monotonic(), running.cpu(), time.process_time()
    await asyncio.sleep(seconds)
    took, used, busy = time.monotonic() - began, running.cpu() - cpu, time.process_time() - own
    gc.enable()
    memory = running.memory()
    await hang_up(talking)
    lateness = [late for call in talking for late in call.caller.lateness]
    return Outcome(
        subject=subject.name,
        calls=calls,
        cpu_ms=used * 1000 / took / calls,
        cores=used / took,
        memory=memory,
        idle_memory=idle,
        accounts=[call.account for call in talking],
        load=Load(busy / took, lateness),
    )


async def put_through(
    running: Running, service: Service, stimulus: Stimulus, subject: Subject, number: int, phase: int
) -> Call:
    """One more call; it talks when this returns."""
    loop = asyncio.get_running_loop()
    account = Account(dialled=loop.time())
    caller = stimulus.caller(subject, account, number, phase)
    session = Session(account, stimulus.answers, loop.time() - phase * FRAME, asyncio.Event(), asyncio.Event())
    service.waiting.append(session)
    await loop.create_connection(lambda: Line(caller, subject.path), "127.0.0.1", running.port)
    async with asyncio.timeout(PATIENCE):
        await session.joined.wait()
    return Call(caller, session, account)


async def hang_up(calls: Sequence[Call], grace: float = GRACE) -> None:
    """End them all, `grace` seconds after their last words, and settle their accounts."""
    for call in calls:
        call.caller.hush()
    await asyncio.sleep(grace)
    ending = asyncio.get_running_loop().time()
    for call in calls:
        call.caller.hang_up()
    ends = [end for call in calls for end in (call.caller.ended, call.session.ended)]
    await asyncio.wait([asyncio.ensure_future(end.wait()) for end in ends], timeout=LONGEST_END)
    for call in calls:
        call.account.up.settle()
        call.account.down.settle(ending)
        if not (call.caller.ended.is_set() and call.session.ended.is_set()):
            call.account.failure = f"had not ended {LONGEST_END:g} s after the caller hung up"


@contextlib.contextmanager
def own_core(processes: int) -> Generator[Sequence[set[int]]]:
    """A core for each of so many processes; meanwhile this one has what is left, or the last if none is."""
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, every[processes:] or every[-1:])
    try:
        yield [{core} for core in every[:processes]]
    finally:
        os.sched_setaffinity(0, every)
