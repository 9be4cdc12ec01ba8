"""Rollover: before the service ends a session for its age, a spare is opened, and takes over at a turn boundary.

    (nothing)   one session serves
    spare       a second one is configured, hears nothing, and waits
    briefed     a boundary, since `RECHECK`: the spare is told what was said, and what the caller says waits
    changed     `SETTLE` later it still is one: the spare takes over, and is sent what waited

A *boundary* is a moment at which nothing is open: nobody speaks, everything was heard, no answer is being made, asked
for or owed, no tool is at work, no silence has an owner, the caller's words are written down, the call does not end.
Whatever opens something ends the boundary: then what waited goes to the session that is there, a little late.

The caller's sound goes to exactly one session at each byte, so what the first one has been sent and has not committed
dies with it. That is silence, if it noticed no speech: the service takes its time to notice, and for so long the
sound is held back, so that a word of which it has the beginning is noticed, and is its own to the end. The padding that
a service puts before speech (`prefix_padding_ms`) is, for a word behind the change, what was held back.

If no boundary comes before the service ends the session, that end is a loss like any other, and the spare replaces
what was lost: at once, with what is owed. Nothing is forced before that, because it would be the same, and sooner.
"""

from collections.abc import Sequence
from typing import Final

from opusagent.call.commands import BriefSpare, ChangeModel, Command, DropSpare, KeepModel, Note, TellSpare
from opusagent.call.farewell import Farewell
from opusagent.call.faults import Faults, noted
from opusagent.call.floor import Floor
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import SpareLost, SpareReady
from opusagent.call.owner import SilenceOwner
from opusagent.call.playout import Playout
from opusagent.call.reasons import End
from opusagent.realtime.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionFailed,
    ErrorEvent,
    InputAudioBufferCommitted,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    UnknownEvent,
)
from opusagent.realtime.sessions import Transcription
from opusagent.units import LoopTime

ROLLOVER_SECONDS: Final = 3000.0
"""The age at which a session gets a spare: ten minutes before the service ends it (60 minutes, OpenAI Realtime)."""

SETTLE: Final = 0.4
"""Seconds for which the caller's sound is held back at a change: longer than a service takes to notice speech."""

WORDS_SECONDS: Final = 3.0
"""How long it is waited for what the caller said to be written down: the spare is told words, and no sound."""

EAR_SECONDS: Final = 10.0
"""How long our own ears may hear speech that the service does not. After more it is a noise."""

RECHECK: Final = 0.1
"""Seconds until it is asked again what cannot be known beforehand."""


class Rollover:
    """The spare of one call's session, and when it takes over. Pure."""

    def __init__(
        self,
        opening: SessionUpdate,
        playout: Playout,
        gate: ResponseGate,
        floor: Floor,
        silence: SilenceOwner,
        farewell: Farewell,
        faults: Faults,
    ) -> None:
        self._opening: Final = opening
        self._playout: Final = playout
        self._gate: Final = gate
        self._floor: Final = floor
        self._silence: Final = silence
        self._farewell: Final = farewell
        self._faults: Final = faults
        self._writes: Final = is_written_down(opening)
        self._is_ready = False
        self._briefed: LoopTime | None = None
        self._unwritten: str | None = None
        self._written_by = self._ear_until = LoopTime(0.0)
        self._calm_since: LoopTime | None = None
        self.deadline: LoopTime | None = None
        """When `observe` has something to do."""

    # -- the spare -----------------------------------------------------------------------------------------------

    def on_spare(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> Sequence[Command]:
        """The session that waits said something. Until it takes over, only its settings and its faults matter."""
        match event:
            case SessionCreated():
                return (TellSpare(self._opening),)
            case SessionUpdated():
                first, self._is_ready = not self._is_ready, True
                return (Note(SpareReady(now)),) if first else ()
            case ErrorEvent():
                lost = self._faults.loss_by(event.error, configured=self._is_ready)
                return (noted(event.error, now), *(() if lost is None else (DropSpare(lost),)))
            case _:
                return ()

    def on_spare_lost(self, lost: End, now: LoopTime) -> Sequence[Command]:
        """The session that waited is gone, or was none yet. Another one may be tried; the call does not notice."""
        return (*self.forget(), Note(SpareLost(now, f"{lost.reason.value}: {lost.detail}")))

    def forget(self) -> Sequence[Command]:
        """Nobody waits any more: it has taken over, or the session that it would have relieved is gone."""
        self._is_ready, self._unwritten, self.deadline = False, None, None
        return self._keep()

    # -- the conversation ----------------------------------------------------------------------------------------

    def on_model(self, event: ServerEvent | UnknownEvent, now: LoopTime) -> None:
        """The session that serves said something: perhaps that it is going to write down words, or has."""
        match event:
            case InputAudioBufferCommitted() if self._writes:
                self._unwritten = event.item_id
                self._written_by = LoopTime(now + WORDS_SECONDS)
            case ConversationItemInputAudioTranscriptionCompleted() | ConversationItemInputAudioTranscriptionFailed():
                if event.item_id == self._unwritten:
                    self._unwritten, self._written_by = None, now
            case _:
                pass

    def on_ear(self, *, speaking: bool, now: LoopTime) -> None:
        """Our own ears heard the caller begin or end to speak: perhaps before the service does."""
        self._ear_until = LoopTime(now + EAR_SECONDS) if speaking else now

    def observe(self, *, is_settled: bool, now: LoopTime) -> Sequence[Command]:
        """What to do now, however things have changed. `is_settled`: one serves, no key waits, no transfer."""
        calm = self._calm_from(now) if is_settled and self._is_ready else None
        if calm is None or calm > now:
            self._calm_since, self.deadline = None, calm
            return self._keep()
        if self._calm_since is None:
            self._calm_since = now
        return self._go_on(self._calm_since, now)

    def _go_on(self, calm: LoopTime, now: LoopTime) -> Sequence[Command]:
        """Nothing has been open since `calm`. What ended the last that was is written down only behind its event."""
        if self._briefed is None and now >= calm + RECHECK:
            self._briefed, self.deadline = now, LoopTime(now + SETTLE)
            return (BriefSpare(),)
        due = LoopTime(calm + RECHECK if self._briefed is None else self._briefed + SETTLE)
        self.deadline = due if now < due else LoopTime(now + RECHECK)
        return () if now < due else (ChangeModel(),)

    def _keep(self) -> Sequence[Command]:
        held, self._briefed = self._briefed is not None, None
        return (KeepModel(),) if held else ()

    def _calm_from(self, now: LoopTime) -> LoopTime | None:
        """When there will be a boundary, if nothing happens until then; None where something has to happen first."""
        is_open = self._floor.is_speaking or self._gate.is_held or not self._gate.is_free
        if is_open or self._silence.is_at_work or self._farewell.is_parting:
            return None
        quiet = now if self._playout.is_quiet(now) else self._playout.quiet_at(now)
        if quiet is None:
            return None
        if quiet <= now and not self._playout.is_quiet(now):
            quiet = LoopTime(now + RECHECK)
        return max(now, quiet, self._written_by, self._ear_until)


def is_written_down(opening: SessionUpdate) -> bool:
    """Whether these settings have the service write down what the caller says."""
    audio = opening.session.audio
    return audio is not None and audio.input is not None and isinstance(audio.input.transcription, Transcription)
