"""When somebody speaks: a detector that knows nothing but loudness.

The level of each 20 ms frame is compared with a fixed threshold. Three loud frames in a row begin a turn; while it
lasts a frame counts as loud already 6 dB lower (hysteresis: the ends of words are soft), and the turn is over when no
frame has been loud for the silence asked for.

The threshold does not follow the noise, on purpose. This is the ear of a backend that people test against: the same
audio gives the same turns, whatever came before it, and one number explains each decision. The price is that a line
noisier than about -46 dBov never falls silent; the caller's own leg has better ears.
"""

import math
from collections.abc import Iterable
from typing import Final

import attrs
import numpy as np

from opusagent.audio.pcm import samples_of
from opusagent.units import Hz, Ms, Pcm16, samples_of_ms

FRAME: Final = Ms(20)
ONSET_FRAMES: Final = 3
HYSTERESIS_DB: Final = 6.0
DEFAULT_THRESHOLD: Final = 0.5
DEFAULT_SILENCE: Final = Ms(500)
START: Final = Ms(0)


def onset_dbov(threshold: float) -> float:
    """The level that begins a turn, in dB below overload (ITU-T G.100.1), for the protocol's 0.0 to 1.0.

    The middle of the scale is 17 dB below the usual level of telephone speech (-23 dBov while active) and 10 dB above
    a loud comfort noise (-50 dBov).

    >>> [onset_dbov(threshold) for threshold in (0.0, 0.5, 1.0)]
    [-55.0, -40.0, -25.0]
    """
    return 30.0 * threshold - 55.0


def frame_levels(audio: Pcm16, rate: Hz) -> list[float]:
    """The level of each whole 20 ms frame in dBov; a frame of zeros is at -inf. A last partial frame is left out.

    >>> [round(level, 2) for level in frame_levels(Pcm16(bytes(320) + bytes([0, 64]) * 160), Hz(8000))]
    [-inf, -6.02]
    """
    samples = samples_of_ms(FRAME, rate)
    whole = len(audio) // 2 // samples * samples
    frames = samples_of(audio)[:whole].astype(np.float64).reshape(-1, samples)
    powers: list[float] = np.square(frames).mean(axis=1).tolist()
    return [10.0 * math.log10(power / 2.0**30) if power else -math.inf for power in powers]


@attrs.frozen
class SpeechBegan:
    """A turn began: `at` is where its first loud frame starts, in the audio written so far."""

    at: Ms


@attrs.frozen
class SpeechEnded:
    """A turn ended: `at` is where the silence that ends it was complete."""

    at: Ms


@attrs.define
class SpeechDetector:
    """The state of one ear. `heard` is its clock: how much whole-frame audio was pushed, plus where it started."""

    rate: Hz
    threshold: float = DEFAULT_THRESHOLD
    silence: Ms = DEFAULT_SILENCE
    heard: Ms = START
    speaking: bool = attrs.field(default=False, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)
    _loud_frames: int = attrs.field(default=0, init=False)
    _last_loud: Ms = attrs.field(default=START, init=False)

    def push(self, audio: Pcm16) -> list[SpeechBegan | SpeechEnded]:
        """What `audio` decided; any length, and the cuts between pushes do not matter."""
        pending = self._rest + audio
        whole = len(pending) - len(pending) % (2 * samples_of_ms(FRAME, self.rate))
        self._rest = pending[whole:]
        return list(self._decide(frame_levels(Pcm16(pending[:whole]), self.rate)))

    def _decide(self, levels: Iterable[float]) -> Iterable[SpeechBegan | SpeechEnded]:
        onset = onset_dbov(self.threshold)
        for level in levels:
            self.heard = Ms(self.heard + FRAME)
            if self.speaking:
                yield from self._while_speaking(loud=level >= onset - HYSTERESIS_DB)
            else:
                yield from self._while_quiet(loud=level >= onset)

    def _while_quiet(self, *, loud: bool) -> Iterable[SpeechBegan]:
        self._loud_frames = self._loud_frames + 1 if loud else 0
        if self._loud_frames == ONSET_FRAMES:
            self.speaking, self._last_loud = True, self.heard
            yield SpeechBegan(Ms(self.heard - ONSET_FRAMES * FRAME))

    def _while_speaking(self, *, loud: bool) -> Iterable[SpeechEnded]:
        if loud:
            self._last_loud = self.heard
        elif self.heard - self._last_loud >= self.silence:
            self.speaking, self._loud_frames = False, 0
            yield SpeechEnded(self.heard)
