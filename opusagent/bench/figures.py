"""What a resampler does to sound, measured from outside: bytes in, bytes out, no look at the taps.

Every measurement is of int16 output from int16 input, both roundings included, with tones close to full scale. Tones
last whole periods in the stretch that is analysed, so a projection on sine and cosine finds a tone exactly and what is
left after taking it away is everything that does not belong: harmonics, images, aliases and noise.
"""

import cmath
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.pcm import BYTES_PER_SAMPLE, HIGHEST, pcm_of, samples_of
from opusagent.audio.resample import Resampler
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Pcm16

DIRECTIONS: Final = tuple(itertools.permutations((HZ_8K, HZ_16K, HZ_24K), 2))

# What is required of every direction. At equal shape, 8 kHz is the hardest: its samples last longest.
MOST_DELAY_MS: Final = 4.0
MOST_SPREAD_MS: Final = 0.01
MOST_THDN_DB: Final = -90.0
LEAST_REJECTION_DB: Final = 85.0
MOST_RIPPLE_DB: Final = 0.3
BAND: Final = 0.85  # the passband in units of the lower Nyquist frequency: 3.4 kHz of 4 kHz

PEAK: Final = 32000  # -0.2 dB of full scale: room for the passband's ripple and nothing else
_LEAD: Final = 0.05  # seconds that are not looked at: the filter is filling
_SPAN: Final = 0.2  # seconds that are: whole periods of every multiple of 5 Hz
_PHASES: Final = (0.0, 0.3, 0.7, 1.1, 1.5)

Push = Callable[[bytes], bytes]
"""A stream converter: PCM16 in, the PCM16 that is due out."""

Cut = Callable[[Hz], Iterator[int]]
"""How many samples each next piece has, for a stream of that rate."""


@attrs.frozen
class Figures:
    """One direction, measured. `spread_ms`: how far the delay moves with the way the input is cut."""

    source: Hz
    target: Hz
    delay_ms: float
    spread_ms: float
    thdn_db: float
    rejection_db: float
    ripple_db: float
    same_bits: bool

    def missed(self) -> list[str]:
        """The bars that are not met, in words."""
        met = {
            f"delay {self.delay_ms:.3f} ms, at most {MOST_DELAY_MS}": self.delay_ms <= MOST_DELAY_MS,
            f"delay moves by {self.spread_ms:.3f} ms, at most {MOST_SPREAD_MS}": self.spread_ms <= MOST_SPREAD_MS,
            f"THD+N {self.thdn_db:.1f} dB, at most {MOST_THDN_DB}": self.thdn_db <= MOST_THDN_DB,
            f"rejection {self.rejection_db:.1f} dB, at least {LEAST_REJECTION_DB}": (
                self.rejection_db >= LEAST_REJECTION_DB
            ),
            f"ripple {self.ripple_db:.2f} dB, at most {MOST_RIPPLE_DB}": self.ripple_db <= MOST_RIPPLE_DB,
            "other bits when the input is cut in another way": self.same_bits,
        }
        return [f"{self.source} to {self.target} Hz: {words}" for words, holds in met.items() if not holds]


@attrs.frozen
class Heard:
    """A tone after the resampler: its amplitude and phase, and all the rest as the rms of a tone's amplitude."""

    tone: complex
    rest: float

    @property
    def gain_db(self) -> float:
        """How much louder than it went in."""
        return _db(abs(self.tone) / PEAK)

    @property
    def rest_db(self) -> float:
        """Everything that is not the tone, against the tone that went in."""
        return _db(self.rest / PEAK)


def measure(source: Hz, target: Hz) -> Figures:
    """All figures of one direction. Takes a fraction of a second."""
    delays = [delay_ms(source, target, cut) for cut in CUTS]
    return Figures(
        source,
        target,
        delay_ms=max(delays),
        spread_ms=max(delays) - min(delays),
        thdn_db=thdn_db(source, target),
        rejection_db=rejection_db(source, target),
        ripple_db=ripple_db(source, target),
        same_bits=same_bits(source, target),
    )


def thdn_db(source: Hz, target: Hz) -> float:
    """Total harmonic distortion and noise of a 1 kHz tone: all but the tone against the tone, the worst of phases."""
    heard = [hear(source, target, 1000, phase) for phase in _PHASES]
    return max(each.rest_db - each.gain_db for each in heard)


def rejection_db(source: Hz, target: Hz) -> float:
    """The least suppression of what must not be there, over tones all the way up to the source's Nyquist frequency.

    Whatever is not the tone itself counts, so this is a lower bound for image and alias rejection alike, noise
    included. A tone that `target` cannot carry must vanish whole. The hardest tones are on either side of the lower
    Nyquist frequency: their images and aliases are nearest.
    """
    edge = min(source, target) // 2
    tones = itertools.chain(range(50, source // 2, 100), {edge - 5, min(edge, source // 2 - 10) + 5})
    return min(-hear(source, target, hertz).rest_db for hertz in tones)


def ripple_db(source: Hz, target: Hz) -> float:
    """The most that a tone up to `BAND` changes its level, up or down."""
    edge = round(BAND * min(source, target) / 2)
    return max(abs(hear(source, target, hertz).gain_db) for hertz in range(100, edge + 1, 100))


def delay_ms(source: Hz, target: Hz, cut: Cut, hertz: int = 200) -> float:
    """How long after a moment went in it comes out, at worst: the tone's own delay and the longest wait for output.

    The tone's phase tells its delay up to whole periods: 5 ms at 200 Hz.
    """
    pcm = tone_at(source, hertz)
    out, waited = _pushed(Resampler(source, target).push, pcm, cut(source), source, target)
    turned = -cmath.phase(_analysed(target, hertz, out).tone) % (2 * math.pi)
    return 1000 * (turned / (2 * math.pi * hertz) + waited)


def held_ms(push: Push, source: Hz, target: Hz, block_ms: int = 20) -> float:
    """The most media time that went in as blocks and had not come out: what any stream converter holds back."""
    pcm = tone_at(source, 200)
    _, waited = _pushed(push, pcm, itertools.repeat(source * block_ms // 1000), source, target)
    return 1000 * waited


def same_bits(source: Hz, target: Hz) -> bool:
    """Whether loud noise comes out bit for bit the same, however it is cut."""
    pcm = noise(source)
    once = Resampler(source, target)
    whole = once.push(pcm) + once.flush()
    for cut in CUTS:
        again = Resampler(source, target)
        out, _ = _pushed(again.push, pcm, cut(source), source, target)
        if out + again.flush() != whole:
            return False
    return True


def hear(source: Hz, target: Hz, hertz: int, phase: float = 0.3) -> Heard:
    """One tone through the resampler. Sound that `target` cannot carry has no tone: all of it is rest."""
    return _analysed(target, hertz, Resampler(source, target).push(tone_at(source, hertz, phase)))


def tone_at(rate: Hz, hertz: int, phase: float = 0.0) -> Pcm16:
    """A quarter of a second and a bit of a sine at `PEAK`."""
    turns = 2 * math.pi * hertz / rate * np.arange(round(rate * (_LEAD + _SPAN)))
    return pcm_of(np.rint(PEAK * np.sin(turns + phase)).astype(np.int16))


def noise(rate: Hz, peak: int = HIGHEST) -> Pcm16:
    """A quarter of a second and a bit of white noise up to `peak`, always the same."""
    generator = np.random.default_rng(711)
    return pcm_of(generator.integers(-peak, peak, round(rate * (_LEAD + _SPAN)), np.int16, endpoint=True))


def _blocks_of_20_ms(rate: Hz) -> Iterator[int]:
    return itertools.repeat(rate // 50)


def _single_samples(_rate: Hz) -> Iterator[int]:
    return itertools.repeat(1)


def _ragged(_rate: Hz) -> Iterator[int]:
    return itertools.cycle((0, 1, 2, 3, 5, 7, 160, 11, 241, 0, 13, 1000))


def _all_at_once(rate: Hz) -> Iterator[int]:
    return itertools.repeat(rate)


CUTS: Final[tuple[Cut, ...]] = (_blocks_of_20_ms, _single_samples, _ragged, _all_at_once)


def _pushed(push: Push, pcm: bytes, cuts: Iterator[int], source: Hz, target: Hz) -> tuple[bytes, float]:
    """What comes out of `pcm` in pieces of `cuts` samples, and the most seconds that output was behind input."""
    out = bytearray()
    taken, waited = 0, 0.0
    while taken < len(pcm):
        piece = pcm[taken : taken + next(cuts) * BYTES_PER_SAMPLE]
        taken += len(piece)
        out += push(piece)
        waited = max(waited, (taken / source - len(out) / target) / BYTES_PER_SAMPLE)
    return bytes(out), waited


def _analysed(rate: Hz, hertz: int, pcm: bytes) -> Heard:
    first, count = round(rate * _LEAD), round(rate * _SPAN)
    sound: npt.NDArray[np.float64] = samples_of(pcm)[first : first + count].astype(np.float64)
    tone = 0j
    if 2 * hertz < rate:
        turns = 2 * math.pi * hertz / rate * np.arange(first, first + count)
        sine, cosine = np.sin(turns), np.cos(turns)
        tone = complex(float(sound @ sine), float(sound @ cosine)) * 2 / count
        sound = sound - tone.real * sine - tone.imag * cosine
    return Heard(tone, math.sqrt(2 * float(sound @ sound) / count))


def _db(ratio: float) -> float:
    return 20 * math.log10(max(ratio, 1e-10))
