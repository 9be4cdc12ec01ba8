"""What the caller's keys do: what they are bound to, or words that the model is told.

The service has no event for keys on a WebSocket: they are a message of the user's, and ask for an answer. A caller who
presses a key has heard enough, so it interrupts as words do; and as the service hears no keys, whoever ends its
response is us.
"""

from collections.abc import Sequence
from typing import Final

from opusagent.call.attention import Attention
from opusagent.call.commands import Command, Note, TellModel, Transfer
from opusagent.call.digits import DigitCollector, masked
from opusagent.call.farewell import Farewell
from opusagent.call.gate import ResponseGate
from opusagent.call.line import Line
from opusagent.call.moments import KeysCame, Transferred
from opusagent.call.policy import KeyAction, Policy, TransferTo
from opusagent.call.voice import Voice
from opusagent.realtime.events import ContentPart, ConversationItemCreate, Item, ResponseCreate
from opusagent.units import LoopTime

ONE_GO: Final = 0.3
"""Seconds between two keys that are pressed in one go; people who dial a number that they know take less."""

KEY: Final = "key"
"""Who has the line (`Line.take`) when a key transfers."""


class Keypad:
    """The keys of one caller."""

    def __init__(
        self,
        policy: Policy,
        voice: Voice,
        gate: ResponseGate,
        attention: Attention,
        farewell: Farewell,
        line: Line,
    ) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._attention: Final = attention
        self._farewell: Final = farewell
        self._digits: Final = DigitCollector(policy.digits)
        self._answer_at: LoopTime | None = None
        self._line: Final = line

    @property
    def deadline(self) -> LoopTime | None:
        """When a pause completes what was pressed, None while nothing waits."""
        times = (self._digits.deadline, self._answer_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def wants_answer(self) -> bool:
        """Whether keys were told that the model is about to be asked about."""
        return self._answer_at is not None

    def press(self, digits: str, now: LoopTime) -> Sequence[Command]:
        """The caller presses keys."""
        shown = Note(KeysCame(now, masked(digits, mask=self._policy.mask_digits)))
        return (shown, *self._dialled(self._digits.push(digits, now), now))

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """A pause may have completed something."""
        dialled = self._dialled(self._digits.on_time(now), now)
        if self._answer_at is None or now < self._answer_at:
            return dialled
        self._answer_at = None
        return (*dialled, *self._voice.ask(ResponseCreate(), now))

    def on_transfer(self, target: str, why_not: str, now: LoopTime) -> Sequence[Command]:
        """A key's transfer was done, or was not. Whoever pressed for somebody else is not left in silence."""
        note = Note(Transferred(now, target, why_not))
        if not why_not:
            return (note,)
        words = f"[The caller pressed a key to be put through to {target}, and that failed: {why_not}]"
        return (note, _message(words, self._gate), *self._voice.ask(ResponseCreate(), now))

    def _dialled(self, sequences: Sequence[str], now: LoopTime) -> Sequence[Command]:
        return tuple(command for keys in sequences for command in self._act(keys, now))

    def _act(self, keys: str, now: LoopTime) -> Sequence[Command]:
        match self._policy.keys.get(keys):
            case TransferTo() as transfer:
                # Whoever presses again while they are being put through does not have a second telephone rung.
                return (Transfer(transfer.target),) if self._line.take(KEY, now) else ()
            case KeyAction.HANG_UP:
                self._farewell.begin(now)
                return ()
            case KeyAction.IGNORE:
                return ()
            case None:
                return self._tell(keys, now)

    def _tell(self, keys: str, now: LoopTime) -> Sequence[Command]:
        busy = self._voice.is_busy(now) and self._attention.may_interrupt
        silence = self._voice.interrupt(now, cancels=True) if busy else ()
        told = (*silence, _message(f"[The caller pressed these telephone keys: {keys}]", self._gate))
        if self._policy.digits.collect:
            return (*told, *self._voice.ask(ResponseCreate(), now))
        # Each key is told at once, and what is pressed in one go is answered in one: a response that began after the
        # first key would be cancelled by the second, and is paid for all the same.
        self._answer_at = LoopTime(now + ONE_GO)
        return told


def _message(words: str, gate: ResponseGate) -> TellModel:
    gate.tell(1)
    said = ContentPart(type="input_text", text=words)
    return TellModel(ConversationItemCreate(item=Item(type="message", role="user", content=(said,))))
