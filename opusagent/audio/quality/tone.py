"""Total harmonic distortion, where there is a tone to measure it on.

THD is the root of the harmonics' power over the fundamental's (IEC 60268-3), here of all harmonics up to the tenth and
the Nyquist frequency. Speech has harmonics of its own, so the figure means something only for a stable tone, and for
everything else there is none: frames that keep their power for a second, one frequency that keeps its place and 90 %
of the power. That holds up to a distortion of 33 %.
"""

import math
from typing import Final

import attrs
import numpy as np

from opusagent.audio.quality.levels import Floats, Powers, power_of

LEAST_TONE_DBFS: Final = -50.0
_STEADY: Final = 1.4  # the loudest 20 ms over the softest: 1.5 dB; 60 Hz, of which they hold 1.2 periods, needs 1.1
_DOMINANT: Final = 0.9
_DRIFT: Final = 1.0  # bins between the halves of a second: 2 Hz
_HARMONICS: Final = 10
_LOBE: Final = 4  # bins to either side that a tone fills under the window
_LOWEST: Final = 3 * _LOBE  # bins; below, a tone's lobe and its harmonics' overlap
# Four-term Blackman-Harris: side lobes at -92 dB, so no tone leaks into its harmonics (Harris, Proc. IEEE 66, 1978).
_WINDOW: Final = (0.35875, -0.48829, 0.14128, -0.01168)


@attrs.frozen
class _Tone:
    """A tone in half a second: its bin (a fraction between two), its power, and its harmonics'."""

    bin: float
    power: float
    harmonics: float


def thd_percent(second: Floats, powers: Powers) -> float | None:
    """The distortion of the tone that fills `second`, in percent; None if no stable tone does.

    `second`: a second of sound, any full scale, without its constant; `powers`: those of its 20 ms frames.
    """
    softest = float(np.min(powers))
    if softest < power_of(LEAST_TONE_DBFS) or float(np.max(powers)) > _STEADY * softest:
        return None
    half = len(second) // 2
    first, last = _tone(second[:half]), _tone(second[half : 2 * half])
    if first is None or last is None or abs(first.bin - last.bin) > _DRIFT:
        return None
    return 100 * math.sqrt((first.harmonics + last.harmonics) / (first.power + last.power))


def _tone(sound: Floats) -> _Tone | None:
    spectrum = np.fft.rfft(sound * _window(len(sound)))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    peak = int(np.argmax(power))
    if not _LOWEST <= peak < len(power) - _LOBE:
        return None
    lobe = power[peak - _LOBE : peak + _LOBE + 1]
    fundamental = float(lobe.sum())
    if fundamental < _DOMINANT * float(power.sum()):
        return None
    place = float(lobe @ np.arange(peak - _LOBE, peak + _LOBE + 1)) / fundamental
    return _Tone(place, fundamental, _harmonics(power, place))


def _harmonics(power: Powers, place: float) -> float:
    """The power at multiples of the bin `place`, less what the noise around would put there anyway."""
    centres = [round(place * order) for order in range(2, _HARMONICS + 1)]
    centres = [centre for centre in centres if centre + _LOBE < len(power)]
    width = 2 * _LOBE + 1
    found = sum(float(power[centre - _LOBE : centre + _LOBE + 1].sum()) for centre in centres)
    # The median of noise power is ln 2 of its mean (exponential distribution).
    return max(0.0, found - float(np.median(power)) / math.log(2) * width * len(centres))


def _window(length: int) -> Powers:
    angles = 2 * math.pi / length * np.arange(length)
    window: Powers = np.sum([part * np.cos(order * angles) for order, part in enumerate(_WINDOW)], axis=0)
    return window
