"""Whether a model is there, what a session that takes over owes, and whether the caller's call has been taken.

A session that is lost leaves debts: what it was asked for and has not done, half an answer, a turn of the caller's that
nobody has answered. The next one pays them, and nothing else: no second greeting, nothing said twice. A turn is paid by
sound: what was not answered is sent again (`uplink.begin_session`), and answered as any turn is.
"""

from collections.abc import Sequence
from typing import Final

from opusagent.call.commands import AcceptCaller, Command, Note, SeatModel, TellModel
from opusagent.call.errands import Errands
from opusagent.call.floor import Floor
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import ModelBack, ModelLost, ModelReady, RolledOver
from opusagent.call.policy import Policy
from opusagent.call.reasons import End
from opusagent.call.voice import Voice
from opusagent.realtime.events import InputAudioBufferCommit
from opusagent.realtime.settings import greeting_response
from opusagent.units import LoopTime


class Presence:
    """The model's, in one call."""

    def __init__(self, policy: Policy, voice: Voice, gate: ResponseGate, floor: Floor, errands: Errands) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._floor: Final = floor
        self._errands: Final = errands
        self._wish = None if policy.greeting is None else greeting_response(policy.instructions, policy.greeting)
        self.is_here = self.is_listening = False
        self._was_here = self._is_accepted = False
        self._turn_at: LoopTime | None = None
        self._lost_at = LoopTime(0.0)
        gate.leave()  # nobody is there yet: what is wanted until then waits

    @property
    def owes(self) -> bool:
        """Whether a session that was lost left something to be said, and no other has come to say it."""
        return not self.is_here and self._was_here and self._wish is not None

    @property
    def can_be_heard(self) -> bool:
        """Whether the caller hears what we say. Before, their platform plays something, or waits for our refusal."""
        return self.is_listening or self._is_accepted

    def on_turn(self, now: LoopTime) -> None:
        """The caller has spoken."""
        self._turn_at = now

    def on_answer(self) -> None:
        """And is being answered."""
        self._turn_at = None

    @property
    def _owes_turn(self) -> bool:
        """Whether nobody has answered the caller's last turn, by sound or by a tool call."""
        return self._turn_at is not None and self._turn_at > self._errands.called_at

    def on_configured(self, now: LoopTime) -> Sequence[Command]:
        """A session is configured: it is seated, and asked for what is owed."""
        if self.is_here:
            return ()
        note = Note(ModelBack(now, now - self._lost_at) if self._was_here else ModelReady(now))
        self.is_here = self._was_here = True
        self._gate.arrive()
        accept = () if self._is_accepted else (AcceptCaller(),)
        self._is_accepted = True
        return (SeatModel(), *accept, note, *self._pay(now))

    def on_lost(self, lost: End, now: LoopTime) -> Sequence[Command]:
        """The session is gone, or was none yet. What is in the playout is still heard."""
        if self.is_here:
            self._lost_at = now
            self._errands.on_lost()
            self._wish = self._voice.on_lost()
            self._floor.forget()
        self.is_here = False
        return (Note(ModelLost(now, f"{lost.reason.value}: {lost.detail}")), *self._errands.go_on(now))

    def on_relieved(self, now: LoopTime) -> Sequence[Command]:
        """A spare has taken over from a session that owed nothing. Names of responses mean nothing to it."""
        self._errands.on_lost()
        self._voice.on_lost()
        self._floor.forget()
        self._gate.arrive()
        self._turn_at = None
        return (Note(RolledOver(now)),)

    def _pay(self, now: LoopTime) -> Sequence[Command]:
        heard: tuple[Command, ...] = ()
        if self._owes_turn:
            heard = (TellModel(InputAudioBufferCommit()),) if self._policy.turns.local else ()
            self._gate.hold()
            self._gate.expect(now)
        wish, self._wish = self._wish, None
        return (*heard, *(self._voice.ask(wish, now) if wish else map(TellModel, self._gate.on_time(now))))
