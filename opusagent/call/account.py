"""The account of a call, kept while it takes place: turns with their times, words, what happened when. Decides nothing.

Times are in seconds since the call began.
"""

from collections.abc import Sequence
from typing import Final

from opusagent.audio.media import MediaFormat
from opusagent.call.media_time import CallClock
from opusagent.call.moments import (
    AnswerBegan,
    CallerPaused,
    Interrupted,
    KeysCame,
    Lapsed,
    LineBack,
    LineLost,
    ModelBack,
    ModelLost,
    ModelReady,
    Moment,
    RolledOver,
)
from opusagent.call.playout import Batch, Playout
from opusagent.call.private import Story, without_private
from opusagent.call.report import Happening
from opusagent.call.tape import Tape
from opusagent.call.transcript import Transcript
from opusagent.call.turns import Turn, TurnLog
from opusagent.call.words import Line, WordCounts, count_words
from opusagent.realtime.events import ResponseOutputAudioDelta, ServerEvent, UnknownEvent
from opusagent.units import LoopTime


class Account:
    """What one call will be remembered by. What its `tape` leaves out in a pause, the account leaves out as well."""

    def __init__(self, began: LoopTime, playout: Playout, model: MediaFormat, tape: Tape, *, mask_digits: bool) -> None:
        self.ready_after: float | None = None
        self._began: Final = began
        self._playout: Final = playout
        self._tape: Final = tape
        self.transcript: Final = Transcript(model, playout.leg, mask_digits=mask_digits)
        self._story: Final = Story(began)
        self._turns: Final = TurnLog()
        self._answer_at: int | None = None
        self._gaps: list[float] = []
        self._lost_at: LoopTime | None = None
        self._model_gaps: list[float] = []
        self._model_lost_at: LoopTime | None = None
        self.rollovers: Final[list[float]] = []

    def on_model(self, event: ServerEvent | UnknownEvent, start: int, now: LoopTime) -> None:
        """The model said something. If it was sound, it lies in the playout's stream from `start` on."""
        if isinstance(event, ResponseOutputAudioDelta):
            self.transcript.on_sound(event, start, self._playout.pushed, now - self._began)
        else:
            self.transcript.on_model(event, now - self._began)

    def on_batch(self, batch: Batch, now: LoopTime) -> None:
        """Frames go to the platform; perhaps the first ones of an answer."""
        self.transcript.on_batch(batch, batch.plays_at - self._began)
        answer = self._answer_at
        if answer is None or answer >= batch.position + sum(map(len, batch.frames)):
            return
        self._answer_at = None
        ahead = self._playout.leg.ms_of(max(0, answer - batch.position)) / 1000
        self._turns.on_first_sent(round(now - self._began, 4), round(batch.plays_at - self._began + ahead, 4))

    def on_ear_stopped(self, at: LoopTime) -> None:
        """Our own ears heard that the caller fell silent at `at`."""
        self._turns.on_ear_stopped(round(at - self._began, 4))

    def note(self, moment: Moment) -> None:
        """Something happened."""
        at = round(moment.at - self._began, 4)
        match moment:
            case AnswerBegan():
                self._answer_at = moment.position
                self._turns.on_first_delta(at)
            case CallerPaused():
                self._turns.on_service_stopped(at)
            case Interrupted() | Lapsed():
                self.transcript.on_cut(moment.cuts, at)
                for first in moment.cuts[:1]:
                    self._turns.on_cut(first.heard, first.total)
            case KeysCame():
                self.transcript.on_keys(moment.digits, at)
            case ModelReady():
                self.ready_after, self._model_lost_at = at, None
            case ModelLost():
                self._model_lost_at = moment.at if self._model_lost_at is None else self._model_lost_at
            case ModelBack():
                self._model_lost_at = None
                self._model_gaps.append(round(moment.gap, 3))
            case RolledOver():
                self.rollovers.append(round(at, 3))
            case LineLost():
                self._lost_at = moment.at
            case LineBack():
                self._lost_at = None
                self._gaps.append(round(moment.gap, 3))
            case _:
                pass
        self._story.add(moment, self._tape.pauses)

    # -- what remains -------------------------------------------------------------------------------------------

    def turns(self) -> tuple[Turn, ...]:
        """Every turn, with its times."""
        return self._turns.all()

    def story(self) -> tuple[Happening, ...]:
        """What happened, line by line."""
        return self._story.lines()

    def gaps(self, now: LoopTime) -> tuple[float, ...]:
        """For how long the caller's line was away, each time; the last time perhaps for good."""
        last = () if self._lost_at is None else (round(now - self._lost_at, 3),)
        return (*self._gaps, *last)

    def model_gaps(self, now: LoopTime) -> tuple[float, ...]:
        """For how long the model was away, each time; the last time perhaps for good."""
        last = () if self._model_lost_at is None else (round(now - self._model_lost_at, 3),)
        return (*self._model_gaps, *last)

    def lines(self, now: LoopTime, when_said: CallClock) -> Sequence[Line]:
        """The transcript. The call is over: what the caller has not heard by now is cut."""
        self.transcript.on_cut(self._playout.cut(now), now - self._began)
        return without_private(self.transcript.lines(when_said), self._tape.pauses)

    def counts(self, lines: Sequence[Line]) -> WordCounts:
        """A transcript in numbers."""
        return count_words(lines, self.transcript.lost)
