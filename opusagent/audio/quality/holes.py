"""Holes in the audio: stretches of digital silence that begin and end in the middle of sound.

A voice fades and a microphone hisses; only a lost packet goes from sound to exact zeros and back within a few
milliseconds. A pause on a line that mutes pauses has sound on neither side, or lasts longer than a hole.
"""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.quality.levels import Powers, power_of
from opusagent.units import Ms

SLIVER: Final = Ms(5)
SHORTEST: Final = Ms(10)
LONGEST: Final = Ms(500)
LOUD_DBFS: Final = -45.0

_NEAR: Final = 2  # slivers on either side, one of which must be loud
_KEPT: Final = LONGEST // SLIVER + 2 * _NEAR


@attrs.define(eq=False)
class HoleFinder:
    """The last half second's slivers, so that no hole is lost between two pushes."""

    _past: Powers = attrs.field(init=False, factory=lambda: np.zeros(_KEPT))

    def push(self, powers: Powers) -> list[Ms]:
        """Take the powers of the next slivers of 5 ms; the lengths of the holes that have turned out to be holes."""
        known = np.concatenate((self._past, powers))
        self._past = known[-_KEPT:]
        silent = known == 0
        if not silent.any():
            return []
        return [
            Ms((end - start) * SLIVER)
            for start, end in _runs(silent)
            if end + _NEAR > _KEPT and end + _NEAR <= len(known) and _is_hole(known, start, end)
        ]


def _is_hole(powers: Powers, start: int, end: int) -> bool:
    if not SHORTEST <= (end - start) * SLIVER <= LONGEST or start < _NEAR:
        return False
    loud = power_of(LOUD_DBFS)
    return float(np.max(powers[start - _NEAR : start])) > loud and float(np.max(powers[end : end + _NEAR])) > loud


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where each stretch of set flags begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
