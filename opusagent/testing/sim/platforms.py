"""The platforms: callers who dial the daemon's port, talk for a while, and leave in one way or another."""

from random import Random
from typing import Final

import attrs
import trio

from opusagent.errors import OpusagentError
from opusagent.net.limits import PLATFORM
from opusagent.net.sockets import connect
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.caller import LineEnded
from opusagent.testing.sim.dice import Dice, uniform
from opusagent.testing.sim.plan import Call
from opusagent.testing.sim.trace import Trace
from opusagent.testing.sim.voice import Manners, Voice
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.twilio_messages import Identity
from opusagent.units import Ms

LOOK_SECONDS: Final = 0.25
"""How often AudioCodes looks whether its socket has broken, before it dials again."""

AnyCaller = ScriptedTwilioCaller | ScriptedAudioCodesCaller


@attrs.define(eq=False)
class Platforms:
    """Everybody who calls. `address` is the daemon's, as `ws://host:port`."""

    address: str
    dice: Dice
    trace: Trace
    vanishing: bool = False
    """Whether callers may go without a word."""
    manners: Manners = attrs.field(factory=Manners, init=False)
    callers: list[AnyCaller] = attrs.field(factory=list[AnyCaller], init=False)
    refused: int = attrs.field(default=0, init=False)

    async def place(self, call: Call, name: str) -> AnyCaller | None:
        """One call, from the dial to the end of the line. None if it was not put through."""
        dice = self.dice.of(f"caller {name}")
        await trio.sleep(call.begins)
        caller: AnyCaller | None = None
        async with trio.open_nursery() as plumbing:
            try:
                caller = _caller(call.platform, await self._dial(call.platform, plumbing, dice), name, dice)
            except OpusagentError as refused:
                self.refused += 1
                self.trace.note("call", name, "refused:", type(refused).__name__)
            else:
                self.callers.append(caller)
                await self._be_on_the_line(caller, call, dice, plumbing)
                self.trace.note("call", name, "over:", caller.ended and caller.ended.code, caller.heard_bytes)
            plumbing.cancel_scope.cancel()
        return caller

    async def _dial(self, platform: str, plumbing: trio.Nursery, dice: Random) -> Voice:
        path = "/twilio/media" if platform == "twilio" else "/audiocodes"
        return Voice(await connect(plumbing, f"{self.address}{path}", [], PLATFORM), self.manners, dice)

    async def _be_on_the_line(self, caller: AnyCaller, call: Call, dice: Random, plumbing: trio.Nursery) -> None:
        async with caller.on_the_line(), trio.open_nursery() as beside:
            if isinstance(caller, ScriptedAudioCodesCaller):
                beside.start_soon(self._come_back, caller, dice, plumbing)
            with trio.move_on_after(call.seconds):
                await _talk(caller, dice)
            if not (self.vanishing and dice.random() < 0.7):
                await caller.hang_up()
            beside.cancel_scope.cancel()

    async def _come_back(self, caller: ScriptedAudioCodesCaller, dice: Random, plumbing: trio.Nursery) -> None:
        """Dial again whenever the socket has broken."""
        seen = 0
        while caller.ended is None:
            await trio.sleep(LOOK_SECONDS)
            if len(caller.breaks) > seen:
                seen = len(caller.breaks)
                try:
                    await caller.resume(await self._dial("audiocodes", plumbing, dice))
                except OpusagentError as refused:
                    self.trace.note("resume refused:", type(refused).__name__)


async def _talk(caller: AnyCaller, dice: Random) -> LineEnded:
    """Say something, press something, listen; when the line is dead, know it."""
    try:
        await caller.silence(Ms(40))  # nobody presses a key before the platform has begun
        while True:
            match dice.randrange(4):
                case 0:
                    await caller.say(b"\x90" * caller.media.bytes_of(Ms(dice.randint(20, 800))))
                case 1:
                    await caller.press(dice.choice("0123456789*#"))
                case 2:
                    await caller.hear(Ms(dice.randint(20, 500)))
                case _:
                    await caller.silence(Ms(dice.randint(20, 800)))
    except OpusagentError:
        return await caller.until_ended()


def _caller(platform: str, socket: Voice, name: str, dice: Random) -> AnyCaller:
    delays = uniform(dice, 0.0, dice.choice((0.0, 0.1)))
    if platform == "twilio":
        who = Identity(call_sid=f"CA{name:0>32}", stream_sid=f"MZ{name:0>32}")
        start = dice.choice((0.0, 0.3))
        return ScriptedTwilioCaller(socket, who, arrival_delays=delays, echo_delays=delays, start_delay=start)
    conversation = Conversation(
        conversation_id=f"conversation-{name}",
        formats=(dice.choice(("raw/mulaw", "raw/lpcm16_8", "raw/lpcm16", "raw/lpcm16_24", "wav/lpcm16")),),
        barges_in=dice.random() < 0.7,
        names_caller_first=dice.random() < 0.5,
    )
    return ScriptedAudioCodesCaller(socket, conversation, arrival_delays=delays)
