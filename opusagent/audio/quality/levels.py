"""Levels in dB below overload, and the powers of short frames from which most else here is estimated.

0 dBFS is the power of a square wave at full scale (ITU-T G.100.1's dBov); a full-scale sine is at -3 dB.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from opusagent.units import Hz

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]
Powers = npt.NDArray[np.float64]

SILENT_DBFS: Final = -100.0
"""What is given for silence, and the floor of every level."""
FULL_SCALE: Final = 32768.0

FRAMES_PER_SECOND: Final = 50
"""Frames of 20 ms: long enough for a pitch period, short enough for the gaps between words."""
SLIVERS_PER_FRAME: Final = 4
"""Slivers of 5 ms: what holes are made of."""


def dbfs(power: float) -> float:
    """The level of a mean power relative to full scale.

    >>> dbfs(1.0), dbfs(0.01), dbfs(0.0)
    (0.0, -20.0, -100.0)
    """
    return max(SILENT_DBFS, 10 * math.log10(power)) if power > 0 else SILENT_DBFS


def power_of(db: float) -> float:
    """The mean power at a level.

    >>> power_of(-20.0)
    0.01
    """
    return 10 ** (db / 10)


def sliver_powers(second: Floats, rate: Hz) -> Powers:
    """The mean power of each 5 ms of `second` (full scale 1.0), (200,) for a whole second."""
    length = rate // FRAMES_PER_SECOND // SLIVERS_PER_FRAME
    slivers = second.reshape(-1, length)
    powers: Powers = np.einsum("ij,ij->i", slivers, slivers).astype(np.float64)
    return powers / length
