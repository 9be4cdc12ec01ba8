"""What the model said and the caller has yet to hear: the buffer, its pacing, and the heard ledger.

The model speaks faster than real time; the caller listens in real time. Between them lies one stream of the leg's
bytes, counted from the first byte of the call. Four positions on that stream are the whole ledger:

    confirmed <= heard <= sent <= pushed

* `pushed`: everything that came from the model, converted to the leg's format, and the padding behind it.
* `sent`: handed to the platform. It runs ahead of the pace by `lead` at the most, so that barge-in has little to take
  back. Where nothing lies ahead, audio goes out at once; otherwise in steps, so that one write carries several frames.
  The pace is that of a platform that plays without pause what it has, from the moment it was sent.
* `heard`: where the caller's ear is now. It keeps the same pace, but each mark that comes back sets it again, and the
  ear is never believed to be past a mark that has not come back, unless that mark is so late that it must be lost.
* `confirmed`: the last position whose mark came back.

Marks set no pace: a mark comes back later than the ear passed it, by as long as it was on the line. A sender that
waited for that would starve the platform by as much on every line longer than `lead`.

A hold takes back what was sent and not heard, to be sent again when it is released: an interruption that may turn out
to be none. A cut (barge-in) discards everything beyond `heard`. Both end a generation: marks of earlier ones mean
nothing any more, because a platform returns all pending marks when it is told to clear. So at every moment

    pushed = heard + discarded + held.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.framing import WholeSamples
from opusagent.audio.media import MediaFormat
from opusagent.call.underruns import Underruns
from opusagent.platforms.dialect import LEAD
from opusagent.units import ItemId, LoopTime, Ms

FRAME: Final = Ms(20)
"""What telephony plays at a time."""

STEP: Final = Ms(100)
"""How much is sent at a time while the lead is full, and the distance between marks."""

CAPACITY: Final = Ms(300_000)
"""Five minutes of speech may wait. When it is full the newest loses, and the loss is counted: a response at the
service's default limit of 4,096 tokens lasts about three and a half minutes."""

MARK_PATIENCE: Final = 1.0
"""Seconds after which a mark that should have come back is held to be lost."""


@attrs.frozen
class Batch:
    """Frames to send in one write, where they lie on the stream, when they are heard, and the mark to set behind them.

    `last`: a response ends with them. There may be no frames, if that is known only after they were sent.
    """

    frames: Sequence[bytes]
    position: int
    plays_at: LoopTime
    mark: str | None
    last: bool


@attrs.frozen
class Cut:
    """One item of the model's that a barge-in cut short: what was heard of it, and what it holds."""

    item_id: ItemId
    content_index: int
    heard: Ms
    total: Ms


@attrs.define
class Span:
    """Where one item's audio lies on the stream, and how much of the model's own audio that was."""

    item_id: ItemId
    content_index: int
    start: int
    end: int
    source_bytes: int


@attrs.frozen
class Ledger:
    """The account at one moment, in bytes of the leg: `pushed = heard + discarded + held`."""

    pushed: int
    heard: int
    discarded: int
    held: int
    overflowed: int
    marks_lost: int


class Playout:
    """The stream towards one caller. Pure: every method that depends on time takes it."""

    def __init__(self, model: MediaFormat, leg: MediaFormat, *, lead: Ms = LEAD, marks: bool = True) -> None:
        self.leg: Final = leg
        self._converter: Final = Converter(model, leg)
        self._samples: Final = WholeSamples(model.bytes_per_sample)
        self._frame: Final = leg.bytes_of(FRAME)
        self._lead: Final = leg.bytes_of(lead)
        self._step: Final = leg.bytes_of(STEP)
        self._capacity: Final = leg.bytes_of(CAPACITY)
        self._bytes_per_second: Final = leg.rate * leg.bytes_per_sample
        self._marks_come_back: Final = marks
        self._held = bytearray()
        self._flight = bytearray()
        self._is_on_hold = False
        self._spans: deque[Span] = deque()
        self._marks: deque[int] = deque()
        self._generation = 0
        self._sent = 0
        self._marked = 0
        self._ended = 0
        self._broken = 0
        self._finished = True
        self._anchor = self._pace = (0, LoopTime(0.0))
        self._confirmed = 0
        self._lost = (0, 0)
        self._discarded = 0
        self._overflowed = 0
        self.underruns = Underruns()
        self.peak = 0
        self._marks_lost = 0

    # -- in ----------------------------------------------------------------------------------------------------

    def push(self, item_id: ItemId, content_index: int, audio: bytes) -> None:
        """Append the model's `audio`, in the model's format, to the stream. A split sample waits for its other half."""
        self._finished = False
        span = self._span_of(item_id, content_index)
        span.source_bytes += len(audio)
        self._append(self._converter.push(self._samples.push(audio)))
        span.end = self.pushed

    def finish(self) -> None:
        """The response is over: the converter's tail and padding complete the last frame, and a mark follows it.

        The tail is what the filter still rings, a few milliseconds. It takes the place of padding and adds no frame.
        """
        if self._finished:
            return
        self._finished = True
        self._samples.clear()
        self._append(self._converter.flush()[: -len(self._held) % self._frame])
        if self._spans:
            self._spans[-1].end = self.pushed
        self._pad()

    # -- out ---------------------------------------------------------------------------------------------------

    def pop_due(self, now: LoopTime) -> Batch | None:
        """What must be sent now, or None."""
        due = self.next_due(now)
        if due is None or due > now:
            return None
        self._forget_heard(self._confirmed if self._marks_come_back else self.heard(now))
        del self._flight[: len(self._flight) - (self._sent - self.heard(now))]
        room = self._lead - self._ahead(now)
        count = min(len(self._held), max(room, self._frame)) // self._frame
        self._count_if_dry(count, now)
        plays_at = self._plays_at(now)
        block = bytes(self._held[: count * self._frame])
        del self._held[: len(block)]
        self._sent += len(block)
        self._flight += block
        frames = [block[i : i + self._frame] for i in range(0, len(block), self._frame)]
        last = self._finished and not self._held
        if last:
            self._ended = self._sent
        return Batch(frames, self._sent - len(block), plays_at, self._next_mark(last=last), last)

    def next_due(self, now: LoopTime) -> LoopTime | None:
        """When `pop_due` has something next: now or later, None while nothing waits."""
        if self._is_on_hold:
            return None
        if self._end_is_missing():
            return now
        if len(self._held) < self._frame:
            return None
        surplus = self._ahead(now) - (self._lead - self._step)
        # One sample later than exact: at the time named, the clock has passed the point whatever the rounding.
        return now if surplus <= 0 else LoopTime(now + (surplus + self.leg.bytes_per_sample) / self._bytes_per_second)

    def on_mark(self, name: str, now: LoopTime) -> None:
        """A mark came back: the ear has passed it, if it belongs to this generation."""
        at = next((position for position in self._marks if self._name(position) == name), None)
        if at is None:
            return
        heard = max(at, self.heard(now))  # a caller does not unhear: a very late mark sets no clock back
        while self._marks[0] != at:
            # Marks come back in order; one that was overtaken is lost, not late.
            self._marks.popleft()
            self._marks_lost += 1
        self._marks.popleft()
        self._confirmed = at
        self._anchor = (heard, now)

    # -- barge-in ------------------------------------------------------------------------------------------------

    def is_quiet(self, now: LoopTime) -> bool:
        """Whether a cut would take nothing back: nothing is held and everything sent is known to have been heard."""
        if self._held or not self._finished or self._end_is_missing():
            return False
        return self.heard(now) >= self._sent and not self._mark_is_expected(now)

    def cut(self, now: LoopTime) -> Sequence[Cut]:
        """Discard everything beyond the caller's ear. What each item lost by it; fully heard items are not named."""
        heard = self.heard(now)
        # Where a loss is the last that came, nothing behind its beginning was heard.
        unbroken = self._lost[0] if heard == self._lost[1] else heard
        cuts = tuple(cut for span in self._spans if (cut := self._cut_of(span, unbroken)) is not None)
        self._discarded += self.pushed - heard
        self._sent = self._marked = self._ended = self._confirmed = self.pushed
        self._held.clear()
        self._flight.clear()
        self._is_on_hold = False
        self._spans.clear()
        self._marks.clear()
        self._converter.reset()
        self._samples.clear()
        self._finished = True
        self._generation += 1
        self._anchor = self._pace = (self._sent, now)
        return cuts

    def hold(self, now: LoopTime) -> None:
        """Stop, and take back what was sent and not heard: the platform is told to clear, and nothing is discarded."""
        heard = self.heard(now)
        unheard = self._sent - heard
        self._held[:0] = self._flight[len(self._flight) - unheard :]
        self._flight.clear()
        self._sent = self._marked = self._confirmed = heard
        self._ended = min(self._ended, heard)
        self._broken = heard
        self._marks.clear()
        self._generation += 1
        self._anchor = (heard, now)
        self._is_on_hold = True
        if self._finished:
            self._pad()

    def release(self) -> None:
        """Go on with what was held, in whole frames: the first continues where the ear was."""
        self._is_on_hold = False

    def quiet_at(self, now: LoopTime) -> LoopTime | None:
        """When everything will have been heard, or was, marks that never come included; None while more must follow.

        What is still held is taken to be sent in time. Where it is not, the time named is too early.
        """
        if not self._finished or self._is_on_hold:
            return None
        end = self.silent_from(now) + self.leg.bytes_per_sample / self._bytes_per_second
        awaits_marks = self._marks or (self._held and self._marks_come_back)
        return LoopTime(end + (MARK_PATIENCE if awaits_marks else 0.0))

    def silent_from(self, now: LoopTime) -> LoopTime:
        """When the last of what is here has been heard, or was, by the clock alone; `now` while it is on hold.

        Part of a frame is no sound: it waits for its rest, which may never come.
        """
        return self.reaches(self.pushed, now)

    def reaches(self, position: int, now: LoopTime) -> LoopTime:
        """The same for what lies before `position` of the stream."""
        if self._is_on_hold:
            return now
        is_dry = self._clock(now) >= self._sent and len(self._held) >= self._frame
        start, since = (self._sent, now) if is_dry else self._anchor
        return LoopTime(since + (position - start) / self._bytes_per_second)

    def lose(self, now: LoopTime) -> None:
        """The platform's socket broke: what it had and the caller had not heard is discarded, the rest stays held."""
        self._discarded += self._sent - (heard := self.heard(now))
        self._lost = (self._lost[0] if heard == self._lost[1] else heard, self._sent)
        self._flight.clear()
        self._marked = self._confirmed = self._broken = self._sent
        self._marks.clear()
        self._generation += 1
        self._anchor = (self._sent, now)

    # -- the account ---------------------------------------------------------------------------------------------

    @property
    def pushed(self) -> int:
        """Bytes that ever came in, padding included."""
        return self._sent + len(self._held)

    def heard(self, now: LoopTime) -> int:
        """The position of the caller's ear on the stream, as well as it can be known."""
        clock = self._clock(now)
        return min(clock, max(self._anchor[0], self._marks[0])) if self._mark_is_expected(now) else clock

    def ledger(self, now: LoopTime) -> Ledger:
        """The account at `now`."""
        heard = self.heard(now)
        return Ledger(
            pushed=self.pushed,
            heard=heard - self._discarded,
            discarded=self._discarded,
            held=self.pushed - heard,
            overflowed=self._overflowed,
            marks_lost=self._marks_lost,
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _span_of(self, item_id: ItemId, content_index: int) -> Span:
        if self._spans and (self._spans[-1].item_id, self._spans[-1].content_index) == (item_id, content_index):
            return self._spans[-1]
        span = Span(item_id, content_index, start=self.pushed, end=self.pushed, source_bytes=0)
        self._spans.append(span)
        return span

    def _append(self, audio: bytes) -> None:
        room = max(0, self._capacity - len(self._held))
        self._overflowed += max(0, len(audio) - room)
        self._held += audio[:room]
        self.peak = max(self.peak, len(self._held))

    def _pad(self) -> None:
        """Complete the last frame with silence."""
        samples_short = -len(self._held) % self._frame // self.leg.bytes_per_sample
        self._held += self.leg.silence * samples_short

    def _ahead(self, now: LoopTime) -> int:
        return self._sent - max(self._clock(now), self._played(self._pace, now))

    def _clock(self, now: LoopTime) -> int:
        """The ear by the clock alone: what has been played if nothing has stopped it since the last mark."""
        return max(self._confirmed, self._played(self._anchor, now))

    def _played(self, start: tuple[int, LoopTime], now: LoopTime) -> int:
        position, since = start
        return min(self._sent, position + round((now - since) * self.leg.rate) * self.leg.bytes_per_sample)

    def _mark_is_expected(self, now: LoopTime) -> bool:
        """Whether a mark is out that may still come back. One that is overdue is held to be lost."""
        if not self._marks:
            return False
        position, since = self._anchor
        return position + (now - since - MARK_PATIENCE) * self._bytes_per_second < self._marks[0]

    def _plays_at(self, now: LoopTime) -> LoopTime:
        """When the next byte sent will be heard. A platform that has run dry starts anew with it."""
        ahead = self._ahead(now)
        if ahead <= 0:
            self._pace = (self._sent, now)
            if self._clock(now) >= self._sent:
                self._anchor = self._pace
            return now
        return LoopTime(now + ahead / self._bytes_per_second)

    def _count_if_dry(self, count: int, now: LoopTime) -> None:
        """An underrun, if `count` frames go to a platform that has played the response so far and waits for more.

        It is none behind a response's end, a hold or a lost line, nor before the frame that the end of a response
        completes, which waits for the news that it is the end.
        """
        is_last = count == 1 and self._finished and len(self._held) == self._frame
        if not count or is_last or self._sent in {self._ended, self._broken} or self._ahead(now) > 0:
            return
        dry = min(
            since + (self._sent - position) / self._bytes_per_second for position, since in (self._anchor, self._pace)
        )
        self.underruns = self.underruns.longer(now - dry)

    def _end_is_missing(self) -> bool:
        """Whether a finished response has been sent to its end and the platform has not been told so."""
        return self._finished and not self._held and self._ended < self._sent

    def _next_mark(self, *, last: bool) -> str | None:
        if not self._marks_come_back or not (last or self._sent - self._marked >= self._step):
            return None
        self._marked = self._sent
        self._marks.append(self._sent)
        return self._name(self._sent)

    def _name(self, position: int) -> str:
        return f"{self._generation}:{position}"

    def _forget_heard(self, heard: int) -> None:
        while self._spans and self._spans[0].end <= heard and (len(self._spans) > 1 or self._finished):
            self._spans.popleft()

    def _cut_of(self, span: Span, heard: int) -> Cut | None:
        total = self._converter.source.ms_of(span.source_bytes)
        part = min(self.leg.ms_of(max(0, heard - span.start)), total)
        if heard >= span.end or part >= total:
            return None
        return Cut(span.item_id, span.content_index, part, total)
