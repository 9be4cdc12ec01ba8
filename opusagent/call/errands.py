"""What the model wants done, and the words around it: a filler while it takes long, the goodbye before an end.

Tools run beside the conversation (`RunTool`). `end_call` is the one that runs here, because what it does is wait:
whoever says goodbye and hangs up in one breath has said it, else the model is asked for it. Tools that use the caller's
line use it one after the other; and whoever wants it in one breath with `end_call` has the call go on: if the transfer
works, the platform ends our side of it, and if it does not, the caller has to be told.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from opusagent.call.commands import Command, RunTool, TellModel
from opusagent.call.farewell import Farewell
from opusagent.call.gate import ResponseGate
from opusagent.call.line import Line
from opusagent.call.policy import Policy
from opusagent.call.tool_calls import ToolCall, ToolCalls
from opusagent.call.voice import Voice
from opusagent.realtime.events import Item, Response, ResponseCreate
from opusagent.tools.built_in import END_CALL, SEND_DIGITS, TRANSFER_CALL, EndCall, read_asked
from opusagent.tools.results import DONE, refusal
from opusagent.tools.shapes import Misfit
from opusagent.units import LoopTime, ResponseId

LINE_TOOLS: Final = frozenset({TRANSFER_CALL, SEND_DIGITS})
"""What takes the caller's line away: whoever is told "I put you through" hears that first."""

NOT_NOW: Final = '{"error": "the caller has begun to speak, and the call goes on"}'
PUT_THROUGH: Final = '{"error": "the caller is being put through already"}'
NOT_BESIDE: Final = '{"error": "not beside a tool that uses the line; if the call is to end all the same, ask again"}'


class Errands:
    """The tool calls of one session, and what is said about them."""

    def __init__(self, policy: Policy, voice: Voice, gate: ResponseGate, farewell: Farewell, line: Line) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._farewell: Final = farewell
        self._tools: Final = ToolCalls()
        self._goodbye_in: ResponseId | None = None
        self._has_retried = False
        self.called_at = LoopTime(-math.inf)
        """When the model made the last call that nobody had interrupted."""
        self._line: Final = line
        self._line_waits: Final = deque[ToolCall]()
        self._line_until = LoopTime(0.0)
        self._at_line: ToolCall | None = None

    @property
    def line_deadline(self) -> LoopTime | None:
        """When the line is taken away, heard or not; None while nothing wants it, or it cannot be had."""
        return self._line_until if self._line_waits and not self._line.is_taken else None

    def take_line(self, now: LoopTime, *, heard: bool, interrupted: bool) -> Sequence[Command]:
        """Once what was being said has been heard, what takes the line away is done; not if the caller objects."""
        if not self._line_waits:
            return ()
        if interrupted or self._line.is_gone(now):
            return self._refuse_line(NOT_NOW if interrupted else PUT_THROUGH, now)
        if not (heard or now >= self._line_until) or not self._line.take(self._line_waits[0].call_id, now):
            return ()
        self._at_line = self._line_waits.popleft()
        return (RunTool(self._at_line),)

    def _refuse_line(self, why: str, now: LoopTime) -> Sequence[Command]:
        refused = [each.call_id for each in self._line_waits]
        self._line_waits.clear()
        told = [told for call_id in refused for told in self._answer(call_id, why, wants_answer=False)]
        return (*told, *self.go_on(now))

    @property
    def is_busy(self) -> bool:
        """Whether anything is still being done, or answered."""
        return self._tools.is_busy

    @property
    def made(self) -> int:
        """How many tool calls there were."""
        return self._tools.made

    def on_item(self, item: Item, response: ResponseId, now: LoopTime) -> Sequence[Command]:
        """An item of a response is complete; perhaps it is a call."""
        call = self._tools.on_item(item, response, now, is_over=self._voice.is_over(response))
        if call is None:
            return ()
        if not self._voice.is_muted(response):
            self.called_at = now
        if call.name not in LINE_TOOLS and not (call.name == END_CALL and self._policy.may_end):
            return (RunTool(call),)
        if self._voice.is_muted(response):
            return self._answer(call.call_id, NOT_NOW, wants_answer=False)
        return self._want_line(call, response, now) if call.name in LINE_TOOLS else self._end(call, response, now)

    def _want_line(self, call: ToolCall, response: ResponseId, now: LoopTime) -> Sequence[Command]:
        if response == self._goodbye_in:
            self._farewell.withdraw()
            self._goodbye_in = None
        self._line_waits.append(call)
        self._line_until = LoopTime(max(now, self._voice.heard_before(response, now)) + self._policy.goodbye_seconds)
        return ()

    def _end(self, call: ToolCall, response: ResponseId, now: LoopTime) -> Sequence[Command]:
        try:
            read_asked(EndCall(), call.arguments)
        except Misfit as misfit:
            return self._answer(call.call_id, refusal(f"wrong arguments: {misfit}").output, wants_answer=True)
        if self._line_waits or self._at_line is not None or self._line.is_gone(now):
            return self._answer(call.call_id, NOT_BESIDE, wants_answer=False)
        self._farewell.begin(now, after=self._voice.heard_before(response, now), certain=False)
        self._goodbye_in = response
        return self._answer(call.call_id, DONE, wants_answer=False)

    def on_response_done(self, done: Response, now: LoopTime) -> Sequence[Command]:
        """A response is about to be over. What it holds is told again with its end: nothing is done twice."""
        response = ResponseId(done.id)
        commands = [command for item in done.output for command in self.on_item(item, response, now)]
        has_spoken = self._voice.has_spoken(response)
        self._tools.on_response_done(response, wants_answer=response == self._goodbye_in and not has_spoken)
        if self.is_in_vain(done) and self._farewell.is_parting and not self._has_retried:
            # A goodbye that the service has failed is asked for once more: nobody is left without a word for its fault.
            self._has_retried = True
            commands += self._voice.ask(self._gate.granted or ResponseCreate(), now)
        return commands

    def is_in_vain(self, done: Response) -> bool:
        """Whether a response, about to be over, comes to nothing: no sound, no call, and nobody interrupted it."""
        response = ResponseId(done.id)
        if self._voice.has_spoken(response) or self._voice.is_muted(response):
            return False
        calls = self._tools.has_calls(response) or any(item.type.startswith("mcp_") for item in done.output)
        return done.status == "failed" or not calls

    def on_lost(self) -> None:
        """The session is about to be forgotten. What runs goes on, and its results are for the next one."""
        if self._goodbye_in is not None and not self._voice.is_over(self._goodbye_in):
            self._tools.on_response_done(self._goodbye_in, wants_answer=not self._voice.has_spoken(self._goodbye_in))
        self._goodbye_in = None
        self._tools.on_lost()

    def on_result(self, call_id: str, output: str, now: LoopTime) -> Sequence[Command]:
        """What came of a call: a result or a failure, told to the model in the same way."""
        if self._at_line is not None and self._at_line.call_id == call_id:
            self._line.give_back(call_id, now, gone=self._at_line.name == TRANSFER_CALL and output == DONE)
            self._at_line = None
        return (*self._answer(call_id, output, wants_answer=True), *self.go_on(now))

    def go_on(self, now: LoopTime) -> Sequence[Command]:
        """If all that a response wanted is done and told, the model goes on."""
        return self._voice.ask(ResponseCreate(), now) if self._tools.take_finished() else ()

    def filler_due(self, now: LoopTime) -> LoopTime | None:
        """When the silence while a tool works has lasted long enough. Nobody is silent who speaks or is spoken to."""
        if self._policy.filler is None or self._farewell.is_parting or self._gate.is_held or not self._gate.is_free:
            return None
        quiet = self._voice.playout.quiet_at(now)
        return None if quiet is None else self._tools.filler_due(self._policy.filler_seconds, quiet)

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """A filler may be due."""
        due = self.filler_due(now)
        if self._policy.filler is None or due is None or now < due:
            return ()
        self._tools.fill()
        return self._voice.fill(self._policy.filler, now)

    def _answer(self, call_id: str, output: str, *, wants_answer: bool) -> Sequence[Command]:
        outputs = self._tools.on_result(call_id, output, wants_answer=wants_answer)
        self._gate.tell(len(outputs))
        return tuple(map(TellModel, outputs))
