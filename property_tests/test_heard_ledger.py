"""The heard ledger's law, whatever happens in whatever order: pushed = heard + discarded + held."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opusagent.audio.media import MULAW_8K, PCM16_24K, MediaFormat
from opusagent.call.playout import Cut, Playout
from opusagent.platforms.dialect import LEAD
from opusagent.units import ItemId, LoopTime

FRAME = 160


class NaivePlatform(RuleBasedStateMachine):
    """The playout beside a platform that plays what it gets at once and keeps count in the simplest way."""

    def __init__(self) -> None:
        super().__init__()
        self.now = LoopTime(100.0)
        self.items = 0
        self.in_item = 0
        self.sent = bytearray()
        self.marks: deque[tuple[str, int]] = deque()
        self.model: MediaFormat = PCM16_24K
        self.playout = Playout(self.model, MULAW_8K)

    @initialize(passes=st.booleans())
    def leg(self, passes: bool) -> None:  # noqa: FBT001 - a strategy's value
        """The model speaks 24 kHz PCM, or mu-law that passes through."""
        self.model = MULAW_8K if passes else PCM16_24K
        self.playout = Playout(self.model, MULAW_8K)

    @rule(ms=st.integers(0, 2000), fresh=st.booleans())
    def delta(self, ms: int, fresh: bool) -> None:  # noqa: FBT001 - a strategy's value
        """The model says a little more, of this item or of the next."""
        if fresh:
            self.items += 1
            self.in_item = 0
        audio = self.model.silence * (ms * self.model.rate // 1000)
        self.in_item += len(audio)
        self.playout.push(ItemId(f"item-{self.items}"), 0, audio)

    @rule()
    def response_ends(self) -> None:
        """Only the end of a response is padded."""
        self.playout.finish()
        self.items += 1
        self.in_item = 0

    @rule()
    def listened_to_the_end(self) -> None:
        """Given time after the end of a response, all of it is sent, heard, and nothing is due any more."""
        self.response_ends()
        self.time_passes(600_000)
        while self.marks:
            self.mark_comes_back()
        ledger = self.playout.ledger(self.now)
        assert ledger.held == 0
        assert ledger.heard + ledger.discarded == ledger.pushed
        assert self.playout.next_due(self.now) is None
        assert self.playout.is_quiet(self.now)

    @rule(ms=st.integers(0, 700))
    def time_passes(self, ms: int) -> None:
        """The sender sleeps until something is due and sends it; never too early, never too far ahead."""
        until = self.now + ms / 1000
        while (due := self.playout.next_due(self.now)) is not None and due <= until:
            self.now = LoopTime(max(self.now, due))
            self._send()
        self.now = LoopTime(until)

    def _send(self) -> None:
        batch = self.playout.pop_due(self.now)
        assert batch is not None, "what is due can be had"
        assert {len(frame) for frame in batch.frames} <= {FRAME}
        assert batch.frames or batch.mark is not None, "a batch has a purpose"
        assert self.now <= batch.plays_at <= self.now + LEAD / 1000
        self.sent += b"".join(batch.frames)
        if batch.mark is not None:
            self.marks.append((batch.mark, len(self.sent)))

    @rule()
    def mark_comes_back(self) -> None:
        """A mark confirms all that was sent before it."""
        if self.marks:
            name, _ = self.marks.popleft()
            before = self.playout.heard(self.now)
            self.playout.on_mark(name, self.now)
            assert self.playout.heard(self.now) >= before

    @rule(name=st.text(max_size=12) | st.sampled_from(["0:160", "1:0", "0:-5", "0:1:2", "9:999999"]))
    def stray_mark(self, name: str) -> None:
        """A mark that was never set, or not yet, changes nothing."""
        if name not in {mark for mark, _ in self.marks}:
            before = self.playout.ledger(self.now)
            self.playout.on_mark(name, self.now)
            assert self.playout.ledger(self.now) == before

    @rule()
    def barge_in(self) -> None:
        """What was not heard is discarded, and marks that come back because of the clear mean nothing."""
        before = self.playout.ledger(self.now)
        cuts = self.playout.cut(self.now)
        after = self.playout.ledger(self.now)
        assert after.held == 0
        assert after.heard == before.heard
        assert after.discarded == before.discarded + before.held
        for cut in cuts:
            assert_sound(cut)
        for name, _ in self.marks:
            self.playout.on_mark(name, self.now)
        self.marks.clear()
        assert self.playout.ledger(self.now) == after
        assert self.playout.is_quiet(self.now)
        self.items += 1
        self.in_item = 0

    @rule(ms=st.integers(0, 500))
    def hesitation(self, ms: int) -> None:
        """An interruption that is none: nothing is heard while it lasts, nothing is lost by it."""
        before = self.playout.ledger(self.now)
        self.playout.hold(self.now)
        self.marks.clear()
        self.now = LoopTime(self.now + ms / 1000)
        assert self.playout.pop_due(self.now) is None
        after = self.playout.ledger(self.now)
        assert (after.heard, after.discarded) == (before.heard, before.discarded)
        assert 0 <= after.held - before.held < FRAME
        self.playout.release()

    @invariant()
    def law(self) -> None:
        """No byte is unaccounted for."""
        ledger = self.playout.ledger(self.now)
        assert ledger.pushed == ledger.heard + ledger.discarded + ledger.held
        assert min(ledger.heard, ledger.discarded, ledger.held) >= 0
        assert ledger.heard <= len(self.sent)  # what is sent again after a hold is counted twice there


def assert_sound(cut: Cut) -> None:
    """A truncation is never beyond what the item holds, and never of an item that was heard to its end."""
    assert 0 <= cut.heard < cut.total


TestHeardLedger = NaivePlatform.TestCase
TestHeardLedger.settings = settings(max_examples=150, stateful_step_count=40)
