"""The turns of a call and where their time went: mouth to ear, in the stages that a caller waits through.

    stopped        the caller stopped speaking: by our own ears where they are on, else when the service said so
    first_delta    the first audio of the answer came from the model
    first_sent     its first frame went to the platform
    first_heard    its first sample reached the caller's ear, by the pacing clock

Times are seconds since the call began. A turn whose answer nobody gave has no later stages; an answer that nobody asked
for (a greeting) has no `stopped`. Where our own ears are off, or have heard no end of speech, the service says it some
time after the caller's last sound, and the wait is told too short by that: such a turn is `noticed`.
"""

from typing import Final

import attrs

from opusagent.units import Ms

MOST_TURNS: Final = 2000
"""Turns that a report holds. An hour of lively talk has a few hundred."""

FRESH: Final = 3.0
"""Seconds within which our own ears' end of speech and the service's are about the same speech."""


@attrs.frozen
class Turn:
    """One answer and what it followed. `heard` of `total`: how much of it was heard, if the caller interrupted it.

    `noticed`: `stopped` is when the model's service noticed the pause, which is later than the caller's last sound.
    """

    stopped: float | None = None
    first_delta: float | None = None
    first_sent: float | None = None
    first_heard: float | None = None
    heard: Ms | None = None
    total: Ms | None = None
    noticed: bool = False

    @property
    def waited(self) -> float | None:
        """Seconds from `stopped` to the answer's first sound, as the caller lives it unless it is only `noticed`."""
        if self.stopped is None or self.first_heard is None:
            return None
        return self.first_heard - self.stopped


class TurnLog:
    """Collects the turns. Pure; the times are the caller's arguments."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._turn = Turn()
        self._ear_stopped: float | None = None

    def on_ear_stopped(self, at: float) -> None:
        """Our own ears heard the caller's last sound at `at`."""
        self._ear_stopped = at

    def on_service_stopped(self, at: float) -> None:
        """The service said at `at` that the caller had stopped."""
        own = self._ear_stopped
        self._close()
        heard = own is not None and 0 <= at - own <= FRESH
        self._turn = Turn(stopped=own if heard else at, noticed=not heard)

    def on_first_delta(self, at: float) -> None:
        """An answer's first audio came."""
        if self._turn.first_delta is not None:
            self._close()
        self._turn = attrs.evolve(self._turn, first_delta=at)

    def on_first_sent(self, at: float, heard_at: float) -> None:
        """The answer's first frame was sent at `at` and is heard at `heard_at`."""
        if self._turn.first_sent is None and self._turn.first_delta is not None:
            self._turn = attrs.evolve(self._turn, first_sent=at, first_heard=heard_at)

    def on_cut(self, heard: Ms, total: Ms) -> None:
        """The caller interrupted: of `total` of the answer, `heard` was heard."""
        if self._turn.first_delta is not None:
            self._turn = attrs.evolve(self._turn, heard=heard, total=total)

    def all(self) -> tuple[Turn, ...]:
        """Every turn so far, the current one included."""
        return tuple(turn for turn in (*self._turns, self._turn) if turn != Turn())

    def _close(self) -> None:
        if self._turn != Turn() and len(self._turns) < MOST_TURNS:
            self._turns.append(self._turn)
        self._turn = Turn()
