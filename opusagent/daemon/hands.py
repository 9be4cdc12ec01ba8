"""What the calls of this daemon can do beside talking: the configured tools, and the platform's own means."""

from collections.abc import Callable, Mapping
from typing import Protocol, assert_never

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.call.hands import Hands, HandsFor, Say
from opusagent.call.tool_calls import ToolCall
from opusagent.daemon.twilio_calls import TwilioCalls
from opusagent.platforms.dialect import CallStarted, Dialect
from opusagent.platforms.twilio_rest import Outcome, Verdict
from opusagent.tools.built_in import BuiltIn, DigitsAsked, EndAsked, TransferAsked, read_asked
from opusagent.tools.results import DONE, refusal
from opusagent.tools.shapes import Misfit
from opusagent.tools.spec import ToolContext
from opusagent.tools.toolbox import Toolbox

log: FilteringBoundLogger = structlog.get_logger()


class Switch(Protocol):
    """What a platform can do with a caller's line. Each method says why it was not done, or nothing."""

    async def transfer(self, address: str) -> str:
        """Pass the caller on."""
        ...

    async def send_digits(self, digits: str) -> str:
        """Press keys for the other side to hear."""
        ...

    async def hang_up(self) -> str:
        """End the call, where closing the socket would not."""
        ...


@attrs.frozen
class DialectSwitch:
    """A platform that is told over the call's own socket."""

    dialect: Dialect
    say: Say

    async def transfer(self, address: str) -> str:
        """Ask for it; the platform ends the session when it has been done."""
        return await self._tell(self.dialect.transfer(address), "transfer")

    async def send_digits(self, digits: str) -> str:
        """Ask for it."""
        return await self._tell(self.dialect.press(digits), "press keys")

    async def hang_up(self) -> str:
        """The dialect's goodbye does it."""
        await trio.lowlevel.checkpoint()
        return ""

    async def _tell(self, messages: list[str], what: str) -> str:
        await trio.lowlevel.checkpoint()
        self.say(messages)
        return "" if messages else f"the platform cannot {what}"


@attrs.define(eq=False)
class TwilioSwitch:
    """Twilio is asked over its REST API. Whatever it does with the line ends the media stream.

    `ticket` gives the parameters that let a stream of the call in: the one that it came with is used up. A call that
    was passed on is not hung up, whatever our side of it ends by: it is somebody else's conversation by then.
    """

    calls: TwilioCalls
    started: CallStarted
    stream_url: str
    ticket: Callable[[str], Mapping[str, str]]
    _is_ours: bool = attrs.field(default=True, init=False)

    async def transfer(self, address: str) -> str:
        """Redirect the call to TwiML that dials."""
        who = self.started
        return self._passed_on(await self.calls.transfer(who.platform_call_id, address, who.callee or None))

    async def send_digits(self, digits: str) -> str:
        """Redirect the call to TwiML that plays the tones and connects it to us again, as a new call of ours."""
        who = self.started
        back = {"From": who.caller, "To": who.callee, **who.parameters, **self.ticket(who.platform_call_id)}
        return self._passed_on(await self.calls.send_digits(who.platform_call_id, digits, self.stream_url, back))

    async def hang_up(self) -> str:
        """Complete the call, so that no TwiML behind ours goes on with it."""
        if not self._is_ours:
            await trio.lowlevel.checkpoint()
            return ""
        verdict = await self.calls.hang_up(self.started.platform_call_id)
        return "" if verdict.outcome is Outcome.OVER else _why_not(verdict)

    def _passed_on(self, verdict: Verdict) -> str:
        self._is_ours &= verdict.outcome is not Outcome.DONE
        return _why_not(verdict)


class NoSwitch:
    """Twilio without credentials for its REST API."""

    async def transfer(self, address: str) -> str:
        """Say what is missing."""
        del address
        return await self._missing()

    async def send_digits(self, digits: str) -> str:
        """Say what is missing."""
        del digits
        return await self._missing()

    async def hang_up(self) -> str:
        """Closing the stream is the hang-up, if nothing stands behind `<Connect>` in the TwiML."""
        await trio.lowlevel.checkpoint()
        log.info("the stream is closed: without [twilio_rest], TwiML behind <Connect> would go on with the call")
        return ""

    async def _missing(self) -> str:
        await trio.lowlevel.checkpoint()
        return "it takes [twilio_rest] in the daemon's configuration"


@attrs.frozen
class CallHands:
    """One call's hands. `targets` are where a key or a lost model may transfer to, whatever the model may."""

    toolbox: Toolbox
    built_in: Mapping[str, BuiltIn]
    targets: Mapping[str, str]
    switch: Switch
    context: ToolContext

    async def run(self, call: ToolCall) -> str:
        """The output of a tool of the configuration, or of one of ours."""
        ours = self.built_in.get(call.name)
        if ours is None:
            context = attrs.evolve(self.context, invocation=call.call_id)
            return (await self.toolbox.call(call.name, call.arguments, context)).output
        try:
            asked = read_asked(ours, call.arguments)
        except Misfit as misfit:
            return refusal(f"wrong arguments: {misfit}").output
        match asked:
            case TransferAsked():
                return _told(await self.switch.transfer(asked.address))
            case DigitsAsked():
                return _told(await self.switch.send_digits(asked.digits))
            case EndAsked():
                return DONE
        assert_never(asked)

    async def transfer(self, target: str) -> str:
        """A key was pressed that transfers."""
        address = self.targets.get(target)
        if address is None:
            return f"there is no target {target!r}"
        return await self.switch.transfer(address)

    async def hang_up(self) -> None:
        """End the call at the platform."""
        await self.switch.hang_up()


def hands_for(
    toolbox: Toolbox,
    built_in: Mapping[str, BuiltIn],
    targets: Mapping[str, str],
    context: ToolContext,
    switch: Switch | None,
    dialect: Dialect,
) -> HandsFor:
    """The hands of one call: over `switch`, or, where that is None, over the platform's own words."""

    def with_way_to_the_platform(say: Say) -> Hands:
        return CallHands(toolbox, built_in, targets, switch or DialectSwitch(dialect, say), context)

    return with_way_to_the_platform


def _why_not(verdict: Verdict) -> str:
    return "" if verdict.outcome is Outcome.DONE else verdict.why or "it failed"


def _told(why_not: str) -> str:
    return refusal(why_not).output if why_not else DONE
