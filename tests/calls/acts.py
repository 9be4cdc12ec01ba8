"""What models and tools do in several scripts."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import repeat

import attrs
import trio

from opusagent.call.ending import Ending
from opusagent.call.exchange import Profile
from opusagent.call.hands import Hands, NoHands, Say
from opusagent.call.policy import Policy
from opusagent.call.tool_calls import ToolCall
from opusagent.realtime.events import ConversationItemAdded, Item, Response, ResponseCreated, ResponseOutputItemDone
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import PROFILE, Stage
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Pcm16

SECOND = Pcm16(bytes(24_000 * 2))
"""A second of the model's speech: silence, which is sound like any other."""

NO_HANDS = NoHands()

Work = Callable[[ToolCall], Awaitable[str]]
"""What a tool does."""


def profile(policy: Policy, hands: Hands = NO_HANDS) -> Profile:
    """A profile whose conversation is held by `policy`."""

    def hands_for(say: Say) -> Hands:
        del say
        return hands

    return Profile(PROFILE.opening, attrs.evolve(policy, instructions="Be brief."), hands=hands_for)


def function_call(call_id: str, name: str, arguments: str = "{}") -> Item:
    """A whole tool call."""
    return Item(
        type="function_call", id=f"item-{call_id}", status="completed", call_id=call_id, name=name, arguments=arguments
    )


async def call_tools(model: ScriptedModel, response_id: str, *calls: Item) -> None:
    """A response that says nothing and calls tools."""
    await model.send(ResponseCreated(response=Response(id=response_id)))
    await call_more_tools(model, response_id, *calls)
    await model.response_done(response_id, output=calls)


async def call_more_tools(model: ScriptedModel, response_id: str, *calls: Item) -> None:
    """The calls of a response that has begun and is not over."""
    for place, call in enumerate(calls):
        await model.send(ResponseOutputItemDone(response_id=response_id, output_index=place, item=call))


async def confirm(model: ScriptedModel, item: Item) -> None:
    """The service has put into the conversation what it was told."""
    await model.send(ConversationItemAdded(item=item))


@attrs.define(eq=False)
class ScriptedHands:
    """Tools that do what a test says, and a note of who was transferred where."""

    tools: Mapping[str, Work] = attrs.field(factory=dict[str, Work])
    ran: list[ToolCall] = attrs.field(factory=list[ToolCall], init=False)
    transfers: list[str] = attrs.field(factory=list[str], init=False)
    why_no_transfer: str = ""
    transfer_seconds: float = 0
    end_at_platform: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def run(self, call: ToolCall) -> str:
        """Run the tool of that name."""
        self.ran.append(call)
        return await self.tools[call.name](call)

    async def transfer(self, target: str) -> str:
        """Note it."""
        self.transfers.append(target)
        await trio.sleep(self.transfer_seconds)
        return self.why_no_transfer

    async def hang_up(self) -> None:
        """Nothing is in the way, if the test does not say otherwise."""
        await self.end_at_platform()


def taking(seconds: float, output: str) -> Work:
    """A tool that takes so long and returns that."""

    async def work(call: ToolCall) -> str:
        del call
        await trio.sleep(seconds)
        return output

    return work


def twilio_without_marks(platform: MemorySocket, scenery: trio.Nursery) -> Stage:
    """A caller by a Twilio that never echoes a mark."""
    return Stage(ScriptedTwilioCaller(platform, echo_delays=repeat(1e6)), platform, Ending(), scenery)
