"""What the model wants done, and the words around it: a filler while it takes long, the goodbye before an end.

Tools run beside the conversation (`RunTool`). `end_call` is the one that runs here, because what it does is wait:
whoever says goodbye and hangs up in one breath has said it, else the model is asked for it.
"""

from collections.abc import Sequence
from typing import Final

from opusagent.call.commands import Command, RunTool, TellModel
from opusagent.call.farewell import Farewell
from opusagent.call.gate import ResponseGate
from opusagent.call.policy import Policy
from opusagent.call.tool_calls import ToolCalls
from opusagent.call.voice import Voice
from opusagent.realtime.events import Item, Response, ResponseCreate
from opusagent.units import LoopTime, ResponseId

END_CALL: Final = "end_call"

LINE_TOOLS: Final = frozenset({"transfer_call", "send_digits"})
"""What takes the caller's line away: whoever is told "I put you through" hears that first."""

DONE: Final = '{"ok": true}'
NOT_NOW: Final = '{"error": "the caller has begun to speak, and the call goes on"}'


class Errands:
    """The tool calls of one session, and what is said about them."""

    def __init__(self, policy: Policy, voice: Voice, gate: ResponseGate, farewell: Farewell) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._farewell: Final = farewell
        self._tools: Final = ToolCalls()
        self._goodbye_in: ResponseId | None = None
        self._line_waits: list[RunTool] = []
        self._line_until = LoopTime(0.0)

    @property
    def line_deadline(self) -> LoopTime | None:
        """When the line is taken away, heard or not; None while nothing wants it."""
        return self._line_until if self._line_waits else None

    def take_line(self, now: LoopTime, *, heard: bool, interrupted: bool) -> Sequence[Command]:
        """Once what was being said has been heard, what takes the line away is done; not if the caller objects."""
        if not self._line_waits or not (heard or interrupted or now >= self._line_until):
            return ()
        waiting, self._line_waits = self._line_waits, []
        if not interrupted:
            return waiting
        return [told for errand in waiting for told in self._answer(errand.call.call_id, NOT_NOW, wants_answer=False)]

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
        if call.name not in LINE_TOOLS | {END_CALL}:
            return (RunTool(call),)
        if self._voice.is_muted(response):
            return self._answer(call.call_id, NOT_NOW, wants_answer=False)
        if call.name in LINE_TOOLS:
            self._line_waits.append(RunTool(call))
            self._line_until = LoopTime(now + self._policy.goodbye_seconds)
            return ()
        self._farewell.begin(now)
        self._goodbye_in = response
        return self._answer(call.call_id, DONE, wants_answer=False)

    def on_response_done(self, done: Response, now: LoopTime) -> Sequence[Command]:
        """A response is about to be over. What it holds is told again with its end: nothing is done twice."""
        response = ResponseId(done.id)
        commands = [command for item in done.output for command in self.on_item(item, response, now)]
        is_speechless = response == self._goodbye_in and not self._voice.has_spoken(response)
        self._tools.on_response_done(response, wants_answer=is_speechless)
        return commands

    def on_lost(self) -> None:
        """The session is about to be forgotten. What runs goes on, and its results are for the next one."""
        if self._goodbye_in is not None and not self._voice.is_over(self._goodbye_in):
            self._tools.on_response_done(self._goodbye_in, wants_answer=not self._voice.has_spoken(self._goodbye_in))
        self._goodbye_in = None
        self._tools.on_lost()

    def on_result(self, call_id: str, output: str, now: LoopTime) -> Sequence[Command]:
        """What came of a call: a result or a failure, told to the model in the same way."""
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
