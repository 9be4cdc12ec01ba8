"""Dead air: every silence towards the caller while it is our turn has an owner, a bound, and something done about it.

A silence begins when our turn does, or when the caller has heard the last of what was said, whichever is later. When it
has lasted for the bound, the caller hears a sound ("we are still here"), and again each time that it has lasted as long
after that. A silence whose end nobody can promise is given up after a number of sounds.
"""

import enum
from collections import Counter
from typing import Final

import attrs

from opusagent.units import LoopTime

DEAD_AIR_SECONDS: Final = 4.0

MOST_SOUNDS: Final = 3
"""Sounds in one silence after which the call is given up: under twenty seconds."""


class Silence(enum.Enum):
    """Why the caller hears nothing while it is our turn. The value is what reports and logs say."""

    MODEL_AWAY = "the model's session is being replaced"
    ANSWER_DUE = "the model owes an answer"
    TOOL = "a tool is at work"
    ONE_WAY = "no audio comes from the caller's platform"
    UNHEARD = "the model did not react to what the caller said"


class Remedy(enum.Enum):
    """What to do about a silence."""

    ASK = "the model is asked again"
    SOUND = "a sound is played"
    GIVE_UP = "the call is given up"


SAME: Final = 0.1
"""Seconds to which it is known when something was said (`media_time.JUMP`)."""

BOUNDED_ELSEWHERE: Final = frozenset({Silence.MODEL_AWAY, Silence.TOOL})
"""Recovery gives a model up, and every tool has its own time limit."""


@attrs.define
class DeadAir:
    """The silences of one call. Pure; `observe` is told how things stand whenever they may have changed."""

    bound: float = DEAD_AIR_SECONDS
    counts: Counter[str] = attrs.field(factory=Counter[str], init=False)
    """How often each cause let a silence reach the bound."""
    deadline: LoopTime | None = attrs.field(default=None, init=False)
    """When it must be observed again. It may be early: sound that came meanwhile moves it on then."""
    _cause: Silence | None = attrs.field(default=None, init=False)
    _since: LoopTime = attrs.field(default=LoopTime(0.0), init=False)
    _sounds: int = attrs.field(default=0, init=False)
    _has_asked: bool = attrs.field(default=False, init=False)

    def observe(
        self,
        cause: Silence | None,
        heard_until: LoopTime,
        now: LoopTime,
        *,
        lag: float = 0.0,
        spoken: LoopTime | None = None,
    ) -> Remedy | None:
        """What to do now. `cause`: None while it is the caller's turn. `heard_until`: the end of the last sound.

        `lag`: for how long a silence that begins has lasted already when it is noticed. `spoken`: when the caller said
        the last of what has only now been heard, if that is known. A silence that they have not spoken in goes on.
        """
        if cause is None:
            self._cause, self.deadline = None, None
            return None
        if self._cause is None and (spoken is None or spoken > self._since + SAME):
            self._since, self._sounds, self._has_asked = LoopTime(now - lag), 0, False
        self._cause = cause
        begins = max(self._since, heard_until)
        ask_at = LoopTime(begins + self.bound / 2)
        if cause is Silence.UNHEARD and not self._has_asked and now >= ask_at:
            self._has_asked, self.deadline = True, LoopTime(begins + self.bound)
            self.counts[cause.value] += 1
            return Remedy.ASK
        self.deadline = ask_at if cause is Silence.UNHEARD and not self._has_asked else LoopTime(begins + self.bound)
        return self._act(cause, now) if now >= self.deadline else None

    def on_answer(self) -> None:
        """The caller hears the model again."""
        self._sounds = 0

    def _act(self, cause: Silence, now: LoopTime) -> Remedy:
        self.counts[cause.value] += 1
        self._since, self.deadline = now, LoopTime(now + self.bound)
        self._sounds += 1
        return Remedy.GIVE_UP if self._sounds > MOST_SOUNDS and cause not in BOUNDED_ELSEWHERE else Remedy.SOUND
