"""The owner of silence: knows why the caller hears nothing, and does something about it in time.

What can be done depends on the cause. A model that has not reacted to what the caller said is asked to; one that owes
an answer and says nothing at all is dropped, so that another session can be asked; and whatever the cause, the caller
hears a sound in time. A service that has said that the caller speaks, and never says that they have stopped, is waited
for no longer than it takes where our own ears know better. Where nothing helps, the caller is passed on if the
configuration names somebody, or hears an apology, and the call ends.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from opusagent.call.clips import CLIP
from opusagent.call.commands import Command, DropModel, FillSilence, Note, TellModel, Transfer
from opusagent.call.deadair import DeadAir, Remedy, Silence
from opusagent.call.errands import Errands
from opusagent.call.farewell import Farewell
from opusagent.call.gate import ResponseGate
from opusagent.call.line import GONE_SECONDS, Line
from opusagent.call.moments import GivenUp, PassedOn, SilenceBroken
from opusagent.call.one_way import Doubt, OneWay
from opusagent.call.policy import Policy
from opusagent.call.reasons import End, EndReason
from opusagent.call.voice import Voice
from opusagent.errors import INTERNAL_ERROR
from opusagent.realtime.events import InputAudioBufferCommit
from opusagent.units import LoopTime, Ms

THINKING: Final = 12.0
"""Seconds that a response which has begun may take until something of it comes: models that reason are silent first."""

NOTICED_BY: Final = 3.0
"""Seconds that a dead peer has been silent when its missing pong is noticed (`net.limits.MODEL`)."""

FALLBACK: Final = "fallback"
"""Who has the line (`Line.take`) when a caller is passed on whom no model serves."""

END_OF_TURN: Final = Ms(1000)
"""Silence that ends a turn: twice the service's default `silence_duration_ms` of 500."""

APOLOGY_SLACK: Final = 2.0
"""Seconds beyond its length until an apology counts as heard whatever the marks say."""


class SilenceOwner:
    """The silences of one session's caller."""

    def __init__(
        self, policy: Policy, voice: Voice, gate: ResponseGate, errands: Errands, farewell: Farewell, line: Line
    ) -> None:
        self._policy: Final = policy
        self._voice: Final = voice
        self._gate: Final = gate
        self._errands: Final = errands
        self._farewell: Final = farewell
        self._line: Final = line
        self._fallback = policy.patience.fallback
        self._has_failed = False
        self._air: Final = DeadAir(policy.patience.dead_air_seconds)
        self.incoming: Final = OneWay(policy.patience.no_audio_seconds)
        """The sound that is due from the caller's platform."""
        self._unheard_lines = 0
        self._event_at = self._ear_began = self._ear_ended = self._noticed = LoopTime(0.0)
        self._is_unheard = self._awaits_commit = False
        self._lag = 0.0
        self._spoken: LoopTime | None = None
        self._is_replaced = False

    def deadline(self, *, speaking: bool) -> LoopTime | None:
        """When there is something to do. `speaking`: the service says that the caller does."""
        times = (self._air.deadline, self.incoming.deadline, self._stop_due(speaking=speaking))
        return min((time for time in times if time is not None), default=None)

    @property
    def is_at_work(self) -> bool:
        """Whether something is to come from us, and the caller waits for it in silence."""
        return self._air.deadline is not None

    @property
    def counts(self) -> dict[str, int]:
        """How often a silence lasted too long, by cause."""
        lines = {Silence.ONE_WAY.value: self._unheard_lines} if self._unheard_lines else {}
        return {**self._air.counts, **lines}

    @property
    def waits_for_transfer(self) -> bool:
        """Whether the end of the call is that of its platform's."""
        return self._policy.patience.fallback is not None and not self._has_failed

    # -- what happens --------------------------------------------------------------------------------------------

    def on_event(self, now: LoopTime) -> None:
        """The service said something."""
        self._event_at = now

    def on_answer(self) -> None:
        """The caller hears the model."""
        self._air.on_answer()
        self._is_unheard = self._is_replaced = False

    def on_noticed(self, now: LoopTime) -> None:
        """Whoever decides on turns has noticed that the caller speaks."""
        self._noticed, self._is_unheard, self._awaits_commit = now, False, False

    def on_ear(self, *, speaking: bool, now: LoopTime) -> None:
        """Our own ears heard the caller begin or end to speak, beside whoever decides on turns."""
        if speaking:
            self._ear_began = now
            return
        self._ear_ended = now
        is_speech = now - self._ear_began >= self._policy.turns.shortest / 1000
        self._is_unheard |= is_speech and self._noticed < self._ear_began - self._policy.turns.lag

    def on_said(self, until: LoopTime | None, now: LoopTime) -> None:
        """The service says that the caller has stopped, as they did at `until`.

        A session that has taken over is sent once more what the lost one had heard. That is no new turn, and what was
        said while nobody was there ended then, and not now.
        """
        if self._is_replaced and until is not None:
            self._spoken, self._lag = until, max(self._lag, now - until - self._policy.turns.longest_lag)

    def on_failed(self) -> None:
        """The service has failed an answer of which nothing was heard, or has given one that holds nothing."""
        self._is_unheard = True

    def on_lost(self, lost: End) -> None:
        """The model's session is gone."""
        self._lag = NOTICED_BY if lost.reason is EndReason.MODEL_STALLED else 0.0
        self._is_unheard = self._awaits_commit = False
        self._is_replaced = True

    # -- what is done --------------------------------------------------------------------------------------------

    def observe(self, *, ready: bool, speaking: bool, now: LoopTime) -> Sequence[Command]:
        """What to do now. `ready`: a session is there; `speaking`: the caller has the floor."""
        cause = None if self._farewell.is_final else self._cause(ready=ready, speaking=speaking)
        silent_from = self._voice.playout.silent_from(now)
        remedy = self._air.observe(cause, silent_from, now, lag=self._lag, spoken=self._spoken)
        if cause is not None:
            self._lag, self._spoken = 0.0, None
        if cause is None or remedy is None:
            return ()
        note = Note(SilenceBroken(now, cause.value, remedy.value))
        match remedy:
            case Remedy.ASK:
                # What is asked for now would overtake the sound that it is to answer, so the commit is waited for.
                self._awaits_commit = True
                self._gate.hold()
                self._gate.expect(now)
                return (note, TellModel(InputAudioBufferCommit()))
            case Remedy.SOUND:
                self.play(self._policy.clips.wait)
                return (note, *self._drop_if_stalled(cause, now))
            case Remedy.GIVE_UP:
                return (note, *self.give_up(End(EndReason.DEAD_AIR, cause.value, INTERNAL_ERROR), now))
        assert_never(remedy)

    def take_commit(self) -> bool:
        """Whether what was committed is a turn that the service had not noticed: then it does not answer by itself."""
        is_ours, self._awaits_commit = self._awaits_commit, False
        self._is_unheard = self._is_unheard and not is_ours
        return is_ours

    def take_stop(self, *, speaking: bool, now: LoopTime) -> bool:
        """Whether the caller has stopped and the service has not said so in time. Then our turn began before now."""
        due = self._stop_due(speaking=speaking)
        if due is None or now < due:
            return False
        self._lag = now - self._ear_ended - self._policy.turns.longest_lag
        return True

    def observe_line(self, *, ready: bool, speaking: bool, now: LoopTime) -> Sequence[Command]:
        """What to do about a caller of whom nothing comes. In mid-word the model hears silence, to end the turn."""
        doubt = self.incoming.observe(self._voice.playout.silent_from(now), now)
        if doubt is None or self._farewell.is_parting:
            return ()
        self._unheard_lines += 1
        note = Note(SilenceBroken(now, Silence.ONE_WAY.value, doubt.value))
        match doubt:
            case Doubt.ASK if not ready:
                return (note,)
            case Doubt.ASK if speaking:
                return (note, FillSilence(END_OF_TURN))
            case Doubt.ASK:
                return (note, *self._voice.ask_with(self._policy.are_you_there, now))
            case Doubt.GIVE_UP:
                silent = f"nothing for {2 * self.incoming.bound:g} s"
                return (note, *self.give_up(End(EndReason.CALLER_SILENT, silent, INTERNAL_ERROR), now))
        assert_never(doubt)

    def give_up(self, end: End, now: LoopTime) -> Sequence[Command]:
        """The caller is told that the call cannot go on, or is passed on, and the call ends with the first `end`."""
        if self._farewell.is_final:
            return ()
        self._gate.leave()
        self.play(self._policy.clips.apology)
        left = max(0.0, self._voice.playout.silent_from(now) - now)
        self._farewell.give_up(end, now, left + (APOLOGY_SLACK if self._fallback is None else GONE_SECONDS))
        return (Note(GivenUp(now, end.reason.value)), *self.pass_on(now))

    def pass_on(self, now: LoopTime) -> Sequence[Command]:
        """Pass a caller on whom no model serves: once, and not before the line is free."""
        target = self._fallback
        if target is None or not self._farewell.is_final or not self._line.take(FALLBACK, now):
            return ()
        self._fallback = None
        return (Transfer(target),)

    def on_transfer(self, target: str, why_not: str, now: LoopTime) -> Sequence[Command]:
        """The caller was passed on, or was not; then nothing more is waited for."""
        self._has_failed = bool(why_not)
        return (Note(PassedOn(now, target, why_not)),)

    def play(self, clip: bytes) -> None:
        """Have the caller hear `clip`, behind what there is."""
        if clip:
            self._voice.playout.push(CLIP, 0, clip)
            self._voice.playout.finish()

    def _cause(self, *, ready: bool, speaking: bool) -> Silence | None:
        if not ready:
            return Silence.MODEL_AWAY
        if speaking:
            return None
        if self._gate.expects or not self._gate.is_free:
            return Silence.ANSWER_DUE
        if self._errands.is_busy:
            return Silence.TOOL
        is_quiet = self._ear_began <= self._ear_ended
        return Silence.UNHEARD if self._is_unheard and is_quiet else None

    def _stop_due(self, *, speaking: bool) -> LoopTime | None:
        """When a caller whom our own ears have heard stop is not waited for any longer."""
        turns = self._policy.turns
        is_heard = self._ear_began < self._ear_ended and self._noticed - turns.longest_lag < self._ear_ended
        if not speaking or turns.local or not is_heard:
            return None
        stopped = max(self._ear_ended, self._noticed)
        return LoopTime(stopped + turns.longest_lag + self._policy.patience.dead_air_seconds / 2)

    def _drop_if_stalled(self, cause: Silence, now: LoopTime) -> Sequence[Command]:
        if cause is not Silence.ANSWER_DUE or self._farewell.is_parting:
            return ()
        silent = now - max(self._event_at, self._gate.asked_at)
        if silent < (self._air.bound * 0.9 if self._gate.active is None else THINKING):
            return ()
        return (DropModel(End(EndReason.MODEL_SILENT, f"no event for {silent:.1f} s, while an answer was due")),)
