"""What a caller hears: a platform's play queue as arithmetic, without a timer.

Audio is played in the order in which it arrives, in real time, each piece at once or behind the one before it; so the
moment of every sample is known when it arrives, until a `clear` takes back what has not been played. This is the truth
that a bridge's own account is measured against.
"""

import math
from typing import Final

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.units import LoopTime, Ms

# A moment computed in floating point may fall short of a whole byte by far less than this.
_ROUNDING_BYTES: Final = 0.01


@attrs.frozen
class Heard:
    """Sound that was played to the caller, beginning at `at`."""

    at: LoopTime
    audio: bytes


@attrs.frozen
class Cleared:
    """Sound that was taken back at `at`, before the caller heard it."""

    at: LoopTime
    audio: bytes


@attrs.frozen
class _Piece:
    start: LoopTime
    audio: bytes


@attrs.define
class PlayQueue:
    """The queue of one call, of sound in `media`. Times that go in are those of arrival, none earlier than the last.

    Questions about now look from the end backwards, so that they cost what is queued and not what the call has heard.
    """

    media: MediaFormat
    cleared: list[Cleared] = attrs.field(factory=list[Cleared], init=False)
    _pieces: list[_Piece] = attrs.field(factory=list[_Piece], init=False)
    _total: int = attrs.field(default=0, init=False)
    _busy_until: LoopTime = attrs.field(default=LoopTime(0.0), init=False)

    @property
    def bytes_per_second(self) -> int:
        """How fast the caller listens."""
        return self.media.rate * self.media.bytes_per_sample

    @property
    def busy_until(self) -> LoopTime:
        """When everything that has arrived will have been played."""
        return self._busy_until

    def play(self, audio: bytes, at: LoopTime) -> None:
        """`audio` arrives."""
        start = LoopTime(max(at, self._busy_until))
        self._pieces.append(_Piece(start, audio))
        self._total += len(audio)
        self._busy_until = LoopTime(start + len(audio) / self.bytes_per_second)

    def clear(self, at: LoopTime) -> None:
        """The queue is dropped: what is being played stops within its sample."""
        unheard = self._take_back(at)
        if unheard:
            self.cleared.append(Cleared(at, unheard))
            self._total -= len(unheard)
        self._busy_until = LoopTime(min(self._busy_until, at))

    def heard(self, now: LoopTime) -> tuple[Heard, ...]:
        """Everything that has been played, each piece with the time at which it began."""
        parts = (Heard(piece.start, piece.audio[: self._played(piece, now)]) for piece in self._pieces)
        return tuple(part for part in parts if part.audio)

    def heard_bytes(self, now: LoopTime) -> int:
        """How much has been played."""
        waiting = 0
        for piece in reversed(self._pieces):
            rest = len(piece.audio) - self._played(piece, now)
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
                return LoopTime(piece.start + (count - before) / self.bytes_per_second)
        return LoopTime(0.0)

    def queued(self, now: LoopTime) -> Ms:
        """How much waits to be played."""
        return Ms(max(0, round((self._busy_until - now) * 1000)))

    def _played(self, piece: _Piece, now: LoopTime) -> int:
        """How many of its bytes have been played: whole samples."""
        count = int((now - piece.start) * self.bytes_per_second + _ROUNDING_BYTES)
        return min(len(piece.audio), max(0, count - count % self.media.bytes_per_sample))

    def _take_back(self, at: LoopTime) -> bytes:
        """Cut the queue at `at` and return what comes after the cut."""
        unheard: list[bytes] = []
        while self._pieces and (played := self._played(self._pieces[-1], at)) < len(self._pieces[-1].audio):
            piece = self._pieces.pop()
            unheard.append(piece.audio[played:])
            if played:
                self._pieces.append(_Piece(piece.start, piece.audio[:played]))
        return b"".join(reversed(unheard))
