"""Twilio's play queue, with its marks.

A mark is reached when everything before it has been played, at once if nothing is queued, and by a `clear`, which
reaches all of them (Twilio, "Media Streams - WebSocket Messages", "Send a mark message", "Send a clear message").
"""

import math
from collections import deque
from collections.abc import Iterator

import attrs
from typing_extensions import override

from opusagent.audio.media import MULAW_8K, MediaFormat
from opusagent.testing.play_queue import PlayQueue
from opusagent.units import LoopTime


@attrs.frozen
class ReachedMark:
    """A mark on its way back: reached at `reached`, echoed at `echo`; `by_clear` if its audio was not all heard."""

    name: str
    reached: LoopTime
    echo: LoopTime
    by_clear: bool = False


@attrs.define
class TwilioPlayout(PlayQueue):
    """The queue of one call, of mu-law, and the marks in it."""

    media: MediaFormat = attrs.field(default=MULAW_8K, init=False)
    _marks: deque[ReachedMark] = attrs.field(factory=deque[ReachedMark], init=False)

    def mark(self, name: str, at: LoopTime, *, echo_delay: float = 0.0) -> None:
        """A mark arrives; its echo leaves `echo_delay` seconds after it is reached, and behind those before it."""
        reached = LoopTime(max(at, self.busy_until))
        self._marks.append(ReachedMark(name, reached, self._echo_at(reached + echo_delay)))

    @override
    def clear(self, at: LoopTime) -> None:
        """The queue is dropped, and every mark in it is reached."""
        super().clear(at)
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

    def _echo_at(self, wished: float) -> LoopTime:
        return LoopTime(max(wished, self._marks[-1].echo if self._marks else wished))

    def _as_cleared(self, mark: ReachedMark, at: LoopTime) -> ReachedMark:
        """`mark` after a `clear` at `at`: its delay is kept, its place in the order too."""
        if mark.reached <= at:
            return mark
        return ReachedMark(mark.name, at, self._echo_at(at + mark.echo - mark.reached), by_clear=True)
