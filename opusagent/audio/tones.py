"""Struck tones: soft sounds that are made here, for when there is nobody to speak."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from opusagent.audio.pcm import pcm_of
from opusagent.units import HZ_24K, Ms, Pcm16, samples_of_ms

PEAK: Final = 8000.0
DECAY: Final = 0.12
"""Seconds in which a tone falls to 1/e."""

ATTACK: Final = 0.01
"""Seconds in which a tone rises; a step would click."""


def struck(tones: Sequence[float], each: Ms) -> Pcm16:
    """One tone after the other, frequencies in Hz, `each` so long, at 24 kHz.

    >>> len(struck([440.0, 330.0], Ms(300))) // 48
    600
    """
    return Pcm16(b"".join(_struck(tone, each) for tone in tones))


def _struck(tone: float, length: Ms) -> Pcm16:
    time = np.arange(samples_of_ms(length, HZ_24K)) / HZ_24K
    envelope = np.exp(-time / DECAY) * np.minimum(1.0, time / ATTACK)
    return pcm_of((PEAK * np.sin(2 * np.pi * tone * time) * envelope).astype(np.int16))
