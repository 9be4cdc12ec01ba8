"""Whether what somebody heard is what somebody said."""

from typing import Final

import numpy as np
import numpy.typing as npt

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.pcm import samples_of

END: Final = 4000
"""Bytes of mu-law: the last half second of something said."""

Samples = npt.NDArray[np.float64]


def likeness(said: bytes, heard: bytes) -> float:
    """How alike two pieces of mu-law are, at the shift that fits best: 1 is the same words, 0 has nothing of them.

    The peak of their cross-correlation, over the square root of both energies.
    """
    one, other = _samples(said), _samples(heard)
    energy = float(np.dot(one, one) * np.dot(other, other))
    if energy == 0:
        return 0.0
    length = len(one) + len(other)
    product = np.fft.rfft(one, length) * np.conj(np.fft.rfft(other, length))
    return float(np.max(np.abs(np.fft.irfft(product, length))) / energy**0.5)


def heard_to_its_end(said: bytes, heard: bytes) -> float:
    """How alike `said` and its own last half second are to some place of `heard`, the less alike of the two."""
    return min(presence(said, heard), presence(said[-END:], heard))


def presence(said: bytes, heard: bytes) -> float:
    """How alike `said` is to the place of `heard` that fits best: 1 is the same, whatever else was heard.

    The peak of the cross-correlation, over the square root of both energies there. Both are mu-law.
    """
    one = _samples(said)
    other = np.append(_samples(heard), np.zeros(max(0, len(said) - len(heard))))
    places = len(other) - len(one) + 1
    length = len(one) + len(other)
    product = np.fft.irfft(np.fft.rfft(other, length) * np.conj(np.fft.rfft(one, length)), length)[:places]
    energies = np.append(0.0, np.cumsum(np.square(other)))
    energy = (energies[len(one) :] - energies[:places]) * np.dot(one, one)
    alike = np.divide(product, np.sqrt(energy), out=np.zeros(places), where=energy > 0)
    return float(alike.max())


def _samples(mulaw: bytes) -> Samples:
    return samples_of(mulaw_decode(mulaw)).astype(np.float64)
