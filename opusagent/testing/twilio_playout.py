"""What a caller hears: Twilio's play queue as arithmetic, without a timer.

Audio is played in the order in which it arrives, 8000 bytes a second, each piece at once or behind the one before it;
so the moment of every byte is known when it arrives, until a `clear` takes back what has not been played. This is the
truth that a bridge's own account is measured against. A mark is reached when everything before it has been played, at
once if nothing is queued, and by a `clear`, which reaches all of them (Twilio, "Media Streams - WebSocket Messages",
"Send a mark message", "Send a clear message").
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

import attrs

from opusagent.units import LoopTime, Ms, Mulaw

BYTES_PER_SECOND: Final = 8000

# A moment computed in floating point may fall short of a whole byte by far less than this.
_ROUNDING_BYTES: Final = 0.01


@attrs.frozen
class Heard:
    """Sound that was played to the caller, beginning at `at`."""

    at: LoopTime
    audio: Mulaw


@attrs.frozen
class Cleared:
    """Sound that a `clear` at `at` took back before the caller heard it."""

    at: LoopTime
    audio: Mulaw


@attrs.frozen
class ReachedMark:
    """A mark on its way back: reached at `reached`, echoed at `echo`; `by_clear` if its audio was not all heard."""

    name: str
    reached: LoopTime
    echo: LoopTime
    by_clear: bool = False


@attrs.frozen
class _Piece:
    start: LoopTime
    audio: Mulaw

    def played(self, now: LoopTime) -> int:
        """How many of its bytes have been played."""
        return min(len(self.audio), max(0, int((now - self.start) * BYTES_PER_SECOND + _ROUNDING_BYTES)))


@attrs.define
class TwilioPlayout:
    """The queue of one call. Every time that goes in is that of arrival, and none is earlier than the one before.

    Questions about now look from the end backwards, so that they cost what is queued and not what the call has heard.
    """

    _pieces: list[_Piece] = attrs.field(factory=list[_Piece], init=False)
    _total: int = attrs.field(default=0, init=False)
    _busy_until: LoopTime = attrs.field(default=LoopTime(0.0), init=False)
    _marks: deque[ReachedMark] = attrs.field(factory=deque[ReachedMark], init=False)
    cleared: list[Cleared] = attrs.field(factory=list[Cleared], init=False)

    @property
    def busy_until(self) -> LoopTime:
        """When everything that has arrived will have been played."""
        return self._busy_until

    def play(self, audio: Mulaw, at: LoopTime) -> None:
        """`audio` arrives."""
        start = LoopTime(max(at, self._busy_until))
        self._pieces.append(_Piece(start, audio))
        self._total += len(audio)
        self._busy_until = LoopTime(start + len(audio) / BYTES_PER_SECOND)

    def mark(self, name: str, at: LoopTime, *, echo_delay: float = 0.0) -> None:
        """A mark arrives; its echo leaves `echo_delay` seconds after it is reached, and behind those before it."""
        reached = LoopTime(max(at, self._busy_until))
        self._marks.append(ReachedMark(name, reached, self._echo_at(reached + echo_delay)))

    def clear(self, at: LoopTime) -> None:
        """The queue is dropped: what is being played stops within its sample, every mark in it is reached."""
        unheard = self._take_back(at)
        if unheard:
            self.cleared.append(Cleared(at, unheard))
            self._total -= len(unheard)
        self._busy_until = LoopTime(min(self._busy_until, at))
        waiting, self._marks = self._marks, deque()
        for mark in waiting:
            self._marks.append(self._as_cleared(mark, at))

    def next_echo(self) -> LoopTime:
        """When the next echo leaves; infinity if no mark waits."""
        return self._marks[0].echo if self._marks else LoopTime(math.inf)

    def take_echoes(self, now: LoopTime) -> Iterator[ReachedMark]:
        """The marks whose echo is due, in order, each once."""
        while self.next_echo() <= now:
            yield self._marks.popleft()

    def heard(self, now: LoopTime) -> tuple[Heard, ...]:
        """Everything that has been played, each piece with the time at which it began."""
        parts = (Heard(piece.start, Mulaw(piece.audio[: piece.played(now)])) for piece in self._pieces)
        return tuple(part for part in parts if part.audio)

    def heard_bytes(self, now: LoopTime) -> int:
        """How much has been played."""
        waiting = 0
        for piece in reversed(self._pieces):
            rest = len(piece.audio) - piece.played(now)
            if not rest:
                break
            waiting += rest
        return self._total - waiting

    def when_heard(self, count: int) -> LoopTime:
        """When `count` bytes will have been played, counted from the beginning; infinity if too little has arrived."""
        before = self._total
        if count > before:
            return LoopTime(math.inf)
        for piece in reversed(self._pieces):
            before -= len(piece.audio)
            if count > before:
                return LoopTime(piece.start + (count - before) / BYTES_PER_SECOND)
        return LoopTime(0.0)

    def queued(self, now: LoopTime) -> Ms:
        """How much waits to be played."""
        return Ms(max(0, round((self._busy_until - now) * 1000)))

    def _take_back(self, at: LoopTime) -> Mulaw:
        """Cut the queue at `at` and return what comes after the cut."""
        unheard: list[bytes] = []
        while self._pieces and (played := self._pieces[-1].played(at)) < len(self._pieces[-1].audio):
            piece = self._pieces.pop()
            unheard.append(piece.audio[played:])
            if played:
                self._pieces.append(_Piece(piece.start, Mulaw(piece.audio[:played])))
        return Mulaw(b"".join(reversed(unheard)))

    def _echo_at(self, wished: float) -> LoopTime:
        return LoopTime(max(wished, self._marks[-1].echo if self._marks else wished))

    def _as_cleared(self, mark: ReachedMark, at: LoopTime) -> ReachedMark:
        """`mark` after a `clear` at `at`: its delay is kept, its place in the order too."""
        if mark.reached <= at:
            return mark
        return ReachedMark(mark.name, at, self._echo_at(at + mark.echo - mark.reached), by_clear=True)
