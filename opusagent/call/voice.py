"""The model's voice: what it says, what of it is heard, and what becomes of it when the caller speaks.

A response is *silent* until its first audio comes, and *muted* once it was interrupted: the service goes on sending a
little of what it had generated. What was said lies in the playout, which outlives the response; so an interruption cuts
the playout whether or not a response is still being made.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from opusagent.call.commands import ClearCaller, Command, Note, TellModel
from opusagent.call.floor import Verdict
from opusagent.call.gate import ResponseGate
from opusagent.call.moments import AnswerBegan, Interrupted
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

GO_ON: Final = "You were interrupted by a noise, not by words. Go on where the caller stopped hearing you."


class Voice:
    """What the model says in one call. `cancels`: the service does not cancel by itself, so we do."""

    def __init__(self, playout: Playout, gate: ResponseGate, instructions: str, *, cancels: bool) -> None:
        self.playout: Final = playout
        self._gate: Final = gate
        self._instructions: Final = instructions
        self._cancels: Final = cancels
        self._muted: set[ResponseId] = set()
        self._silent: set[ResponseId] = set()
        self._spoken: set[ResponseId] = set()
        self.responses = self.barge_ins = self.false_barge_ins = 0

    # -- speaking ------------------------------------------------------------------------------------------------

    def on_created(self, response: ResponseId) -> None:
        """A response begins."""
        self._gate.on_created(response)
        self._silent.add(response)
        self.responses += 1

    def on_audio(self, event: ResponseOutputAudioDelta, now: LoopTime, paused: LoopTime | None) -> Sequence[Command]:
        """Some of its sound. The first of a response is a moment; `paused`: when the caller it answers stopped."""
        response = ResponseId(event.response_id)
        if response in self._muted:
            return ()
        position = self.playout.pushed
        self.playout.push(ItemId(event.item_id), event.content_index, event.delta)
        if response not in self._silent:
            return ()
        self._silent.discard(response)
        self._spoken.add(response)
        return (Note(AnswerBegan(now, None if paused is None else now - paused, position)),)

    def on_done(self, response: ResponseId) -> Sequence[Command]:
        """It is over; a wish that waited for that has its turn."""
        if response not in self._muted:
            self.playout.finish()
        self._muted.discard(response)
        self._silent.discard(response)
        return tuple(map(TellModel, self._gate.on_done(response)))

    def has_spoken(self, response: ResponseId) -> bool:
        """Whether the response had any sound."""
        return response in self._spoken

    def ask(self, wish: ResponseCreate) -> Sequence[Command]:
        """Have the model say something, as soon as it may."""
        return tuple(map(TellModel, self._gate.ask(wish)))

    def ask_with(self, words: str) -> Sequence[Command]:
        """The same, with words of our own. A response's instructions replace the session's, so they are repeated."""
        instructions = f"{self._instructions}\n\n{words}" if self._instructions else words
        return self.ask(ResponseCreate(response=ResponseOptions(instructions=instructions)))

    # -- falling silent ------------------------------------------------------------------------------------------

    def is_busy(self, now: LoopTime) -> bool:
        """Whether the caller hears the model, or is about to."""
        return not self.playout.is_quiet(now) or self._gate.active is not None

    def obey(self, verdict: Verdict, now: LoopTime) -> Sequence[Command]:
        """Do what the floor demands."""
        match verdict:
            case Verdict.NOTHING:
                return ()
            case Verdict.HOLD:
                self.playout.hold(now)
                return (ClearCaller(now),)
            case Verdict.INTERRUPT:
                return self._interrupt(now)
            case Verdict.RESUME:
                self.false_barge_ins += 1
                self.playout.release()
                return ()
            case Verdict.GO_ON:
                self.false_barge_ins += 1
                return self.ask_with(GO_ON)
        assert_never(verdict)

    def on_line_back(self, gap: float, now: LoopTime) -> Sequence[Command]:
        """The platform is back after `gap` seconds. What waited is still worth hearing, or too old and discarded."""
        if gap <= HELD_SECONDS or self.playout.is_quiet(now):
            return ()
        return self._cut(now)

    def _interrupt(self, now: LoopTime) -> Sequence[Command]:
        active = self._gate.active
        cancel: Sequence[Command] = ()
        if active is not None and self._cancels:
            cancel = (TellModel(ResponseCancel(response_id=active)),)
        if self.playout.is_quiet(now):
            self._mute()
            return cancel
        self.barge_ins += 1
        return (ClearCaller(now), *cancel, *self._cut(now))

    def _cut(self, now: LoopTime) -> Sequence[Command]:
        self._mute()
        cuts = self.playout.cut(now)
        return (*map(truncation, cuts), Note(Interrupted(now, tuple(cuts))))

    def _mute(self) -> None:
        if self._gate.active is not None:
            self._muted.add(self._gate.active)


def truncation(cut: Cut) -> TellModel:
    """What tells the model how much of an item was heard."""
    return TellModel(
        ConversationItemTruncate(item_id=cut.item_id, content_index=cut.content_index, audio_end_ms=cut.heard)
    )
