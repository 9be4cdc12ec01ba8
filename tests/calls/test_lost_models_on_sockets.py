"""The model's socket is killed in the middle of a turn, over real sockets on loopback: the caller hears the call go on.

The socket is reset, with what was on its way, and nobody says goodbye. How long the caller heard nothing is measured at
their ear, by the sound: not by what the daemon says of itself.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import attrs
import trio

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.call.moments import ModelBack, ModelLost, Moment
from opusagent.call.voice import CUT_OFF
from opusagent.daemon.config import Agent, Config, Listen, Realtime, Server, Twilio
from opusagent.daemon.server import Observer, run_daemon
from opusagent.demo.ear import likeness
from opusagent.demo.lines import AnyCaller, dial_twilio
from opusagent.demo.silences import longest_silence
from opusagent.demo.speech import load
from opusagent.local.answers import Pace
from opusagent.local.faults import At, Mischief, Misdeed, Mishap
from opusagent.local.server import serve_local
from opusagent.local.voices import Cue, Parrot, Reply, Utterance, Voice, chime
from opusagent.units import LoopTime, Ms, Pcm16

BOUND = 4.0

LONG = Pcm16(chime() * 8)
"""Nearly five seconds of sound."""

UNHURRIED = Pace(speed=1.1)
"""Hardly faster than it is heard, so that what was said before the loss does not hide it."""


class Talker:
    """Says something long to everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.cues: list[Cue] = []

    def answer(self, cue: Cue) -> Reply:
        """The same to everybody."""
        self.cues.append(cue)
        return Reply(Utterance(LONG, "one two three four five six seven eight"))


@attrs.frozen
class Told:
    """What the daemon tells of its model."""

    moments: list[Moment] = attrs.field(factory=list[Moment])
    back: trio.Event = attrs.field(factory=trio.Event)

    def on_moment(self, moment: Moment) -> None:
        """Something happened."""
        self.moments.append(moment)
        if isinstance(moment, ModelBack):
            self.back.set()

    @property
    def changes(self) -> list[type[Moment]]:
        """Losses and their ends, in order."""
        return [type(each) for each in self.moments if isinstance(each, ModelLost | ModelBack)]


@attrs.frozen
class Scene:
    """A caller, and what their daemon tells."""

    caller: AnyCaller
    told: Told

    def silence_since(self, since: float) -> float:
        """The longest time in which the caller has heard nothing."""
        now = LoopTime(trio.current_time())
        return longest_silence(self.caller.heard, self.caller.media, LoopTime(since), now)


@asynccontextmanager
async def a_call(url: str, agent: Agent) -> AsyncGenerator[Scene]:
    """A call by Twilio to a daemon of its own, whose model is dialled at `url`."""
    told = Told()
    config = Config(
        server=Server(listen=Listen("127.0.0.1", 0)),
        realtime=Realtime(url=url),
        twilio=Twilio(insecure=True),
        agent=agent,
    )
    with trio.fail_after(60):
        async with trio.open_nursery() as house:
            observer = Observer(on_moment=told.on_moment)
            port = await house.start(partial(run_daemon, config, url, trio.Event(), observer=observer))
            async with dial_twilio(port) as visit, visit.caller.on_the_line():
                yield Scene(visit.caller, told)
                await visit.caller.hang_up()
            house.cancel_scope.cancel()


@asynccontextmanager
async def a_backend(voice: Voice, at: At) -> AsyncGenerator[str]:
    """A model whose socket is reset at that moment of its first session."""
    mischief = Mischief((Mishap(Misdeed.VANISH, at),))
    async with trio.open_nursery() as house:
        yield await house.start(partial(serve_local, voice, pace=UNHURRIED, mischief=mischief))
        house.cancel_scope.cancel()


async def test_an_answer_goes_on_within_four_seconds_after_its_models_socket_was_killed() -> None:
    voice = Talker()
    kill = At("response.created", seconds=1.5)
    async with a_backend(voice, kill) as url, a_call(url, Agent(greeting="Hello.")) as scene:
        await scene.caller.hear(Ms(100))
        since = trio.current_time()
        await scene.told.back.wait()
        before = scene.caller.heard_bytes
        await scene.caller.hear(Ms(PCM16_24K.ms_of(len(LONG))))
        assert MULAW_8K.ms_of(before) < PCM16_24K.ms_of(len(LONG)) / 2, "it was killed in the middle"
        assert scene.silence_since(since) < BOUND
    assert scene.told.changes == [ModelLost, ModelBack]
    assert CUT_OFF in voice.cues[1].instructions


async def test_what_a_caller_says_is_answered_though_the_models_socket_was_killed_while_they_spoke() -> None:
    """Every word of it: the parrot's answer is what was said, from its beginning to its end."""
    words = load("appointment")
    kill = At("input_audio_buffer.speech_started", seconds=1.5)
    async with a_backend(Parrot(), kill) as url, a_call(url, Agent()) as scene:
        await scene.caller.say(words)
        since = trio.current_time()
        assert scene.told.changes == [ModelLost, ModelBack], "it was killed while they spoke"
        await scene.caller.hear(Ms(MULAW_8K.ms_of(len(words)) - 400))
        assert scene.silence_since(since) < BOUND
        await scene.caller.quiet(Ms(600))
    assert likeness(words, b"".join(each.audio for each in scene.caller.heard)) > 0.95


async def live(voice: Voice, port: int, task_status: trio.TaskStatus[tuple[str, trio.CancelScope]]) -> None:
    """A backend, and what ends it."""
    with trio.CancelScope() as life:
        async with trio.open_nursery() as house:
            task_status.started((await house.start(partial(serve_local, voice, pace=UNHURRIED, port=port)), life))


async def test_a_call_goes_on_within_four_seconds_after_its_whole_backend_was_started_anew() -> None:
    voice = Talker()
    async with trio.open_nursery() as world:
        backend: tuple[str, trio.CancelScope] = await world.start(live, voice, 0)
        url, life = backend
        async with a_call(url, Agent(greeting="Hello.")) as scene:
            await scene.caller.hear(Ms(300))
            since = trio.current_time()
            life.cancel()
            await world.start(live, voice, urlsplit(url).port)
            await scene.told.back.wait()
            await scene.caller.hear(Ms(PCM16_24K.ms_of(len(LONG))))
            assert scene.silence_since(since) < BOUND
        world.cancel_scope.cancel()
    assert CUT_OFF in voice.cues[1].instructions
