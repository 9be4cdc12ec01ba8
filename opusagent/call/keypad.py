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
from opusagent.call.moments import KeysCame
from opusagent.call.policy import KeyAction, Policy, TransferTo
from opusagent.call.voice import Voice
from opusagent.realtime.events import ContentPart, ConversationItemCreate, Item, ResponseCreate
from opusagent.units import LoopTime


class Keypad:
    """The keys of one caller."""

    def __init__(
        self, policy: Policy, voice: Voice, gate: ResponseGate, attention: Attention, farewell: Farewell
    ) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._attention: Final = attention
        self._farewell: Final = farewell
        self._digits: Final = DigitCollector(policy.digits)

    @property
    def deadline(self) -> LoopTime | None:
        """When a pause completes what was pressed, None while nothing waits."""
        return self._digits.deadline

    def press(self, digits: str, now: LoopTime) -> Sequence[Command]:
        """The caller presses keys."""
        shown = Note(KeysCame(now, masked(digits, mask=self._policy.mask_digits)))
        return (shown, *self._dialled(self._digits.push(digits, now), now))

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """A pause may have completed something."""
        return self._dialled(self._digits.on_time(now), now)

    def _dialled(self, sequences: Sequence[str], now: LoopTime) -> Sequence[Command]:
        return tuple(command for keys in sequences for command in self._act(keys, now))

    def _act(self, keys: str, now: LoopTime) -> Sequence[Command]:
        match self._policy.keys.get(keys):
            case TransferTo() as transfer:
                return (Transfer(transfer.target),)
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
        said = ContentPart(type="input_text", text=f"[The caller pressed these telephone keys: {keys}]")
        told = TellModel(ConversationItemCreate(item=Item(type="message", role="user", content=(said,))))
        self._gate.tell(1)
        return (*silence, told, *self._voice.ask(ResponseCreate(), now))
