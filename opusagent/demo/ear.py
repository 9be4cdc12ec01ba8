"""Whether what somebody heard is what somebody said."""

import numpy as np

from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.pcm import samples_of


def likeness(said: bytes, heard: bytes) -> float:
    """How alike two pieces of mu-law are, at the shift that fits best: 1 is the same words, 0 has nothing of them.

    The peak of their cross-correlation, over the square root of both energies.
    """
    one, other = (samples_of(mulaw_decode(each)).astype(np.float64) for each in (said, heard))
    energy = float(np.dot(one, one) * np.dot(other, other))
    if energy == 0:
        return 0.0
    length = len(one) + len(other)
    product = np.fft.rfft(one, length) * np.conj(np.fft.rfft(other, length))
    return float(np.max(np.abs(np.fft.irfft(product, length))) / energy**0.5)
