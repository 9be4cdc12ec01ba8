"""The model's tool calls: each is run once, each is answered once, and the model goes on when all are.

A response may hold several calls. Their outputs go to the model as they come; the response that uses them is asked for
when the last output is there and the response that made the calls is done, because before that the service refuses.
Results of calls that nobody made, or a second result, change nothing.
"""

import attrs

from opusagent.realtime.events import ConversationItemCreate, Item
from opusagent.units import LoopTime, ResponseId


@attrs.frozen
class ToolCall:
    """What the model wants done. `arguments` is JSON text, as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@attrs.define
class Round:
    """The calls of one response."""

    began: LoopTime
    open: set[str] = attrs.field(factory=set[str])
    is_done: bool = False
    is_filled: bool = False
    """Something was said about the waiting."""
    wants_answer: bool = False


@attrs.define
class ToolCalls:
    """All calls of a session."""

    _rounds: dict[ResponseId, Round] = attrs.field(factory=dict[ResponseId, Round], init=False)
    _round_of: dict[str, ResponseId] = attrs.field(factory=dict[str, ResponseId], init=False)
    made: int = attrs.field(default=0, init=False)

    @property
    def is_busy(self) -> bool:
        """Whether any round is not finished."""
        return bool(self._rounds)

    def on_item(self, item: Item, response: ResponseId, now: LoopTime, *, is_over: bool = False) -> ToolCall | None:
        """The call in `item`, if it is a whole one that was not seen before. Interrupted calls may be half JSON.

        `is_over`: the response has ended already.
        """
        if item.type != "function_call" or item.status not in {None, "completed"}:
            return None
        if item.call_id is None or item.name is None or item.call_id in self._round_of:
            return None
        self._rounds.setdefault(response, Round(now, is_done=is_over)).open.add(item.call_id)
        self._round_of[item.call_id] = response
        self.made += 1
        return ToolCall(item.call_id, item.name, item.arguments or "")

    def on_result(self, call_id: str, output: str, *, wants_answer: bool = True) -> list[ConversationItemCreate]:
        """The output for the model. `wants_answer` False: the model need not say anything about it."""
        round_ = self._round(call_id)
        if round_ is None or call_id not in round_.open:
            return []
        round_.open.discard(call_id)
        round_.wants_answer |= wants_answer
        return [ConversationItemCreate(item=Item(type="function_call_output", call_id=call_id, output=output))]

    def on_lost(self) -> None:
        """The session is gone: its responses are over, and another one may use their calls' names again."""
        for round_ in self._rounds.values():
            round_.is_done = True
        waiting = {call for round_ in self._rounds.values() for call in round_.open}
        self._round_of = {call: response for call, response in self._round_of.items() if call in waiting}

    def on_response_done(self, response: ResponseId, *, wants_answer: bool = False) -> None:
        """The response that made calls is over. `wants_answer`: something has to be said, whatever the calls give."""
        if response in self._rounds:
            self._rounds[response].is_done = True
            self._rounds[response].wants_answer |= wants_answer

    def has_calls(self, response: ResponseId) -> bool:
        """Whether the response made calls that are not all answered, or is not over."""
        return response in self._rounds

    def take_finished(self) -> bool:
        """Whether a round has been answered to the end since this was last asked, and wants the model to go on."""
        finished = [name for name, round_ in self._rounds.items() if round_.is_done and not round_.open]
        rounds = [self._rounds.pop(name) for name in finished]
        return any(round_.wants_answer for round_ in rounds)

    def filler_due(self, after: float, quiet: LoopTime) -> LoopTime | None:
        """When the caller has waited `after` seconds for a call in silence, which began at `quiet`, if they wait."""
        waiting = [round_.began for round_ in self._rounds.values() if round_.open and not round_.is_filled]
        return LoopTime(max(min(waiting), quiet) + after) if waiting else None

    def fill(self) -> None:
        """Something is being said about the waiting."""
        for round_ in self._rounds.values():
            round_.is_filled = True

    def _round(self, call_id: str) -> Round | None:
        response = self._round_of.get(call_id)
        return None if response is None else self._rounds.get(response)
