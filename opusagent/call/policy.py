"""How a conversation is to be held: who may interrupt whom, what keys do, when a call has cost enough."""

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from opusagent.call.clips import NO_CLIPS, Clips
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.digits import DigitRules
from opusagent.call.one_way import NO_AUDIO_SECONDS
from opusagent.call.usage import Prices
from opusagent.units import Ms


class Interrupt(enum.Enum):
    """Whether the caller may interrupt the model."""

    ALWAYS = "always"
    NEVER = "never"
    AFTER = "after_ms"


class Doubt(enum.Enum):
    """What follows an interruption that was none: speech too short to be words, then silence."""

    OFF = "off"
    RESUME = "resume"
    GO_ON = "continue"


SILENCE: Final = 0.5
"""Seconds by which the service reports the end of speech late (`silence_duration_ms`, its default)."""


@attrs.frozen
class TurnPolicy:
    """Barge-in. Speech under `after` does not interrupt (`AFTER`); speech under `shortest` is no turn (`doubt`).

    `lag` is how much later than it is the end of speech is known, in seconds; `longest_lag` what that may be at most.
    """

    interrupt: Interrupt = Interrupt.ALWAYS
    after: Ms = Ms(0)
    greeting_interruptible: bool = True
    doubt: Doubt = Doubt.OFF
    shortest: Ms = Ms(400)
    lag: float = SILENCE
    longest_lag: float = SILENCE
    local: bool = False
    """Our own voice activity detection decides, and the service's is switched off."""

    @property
    def is_ours(self) -> bool:
        """Whether we ask for every response: the service would interrupt and answer at the first sound."""
        return self.local or self.doubt is not Doubt.OFF or self.interrupt is Interrupt.AFTER


class KeyAction(enum.Enum):
    """What a key can be bound to, beside a transfer."""

    HANG_UP = "hang_up"
    IGNORE = "ignore"


@attrs.frozen
class TransferTo:
    """A key, or the model, transfers the caller to a target of the configuration."""

    target: str


@attrs.frozen
class Budget:
    """What a call may use, in tokens or dollars. None: no limit."""

    tokens: int | None = None
    dollars: float | None = None
    prices: Prices = Prices()

    def is_spent(self, tokens: int, dollars: float) -> bool:
        """Whether either limit is reached."""
        over_tokens = self.tokens is not None and tokens >= self.tokens
        return over_tokens or (self.dollars is not None and dollars >= self.dollars)


GOODBYE_SECONDS: Final = 15.0
"""How long a goodbye may take from the wish to end the call until it is heard."""

FILLER_SECONDS: Final = 2.0
"""How long a tool may take before the caller is told that it takes time."""


@attrs.frozen
class Patience:
    """What silence and loss may cost. `dead_air_seconds`: how long the caller may hear nothing while it is our turn.

    `no_audio_seconds`: how long no sound may come from the caller's platform.
    `fallback` is the target of the configuration that a caller is passed on to whom the model cannot serve.
    """

    dead_air_seconds: float = DEAD_AIR_SECONDS
    fallback: str | None = None
    no_audio_seconds: float = NO_AUDIO_SECONDS


@attrs.frozen
class Policy:
    """Everything that the session needs to know beforehand."""

    instructions: str = ""
    greeting: str | None = None
    turns: TurnPolicy = TurnPolicy()
    digits: DigitRules = DigitRules()
    mask_digits: bool = False
    mute_tones: bool = False
    keys: Mapping[str, KeyAction | TransferTo] = attrs.field(factory=dict[str, KeyAction | TransferTo])
    filler: str | None = None
    filler_seconds: float = FILLER_SECONDS
    goodbye_seconds: float = GOODBYE_SECONDS
    budget: Budget = Budget()
    patience: Patience = Patience()
    clips: Clips = NO_CLIPS
    may_end: bool = True
    """The model may end the call (`end_call`)."""
    are_you_there: str = (
        "Nothing is heard from the caller's line any more. Ask in one short sentence whether they are there."
    )
    winding_down: str = "The time for this call is used up. Say goodbye politely, in one sentence."
