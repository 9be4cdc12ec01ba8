"""The model's voice: what it says, what of it is heard, and what becomes of it when the caller speaks.

A response is *silent* until its first audio comes, then *speaking*; *muted* once it was interrupted, because the
service goes on sending a little of what it had generated; and *over* when it is done, after which it says no more,
whatever still comes in its name. What was said lies in the playout, which outlives the response; so an interruption
cuts the playout whether or not a response is still being made.
"""

import enum
from collections.abc import Sequence
from typing import Final, assert_never

from opusagent.call.clips import CLIP
from opusagent.call.commands import ClearCaller, Command, Note, TellModel
from opusagent.call.floor import Verdict
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import AnswerBegan, Interrupted, Lapsed
from opusagent.call.playout import Cut, Playout
from opusagent.realtime.events import (
    ConversationItemTruncate,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    ResponseOutputAudioDelta,
)
from opusagent.units import ItemId, LoopTime, ResponseId

HELD_SECONDS: Final = 5.0
"""How long speech that a broken line held up is worth hearing. After more, the caller has to be asked anew."""

CUT_OFF: Final = "The connection failed while you were speaking. Go on where you stopped, and repeat nothing."

GO_ON: Final = "You were interrupted by a noise, not by words. Go on where the caller stopped hearing you."


class Speech(enum.Enum):
    """How far a response has come."""

    SILENT = "silent"
    SPEAKING = "speaking"
    MUTED = "muted"
    OVER = "over"


class Voice:
    """What the model says in one call. `cancels`: the service does not cancel by itself, so we do."""

    def __init__(self, playout: Playout, gate: ResponseGate, instructions: str, *, cancels: bool) -> None:
        self.playout: Final = playout
        self._gate: Final = gate
        self._instructions: Final = instructions
        self._cancels: Final = cancels
        self._responses: Final[dict[ResponseId, Speech]] = {}
        self._items: Final[set[ItemId]] = set()
        self._last_began: tuple[ResponseId, int] | None = None
        self._earlier = 0
        self.barge_ins = self.false_barge_ins = 0

    @property
    def responses(self) -> int:
        """How many there were."""
        return self._earlier + len(self._responses)

    # -- speaking ------------------------------------------------------------------------------------------------

    def on_created(self, response: ResponseId) -> Sequence[Command]:
        """A response begins, unless it is known already. One that was interrupted before it began is cancelled."""
        if response in self._responses:
            return ()
        is_wanted = self._gate.on_created(response)
        self._responses[response] = Speech.SILENT if is_wanted else Speech.MUTED
        return () if is_wanted else (cancellation(response),)

    def on_audio(self, event: ResponseOutputAudioDelta, now: LoopTime, paused: LoopTime | None) -> Sequence[Command]:
        """Some of its sound. The first of a response is a moment; `paused`: when the caller it answers stopped."""
        response = ResponseId(event.response_id)
        # A response whose beginning was not told begins with its sound.
        began = self.on_created(response)
        speech = self._responses[response]
        if speech in {Speech.MUTED, Speech.OVER}:
            return began
        position = self.playout.pushed
        self.playout.push(ItemId(event.item_id), event.content_index, event.delta)
        self._items.add(ItemId(event.item_id))
        if speech is Speech.SPEAKING:
            return began
        self._responses[response] = Speech.SPEAKING
        self._last_began = response, position
        return (*began, Note(AnswerBegan(now, None if paused is None else now - paused, position)))

    def on_done(self, response: ResponseId, now: LoopTime) -> Sequence[Command]:
        """It is over; a wish that waited for that has its turn."""
        # The end of one response is no pause in another, which may have begun meanwhile.
        if self._gate.active in {None, response} and not self.is_over(response):
            self.playout.finish()
        self._responses[response] = Speech.OVER
        return tuple(map(TellModel, self._gate.on_done(response, now)))

    def on_lost(self) -> ResponseCreate | None:
        """The session is gone, and says no more. What the next one has to be asked for; None if it owes nothing.

        What is in the playout is still heard. Names of responses and items mean nothing to another session.
        """
        active = None if self._gate.active is None else self._responses.get(self._gate.active)
        wish = self._gate.leave(spent=active in {Speech.SPEAKING, Speech.MUTED})
        self.playout.finish()
        self.playout.release()
        self._earlier += len(self._responses)
        self._responses.clear()
        self._items.clear()
        has_words = wish is not None and wish.response is not None
        return self._with(CUT_OFF) if active is Speech.SPEAKING and not has_words else wish

    def has_spoken(self, response: ResponseId) -> bool:
        """Whether the response, which is not over, had any sound that was not interrupted."""
        return self._responses.get(response) is Speech.SPEAKING

    def heard_before(self, response: ResponseId, now: LoopTime) -> LoopTime:
        """When the caller will have heard, or has, what was said before the response."""
        name, position = self._last_began or (response, self.playout.pushed)
        return self.playout.reaches(position if name == response else self.playout.pushed, now)

    def is_muted(self, response: ResponseId) -> bool:
        """Whether the response, which is not over, was interrupted."""
        return self._responses.get(response) is Speech.MUTED

    def is_over(self, response: ResponseId) -> bool:
        """Whether the response is done."""
        return self._responses.get(response) is Speech.OVER

    def ask(self, wish: ResponseCreate, now: LoopTime) -> Sequence[Command]:
        """Have the model say something, as soon as it may."""
        return tuple(map(TellModel, self._gate.ask(wish, now)))

    def ask_with(self, words: str, now: LoopTime) -> Sequence[Command]:
        """The same, with words of our own."""
        return self.ask(self._with(words), now)

    def fill(self, words: str, now: LoopTime) -> Sequence[Command]:
        """Have the model say `words` now, or not at all."""
        return tuple(map(TellModel, self._gate.ask_in_passing(self._with(words), now)))

    def _with(self, words: str) -> ResponseCreate:
        # A response's instructions replace the session's, so they are repeated.
        instructions = f"{self._instructions}\n\n{words}" if self._instructions else words
        return ResponseCreate(response=ResponseOptions(instructions=instructions))

    # -- falling silent ------------------------------------------------------------------------------------------

    def is_busy(self, now: LoopTime) -> bool:
        """Whether the caller hears the model, or is about to."""
        return not self.playout.is_quiet(now) or self._gate.is_busy

    def obey(self, verdict: Verdict, now: LoopTime) -> Sequence[Command]:
        """Do what the floor demands."""
        match verdict:
            case Verdict.NOTHING:
                return ()
            case Verdict.HOLD:
                self.playout.hold(now)
                return (ClearCaller(now),)
            case Verdict.INTERRUPT:
                return self.interrupt(now, cancels=self._cancels)
            case Verdict.RESUME:
                self.false_barge_ins += 1
                self.playout.release()
                return ()
            case Verdict.GO_ON:
                self.false_barge_ins += 1
                return self.ask_with(GO_ON, now)
        assert_never(verdict)

    def interrupt(self, now: LoopTime, *, cancels: bool) -> Sequence[Command]:
        """Fall silent, and forget what was not heard. `cancels`: the service does not end its response by itself."""
        active = self._gate.active
        cancel = (cancellation(active),) if active is not None and cancels and not self.is_muted(active) else ()
        self._gate.revoke()
        if self.playout.is_quiet(now):
            self._mute()
            self.playout.release()  # what was held back in doubt may have been nothing yet
            return cancel
        self.barge_ins += 1
        cuts = self._cut(now)
        return (ClearCaller(now), *cancel, *self._truncations(cuts), Note(Interrupted(now, cuts)))

    def on_line_back(self, gap: float, now: LoopTime) -> Sequence[Command]:
        """The platform is back after `gap` seconds. What waited is worth hearing, or too old: it is asked for anew."""
        if gap <= HELD_SECONDS or self.playout.is_quiet(now):
            return ()
        cuts = self._cut(now)
        return (*self._truncations(cuts), Note(Lapsed(now, gap, cuts)), *self.ask_with(CUT_OFF, now))

    def _cut(self, now: LoopTime) -> tuple[Cut, ...]:
        self._mute()
        return tuple(cut for cut in self.playout.cut(now) if cut.item_id != CLIP)

    def _truncations(self, cuts: Sequence[Cut]) -> Sequence[TellModel]:
        """What the session is told of what was cut. Of an item of an earlier session it knows the words alone."""
        return tuple(truncation(cut) for cut in cuts if cut.item_id in self._items)

    def _mute(self) -> None:
        if self._gate.active is not None:
            self._responses[self._gate.active] = Speech.MUTED


def cancellation(response: ResponseId) -> TellModel:
    """What ends a response at the service."""
    return TellModel(ResponseCancel(response_id=response))


def truncation(cut: Cut) -> TellModel:
    """What tells the model how much of an item was heard."""
    return TellModel(
        ConversationItemTruncate(item_id=cut.item_id, content_index=cut.content_index, audio_end_ms=cut.heard)
    )
