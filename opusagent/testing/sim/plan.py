"""What a seed has decided before anything happens: who calls, how the lines are, what may go wrong, how it ends.

Swarm testing (Groce et al., "Swarm Testing", ISSTA 2012): each run enables a random subset of the faults, some none and
some one alone, because faults that always come together hide each other.
"""

import enum
from random import Random
from typing import Final

import attrs

from opusagent.realtime.settings import AudioChoice
from opusagent.testing.sim.dice import Dice
from opusagent.testing.sim.pipe import Weather


class Mode(enum.Enum):
    """What a run asks. The value is what the command line says."""

    SAFETY = "safety"
    """Faults never stop: nothing forbidden happens."""
    LIVENESS = "liveness"
    """Faults stop: everything that was to end ends, and a new call goes well."""
    SHUTDOWN = "shutdown"
    """The daemon is told to stop at some instant: it does, in time."""


class Fault(enum.Enum):
    """What may go wrong. The value is its name in a trace."""

    RESET = "reset"
    BLACKHOLE = "blackhole"
    ONE_WAY = "one-way blackhole"
    STALL = "stall"
    HALF_CLOSE = "half-close"
    TRICKLE = "trickle"
    REFUSED = "refused"
    ACCEPT_FAILS = "accept fails"
    DISK_FAILS = "disk fails"
    DISK_SLOW = "disk slow"
    DISK_HANGS = "disk hangs"
    MALFORMED_PLATFORM = "malformed from a platform"
    MALFORMED_MODEL = "malformed from the model"
    MODEL_REFUSES = "the service refuses a session"
    MODEL_LEAVES = "the model leaves"
    MODEL_SILENT = "the model falls silent"
    MODEL_ERRS = "the service reports an error"
    CALLER_VANISHES = "a caller vanishes"
    OPERATOR_HANGS_UP = "an operator hangs up"
    RELOAD = "reload"
    BAD_RELOAD = "bad reload"
    DRAIN = "drain"


BY_MODE: Final = {
    Mode.SAFETY: frozenset(Fault),
    Mode.LIVENESS: frozenset(Fault) - {Fault.DRAIN},
    Mode.SHUTDOWN: frozenset(Fault) - {Fault.DRAIN},
}


SESSION_SECONDS: Final = 3600.0
"""How long the service lets a session last: its sixty minutes. Tests make it so short that calls outlast it."""

AUDIO: Final[tuple[AudioChoice, ...]] = ("pcm", "pcmu", "pcmu")
"""What passes through is cheaper, and lets more seeds be run."""


@attrs.frozen
class Call:
    """One caller: by which platform, from when on, and for how long he wants to talk."""

    platform: str
    begins: float
    seconds: float


@attrs.frozen
class Plan:
    """All of it. Times are seconds of the world's clock; `stop_at` and `heal_at` count only in their modes."""

    seed: int
    mode: Mode
    faults: frozenset[Fault]
    fault_every: float
    calls: tuple[Call, ...]
    audio: AudioChoice
    hears: bool
    jitter: float
    cuts: float
    heal_at: float
    stop_at: float
    drain_seconds: float
    session_seconds: float

    @classmethod
    def of(cls, seed: int, mode: Mode) -> "Plan":
        """What `seed` decides."""
        dice = Dice(seed).of(f"plan of {mode.value}")
        return cls(
            seed=seed,
            mode=mode,
            faults=_some_of(sorted(BY_MODE[mode], key=lambda fault: fault.value), dice),
            fault_every=dice.uniform(0.3, 3.0),
            calls=tuple(_call(dice) for _ in range(dice.choice((1, 1, 2, 2, 3)))),
            audio=dice.choice(AUDIO),
            hears=dice.random() < 0.3,
            jitter=dice.choice((0.0, 0.02, 0.2)),
            cuts=dice.choice((0.0, 0.1, 0.5)),
            heal_at=dice.uniform(1.0, 5.0),
            stop_at=dice.uniform(0.0, 5.0),
            drain_seconds=dice.choice((0.0, 1.0, 3.0)),
            session_seconds=SESSION_SECONDS,
        )

    def has(self, fault: Fault) -> bool:
        """Whether `fault` may happen in this run."""
        return fault in self.faults

    def weather(self, name: str) -> Weather:
        """How the direction called `name` delivers."""
        dice = Dice(self.seed).of(f"weather of {name}")
        return Weather(dice.uniform(0.0005, 0.04), self.jitter, self.cuts)


def _some_of(faults: list[Fault], dice: Random) -> frozenset[Fault]:
    match dice.randrange(10):
        case 0:
            return frozenset()
        case 1 | 2 | 3:
            return frozenset({dice.choice(faults)})
        case _:
            share = dice.uniform(0.1, 0.7)
            return frozenset(fault for fault in faults if dice.random() < share)


def _call(dice: Random) -> Call:
    return Call(dice.choice(("twilio", "twilio", "audiocodes")), dice.uniform(0.0, 1.5), dice.uniform(0.3, 3.0))
