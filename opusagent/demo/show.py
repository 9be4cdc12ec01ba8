"""One call that anyone can watch: the daemon, the embedded model and a caller, joined by real sockets on loopback."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K
from opusagent.call.moments import Moment
from opusagent.call.report import CallReport, page, tell
from opusagent.daemon.config import Agent, AudioCodes, Config, Listen, Realtime, Recording, Server, Twilio
from opusagent.daemon.server import Observer, run_daemon
from opusagent.demo.ear import likeness
from opusagent.demo.lines import LINES, AnyCaller, Line, Platform, Visit
from opusagent.demo.speech import WORDS, load
from opusagent.local.server import serve_local
from opusagent.plain import plain
from opusagent.units import CallId, LoopTime, Ms

GREETING: Final = "Hello, this is the parrot. I say what you say."

ALIKE: Final = 0.5
"""The likeness from which on an answer counts as heard. The parrot's own words come back with 0.9 and more."""

PATIENCE: Final = 90.0
"""Seconds that the whole call may take."""


@attrs.define(eq=False)
class Audience:
    """Prints what happens, with the seconds since the call began."""

    write: Callable[[str], object]
    folder: Path | None = None
    report: CallReport | None = None
    over: trio.Event = attrs.field(factory=trio.Event)
    _began: LoopTime | None = None

    def expect_call(self) -> None:
        """Another call will begin."""
        self.folder, self.report, self.over = None, None, trio.Event()

    def on_start(self, call_id: CallId, folder: Path | None) -> None:
        """The call begins; its recording can be played from now on."""
        self._began = LoopTime(trio.current_time())
        self.folder = folder
        self.say(f"call {call_id} begins; play its recording at any time: {folder}/call.wav")

    def on_moment(self, moment: Moment) -> None:
        """Something happened in the call, as the daemon sees it."""
        self.say(tell(moment, LoopTime(trio.current_time())).what)

    def on_report(self, report: CallReport) -> None:
        """The call is over."""
        self.report = report
        self.over.set()

    def say(self, what: str) -> None:
        """One line."""
        since = 0.0 if self._began is None else trio.current_time() - self._began
        self.write(f"{since:7.2f} s  {plain(what)}\n")


async def run_demo(output: Path, write: Callable[[str], object], platform: Platform = "twilio") -> bool:
    """Place the call, show it, leave its recording and report under `output`. Whether the caller heard the answers."""
    line = LINES[platform]
    audience = Audience(write)
    observer = Observer(audience.on_start, audience.on_moment, audience.on_report)
    write(f"one call: caller <-{line.name}-> daemon <-OpenAI Realtime-> parrot, all on loopback\n")
    likenesses: list[float] = []
    async with trio.open_nursery() as house:
        url = await house.start(serve_local)
        stop = trio.Event()
        port = await house.start(partial(run_daemon, configuration(output, url), url, stop, observer=observer))
        with trio.move_on_after(PATIENCE):
            likenesses = await place_call(line, port, audience)
            await audience.over.wait()
        house.cancel_scope.cancel()
    return _verdict(audience, likenesses, line.breaks)


def configuration(output: Path, model_url: str) -> Config:
    """What a configuration file would say."""
    return Config(
        server=Server(listen=Listen("127.0.0.1", 0)),
        realtime=Realtime(url=model_url),
        twilio=Twilio(insecure=True),
        audiocodes=AudioCodes(insecure=True),
        agent=Agent(instructions="You are a parrot.", greeting=GREETING),
        recording=Recording(output),
    )


async def place_call(line: Line, port: int, audience: Audience) -> list[float]:
    """Dial the daemon as the platform does and talk. How alike each answer was to what had been said."""
    async with line.dial(port) as visit, visit.caller.on_the_line():
        likenesses = await _talk(visit, audience)
        await visit.caller.hang_up()
    return likenesses


async def _talk(visit: Visit, audience: Audience) -> list[float]:
    caller = visit.caller
    await caller.hear(Ms(300))
    await caller.quiet(Ms(500))
    likenesses = [await ask(caller, audience, "appointment")]
    await _begin_to_ask(caller, audience, "opening_hours")
    if visit.come_back is not None:
        visit.wire.vanish()
        await visit.come_back()
    likenesses.append(await ask(caller, audience, "interruption"))
    likenesses.append(await ask(caller, audience, "goodbye"))
    return likenesses


async def _begin_to_ask(caller: AnyCaller, audience: Audience, name: str) -> None:
    """Say something and hear one second of the answer; the caller is impatient."""
    audience.say(f'caller: "{WORDS[name]}"')
    await caller.say(Converter(MULAW_8K, caller.media).push(load(name)))
    await caller.hear(Ms(1000))


async def ask(caller: AnyCaller, audience: Audience, name: str) -> float:
    """Say something, hear the whole answer, and how alike it was. Raises `PeerGone` if the line ends before."""
    audience.say(f'caller: "{WORDS[name]}"')
    words = load(name)
    await caller.say(Converter(MULAW_8K, caller.media).push(words))
    since = trio.current_time()
    await caller.hear(Ms(200))
    await caller.quiet(Ms(700))
    heard = b"".join(heard.audio for heard in caller.heard if heard.at >= since)
    answer = Converter(caller.media, MULAW_8K).push(heard)
    alike = likeness(words, answer)
    audience.say(f"caller heard {len(answer) // 8} ms of answer, likeness to the words said {alike:.2f}")
    return alike


def leave_page(folder: Path, text: str) -> None:
    """Leave the report for people beside the others, for its owner only as they are."""
    descriptor = os.open(folder / "report.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _verdict(audience: Audience, likenesses: list[float], breaks: int) -> bool:
    if audience.report is None or audience.folder is None:
        audience.write(f"FAILED: the call did not come to its end within {PATIENCE:g} s\n")
        return False
    text = page(audience.report)
    leave_page(audience.folder, text)
    happened = (audience.report.barge_ins, len(audience.report.line_gaps))
    heard = bool(likenesses) and min(likenesses) >= ALIKE and happened == (1, breaks)
    audience.write(f"\n{text}\n")
    audience.write(f"recording: {audience.folder}/call.wav\nreport:    {audience.folder}/report.txt, report.json\n")
    audience.write("the caller heard every answer\n" if heard else "FAILED: the caller did not hear every answer\n")
    return heard
