"""An agent of a configuration at work, for anyone to watch: its tools, its keys, its transfers, and its goodbye.

The daemon is the real one, and so are the tools; the model follows a script, and the caller, the receiver of webhooks
and Twilio's REST API are stand-ins on loopback. What the callers heard is compared with what was to be said, sample by
sample, as far as it had been played when the line ended.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, assert_never

import attrs
import trio

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K
from opusagent.call.report import CallReport, page
from opusagent.daemon.config import Config, Listen, Recording, Server, Twilio
from opusagent.daemon.server import Observer, run_daemon
from opusagent.demo.clinic import Act, Given, Listens, ListensFor, Presses, Says, Scene, scenes
from opusagent.demo.ear import heard_to_its_end
from opusagent.demo.lines import AnyCaller, dial_twilio
from opusagent.demo.show import Audience, leave_page
from opusagent.demo.speech import WORDS, load
from opusagent.demo.stand_ins import LOOPBACK, Receiver, TwilioApi, open_receivers
from opusagent.errors import PeerGone
from opusagent.local.conversation import is_models
from opusagent.local.script import Script
from opusagent.local.server import serve_local
from opusagent.local.voices import Cue, Reply
from opusagent.net.listener import Listener, bound_port, open_listeners, serve
from opusagent.realtime.events import Item
from opusagent.reports.latency import STAGES, stage_times
from opusagent.units import LoopTime, Ms

WHOLE: Final = 0.9
"""The likeness from which on a line counts as heard to its end. A whole one comes back with 0.97 and more."""

PATIENCE: Final = 60.0
"""Seconds that one call may take."""

QUIET: Final = Ms(900)
"""After so much of it the agent is taken to have said what it had to say."""


@attrs.frozen
class Prompter:
    """The script's voice, telling what the model calls and is given."""

    script: Script
    say: Callable[[str], None]
    given: list[Given] = attrs.field(factory=list[Given])

    def answer(self, cue: Cue) -> Reply:
        """What the script says to `cue`."""
        for item in _outputs(cue.items):
            tool = next((call.name for call in cue.items if call.name and call.call_id == item.call_id), "?")
            self.given.append(Given(tool, item.output or ""))
            self.say(f"{tool} gives {item.output}")
        reply = self.script.answer(cue)
        for call in reply.calls:
            self.say(f"the model calls {call.name} {call.arguments}")
        return reply


def _outputs(items: Sequence[Item]) -> Iterator[Item]:
    """What tools gave since the model's last item."""
    begin = max((place + 1 for place, item in enumerate(items) if is_models(item)), default=0)
    return (item for item in items[begin:] if item.type == "function_call_output")


@attrs.frozen
class Stage:
    """What a call takes place on."""

    config: Config
    twilio: TwilioApi
    audience: Audience


async def run_agent_demo(config: Config, output: Path, write: Callable[[str], object]) -> bool:
    """Hold every call of the play and show it; recordings and reports stay under `output`. Whether all of it happened.

    Raises:
        ConfigError: the play cannot be played with this agent.
        CannotBind: the port of a webhook is taken.
    """
    play, receivers = scenes(config), await open_receivers(config)
    api, audience = await open_listeners(LOOPBACK, 0), Audience(write)
    write("caller <-Twilio Media Streams-> daemon <-OpenAI Realtime-> scripted model, all on loopback\n")
    faults: list[str] = []
    async with trio.open_nursery() as world:
        twilio = TwilioApi(audience.say, world)
        await world.start(serve, receivers, Receiver(audience.say))
        await world.start(serve, api, twilio)
        stage = Stage(_staged(config, output, twilio, api), twilio, audience)
        for number, scene in enumerate(play, 1):
            write(f"\ncall {number}: {scene.title}\n")
            faults += [f"call {number}: {fault}" for fault in await hold_call(scene, stage)]
        world.cancel_scope.cancel()
    told = "".join(f"FAILED: {fault}\n" for fault in faults)
    write("\n" + (told or "everything happened, and the goodbye was heard to its end\n"))
    return not faults


def _staged(config: Config, output: Path, twilio: TwilioApi, api: Sequence[Listener]) -> Config:
    """The configuration, where nothing leaves this machine."""
    return attrs.evolve(
        config,
        server=Server(listen=Listen(LOOPBACK, 0)),
        twilio=Twilio(insecure=True),
        audiocodes=None,
        twilio_rest=twilio.account(bound_port(api)),
        recording=Recording(output),
    )


async def hold_call(scene: Scene, stage: Stage) -> Sequence[str]:
    """One call, with a daemon of its own. What did not happen in it."""
    audience, twilio, faults = stage.audience, stage.twilio, list[str]()
    audience.expect_call()
    twilio.asked.clear()
    prompter = Prompter(scene.script, audience.say)
    observer = Observer(audience.on_start, audience.on_moment, audience.on_report)
    async with trio.open_nursery() as house:
        url = await house.start(serve_local, prompter)
        config = attrs.evolve(stage.config, realtime=attrs.evolve(stage.config.realtime, url=url, api_key=None))
        port = await house.start(partial(run_daemon, config, url, trio.Event(), observer=observer))
        with trio.move_on_after(PATIENCE):
            async with dial_twilio(port) as visit, visit.caller.on_the_line():
                twilio.caller = visit.caller
                faults += await _play(scene.acts, visit.caller, audience)
                await visit.caller.until_ended()
            await audience.over.wait()
        house.cancel_scope.cancel()
    _show(audience)
    return [*faults, *_missing(scene, prompter.given, twilio.asked, audience.report)]


def _missing(scene: Scene, given: Sequence[Given], asked: Sequence[str], report: CallReport | None) -> Iterator[str]:
    """What the daemon and the stand-ins have not seen."""
    for expected in scene.outputs:
        if not any(each.tool == expected.tool and expected.words in each.words for each in given):
            yield f"{expected.tool} did not give {expected.words}"
    if len(asked) != 1 or scene.switched not in asked[0]:
        yield f"Twilio was not asked once for {scene.switched}, but for {', '.join(asked) or 'nothing'}"
    if report is None:
        yield f"the call was not over after {PATIENCE:g} s"
    elif (report.end, report.end_detail.partition("; ")[0]) != (scene.end.reason, scene.end.detail):
        yield f"the call ended because: {report.end.value} {report.end_detail}"
    elif report.model_errors:
        yield f"the model's service refused something: {report.model_errors}"


# -- the caller ------------------------------------------------------------------------------------------------------


async def _play(acts: Sequence[Act], caller: AnyCaller, audience: Audience) -> Sequence[str]:
    """Do one thing after the other. The lines that were not heard as they should have been."""
    faults: list[str] = []
    for act in acts:
        since = LoopTime(trio.current_time())
        try:
            expected = await _do(act, caller, audience)
        except PeerGone:
            return [*faults, f"the line ended before the caller could do this: {act}"]
        await _listen(caller, expected)
        faults += _compared(caller, since, expected, audience)
    return faults


async def _do(act: Act, caller: AnyCaller, audience: Audience) -> Sequence[str]:
    """Do it, and say which lines have to be heard then. Raises `PeerGone` if the line has ended."""
    match act:
        case Listens(hears):
            return hears
        case ListensFor(ms):
            await caller.hear(ms)
            return ()
        case Says(words, hears):
            audience.say(f'the caller says: "{WORDS[words]}"')
            await caller.say(Converter(MULAW_8K, caller.media).push(load(words)))
            return hears
        case Presses(keys, hears):
            audience.say(f"the caller presses {keys}")
            await caller.press(keys)
            return hears
    assert_never(act)


async def _listen(caller: AnyCaller, expected: Sequence[str]) -> None:
    """Hear what is said, if anything is expected, until it is quiet or the line ends."""
    if not expected:
        return
    with suppress(PeerGone):
        await caller.hear(Ms(200))
        await caller.quiet(QUIET)


def _compared(caller: AnyCaller, since: LoopTime, expected: Sequence[str], audience: Audience) -> Iterator[str]:
    """The lines of `expected` that the caller has not heard to their end since then."""
    sound = b"".join(heard.audio for heard in caller.heard if heard.at >= since)
    heard = Converter(caller.media, MULAW_8K).push(sound)
    for name in expected:
        alike = heard_to_its_end(load(name), heard)
        whole = alike >= WHOLE
        verdict = "to its end" if whole else "NOT to its end"
        audience.say(f'the caller heard {verdict}: "{WORDS[name]}" (likeness {alike:.2f})')
        if not whole:
            yield f'this was not heard to its end: "{WORDS[name]}"'


# -- what is left ----------------------------------------------------------------------------------------------------


def _show(audience: Audience) -> None:
    """The turns with their latencies, and where the rest is."""
    if audience.report is None or audience.folder is None:
        return
    leave_page(audience.folder, page(audience.report))
    audience.write("  turns, in milliseconds from the caller's last sound:\n")
    audience.write("".join(f"    {line}\n" for line in turn_lines(audience.report)))
    audience.write(f"  left in {audience.folder}: call.wav, transcript.jsonl, report.txt, report.json\n")


def turn_lines(report: CallReport) -> Iterator[str]:
    """Each turn, and how long its stages took. What no speech came before has no time from mouth to ear."""
    for number, turn in enumerate(report.turns, 1):
        times = stage_times([turn])
        told = "  ".join(f"{name} {times[name][0]:6.1f}" for name in STAGES if times[name])
        yield f"{number:2}  {told or 'no answer'}"
