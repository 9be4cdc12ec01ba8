"""The caller's turns, whoever hears them: the service or our own ears. Where they begin, end, and are answered."""

from collections.abc import Sequence
from typing import Final

from opusagent.call.attention import Attention
from opusagent.call.commands import Command, Note, TellCaller, TellModel
from opusagent.call.floor import Floor
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import CallerPaused
from opusagent.call.owner import SilenceOwner
from opusagent.call.policy import TurnPolicy
from opusagent.call.presence import Presence
from opusagent.call.voice import Voice
from opusagent.platforms.dialect import SpeechSign
from opusagent.realtime.events import InputAudioBufferCommit, ResponseCreate
from opusagent.units import LoopTime


class TurnTaking:
    """The turns of one caller. `paused` is when the last one ended, until it is answered or another begins."""

    def __init__(
        self,
        policy: TurnPolicy,
        voice: Voice,
        gate: ResponseGate,
        floor: Floor,
        attention: Attention,
        presence: Presence,
        silence: SilenceOwner,
    ) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._floor: Final = floor
        self._attention: Final = attention
        self._presence: Final = presence
        self._silence: Final = silence
        self.paused: LoopTime | None = None
        self.count = 0

    def on_ear(self, *, speaking: bool, now: LoopTime) -> Sequence[Command]:
        """Our own ears heard the caller begin or end to speak; it matters where the policy says that they decide."""
        if not self._policy.local or not self._presence.is_here:
            self._silence.on_ear(speaking=speaking, now=now)
            return ()
        if self._attention.is_deaf and not self._floor.is_speaking:
            # The model hears silence, and what it does not hear is no turn.
            return ()
        if speaking:
            return self.on_started(now)
        return self._end(now)

    def on_time(self, now: LoopTime) -> Sequence[Command]:
        """The service may not have said in time that the caller has stopped: then we do."""
        return self._end(now) if self._silence.take_stop(speaking=self._floor.is_speaking, now=now) else ()

    def _end(self, now: LoopTime) -> Sequence[Command]:
        return (TellModel(InputAudioBufferCommit()), *self.on_stopped(now))

    def on_started(self, now: LoopTime) -> Sequence[Command]:
        """The caller begins to speak."""
        self.count += 1
        self.paused = None
        self._silence.on_noticed(now)
        busy = self._voice.is_busy(now) and self._attention.may_interrupt
        self._gate.hold()
        acts = self._voice.obey(self._floor.on_started(now, busy=busy), now)
        # The platform is cleared first: the caller's ear is what an interruption is about.
        return (*acts[:1], TellCaller(SpeechSign.STARTED), *acts[1:])

    def on_stopped(self, now: LoopTime) -> Sequence[Command]:
        """And has spoken."""
        self.paused = now
        self._presence.on_turn(now)
        self._gate.expect(now)
        verdict = self._floor.on_stopped(now)
        return (TellCaller(SpeechSign.STOPPED), Note(CallerPaused(now)), *self._voice.obey(verdict, now))

    def on_committed(self, now: LoopTime) -> Sequence[Command]:
        """What was said is in the conversation: it is answered, if that is for us to ask for and it was a turn."""
        committed, is_late = TellCaller(SpeechSign.COMMITTED), self._silence.take_commit()
        if not self._policy.is_ours and not is_late:
            return (committed,)
        if not self._floor.take_turn() and not is_late:
            return (committed, *map(TellModel, self._gate.release(now)))
        return (committed, *map(TellModel, self._gate.answer(ResponseCreate(), now)))
