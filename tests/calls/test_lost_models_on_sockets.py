"""The model's socket is killed in the middle of an answer, over real sockets on loopback: the caller hears it go on."""

from functools import partial
from urllib.parse import urlsplit

import trio

from opusagent.audio.media import PCM16_24K
from opusagent.call.moments import ModelBack, ModelLost, Moment
from opusagent.call.voice import CUT_OFF
from opusagent.daemon.config import Agent, Config, Listen, Realtime, Server, Twilio
from opusagent.daemon.server import Observer, run_daemon
from opusagent.demo.lines import dial_twilio
from opusagent.local.server import serve_local
from opusagent.local.voices import Cue, Reply, Utterance, chime
from opusagent.units import Ms, Pcm16

LONG = Pcm16(chime() * 8)
"""Nearly five seconds of speech."""


class Talker:
    """Says something long to everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.cues: list[Cue] = []

    def answer(self, cue: Cue) -> Reply:
        """The same to everybody."""
        self.cues.append(cue)
        return Reply(Utterance(LONG, "one two three four five six seven eight"))


async def live(voice: Talker, port: int, task_status: trio.TaskStatus[tuple[str, trio.CancelScope]]) -> None:
    """A backend, and what kills it."""
    with trio.CancelScope() as life:
        async with trio.open_nursery() as house:
            task_status.started((await house.start(partial(serve_local, voice, port=port)), life))


async def test_a_call_goes_on_within_four_seconds_after_its_models_socket_was_killed() -> None:
    """The whole backend dies and is restarted on its port; the caller hears the next session."""
    voice, moments = Talker(), list[Moment]()
    observer = Observer(on_moment=moments.append)
    with trio.fail_after(60):
        async with trio.open_nursery() as house:
            backend: tuple[str, trio.CancelScope] = await house.start(live, voice, 0)
            url, life = backend
            config = Config(
                server=Server(listen=Listen("127.0.0.1", 0)),
                realtime=Realtime(url=url),
                twilio=Twilio(insecure=True),
                agent=Agent(greeting="Hello."),
            )
            port = await house.start(partial(run_daemon, config, url, trio.Event(), observer=observer))
            async with dial_twilio(port) as visit, visit.caller.on_the_line():
                await visit.caller.hear(Ms(300))
                life.cancel()
                await house.start(live, voice, urlsplit(url).port)
                await visit.caller.hear(Ms(PCM16_24K.ms_of(len(LONG))))
                await visit.caller.hang_up()
            house.cancel_scope.cancel()
    assert any(isinstance(each, ModelLost) for each in moments)
    assert [each.gap < 4 for each in moments if isinstance(each, ModelBack)] == [True]
    assert CUT_OFF in voice.cues[1].instructions
