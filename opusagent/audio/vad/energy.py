"""A detector without weights: speech is what rises above the quietest of the last second and a half.

The floor is a minimum over sub-windows (Martin, "Noise power spectral density estimation based on optimal smoothing
and minimum statistics", IEEE Trans. Speech and Audio Processing 9, 2001, section VI), here of the whole chunk's level.
Speech pauses more often than the window is long, so the minimum is noise; whatever is steady for the whole window (a
tone, a hum, a louder noise) becomes the floor and is not speech any more.

It tells loud from quiet and nothing else: music, keys and clicks are speech to it. Its place is the quiet line on which
no network is wanted, and the figures of `python -m opusagent.bench vad` show where it ends.
"""

from typing import Final

import attrs
import numpy as np

from opusagent.audio.vad.detector import Floats, sigmoid

QUIETEST_DBFS: Final = -100.0
RISE_DB: Final = np.float32(6.0)
"""How far above the floor the probability is one half; it moves by a factor e of odds per dB. The level of a chunk of
white telephone noise varies by 0.4 dB (rms), so noise stays ten of these below."""
FAINTEST_DBFS: Final = np.float32(-50.0)
"""And how loud at least. A usual comfort noise is 10 dB below, telephone speech 27 dB above (active, -23 dBFS)."""

_CHUNKS: Final = 8  # of a sub-window: 256 ms
_WINDOWS: Final = 6

# The state of one stream, a row: chunks taken, the minimum so far of this sub-window, the minima of the last six.
_TAKEN: Final = 0
_LOWEST: Final = slice(1, 2 + _WINDOWS)
_CURRENT: Final = 1
_OLDER: Final = slice(2, 2 + _WINDOWS)


def levels_dbfs(chunks: Floats) -> Floats:
    """The level of each chunk, (streams,): dB of its mean power below full scale 1.0, at least `QUIETEST_DBFS`.

    >>> levels_dbfs(np.array([[0.1, -0.1], [0.0, 0.0]], np.float32)).round(3).tolist()
    [-20.0, -100.0]
    """
    powers = np.einsum("ij,ij->i", chunks, chunks) / chunks.shape[1]
    decibels: Floats = 10 * np.log10(np.maximum(powers, np.float32(10 ** (QUIETEST_DBFS / 10))))
    return decibels


@attrs.frozen
class EnergyDetector:
    """Loudness against its own recent minimum, as a probability."""

    @property
    def width(self) -> int:
        """One count, seven minima.

        >>> EnergyDetector().width
        8
        """
        return _LOWEST.stop

    def step(self, chunks: Floats, rows: Floats) -> Floats:
        """The probability of speech in each chunk: (streams, 512) and (streams, 8), updated, to (streams,)."""
        levels = levels_dbfs(chunks)
        floors = _tracked(levels, rows)
        excess: Floats = np.minimum(levels - floors - RISE_DB, levels - FAINTEST_DBFS)
        return sigmoid(excess)

    def pass_over(self, chunks: Floats, rows: Floats) -> None:
        """Quiet chunks are what the floor is made of."""
        _tracked(levels_dbfs(chunks), rows)


def _tracked(levels: Floats, rows: Floats) -> Floats:
    """Take `levels` into the minima and give each stream's floor, in dBFS."""
    new = rows[:, _TAKEN] == 0
    rows[new, _LOWEST] = levels[new, None]
    rows[:, _CURRENT] = np.minimum(rows[:, _CURRENT], levels)
    floors: Floats = rows[:, _LOWEST].min(axis=1)
    rows[:, _TAKEN] += 1
    full = rows[:, _TAKEN] > _CHUNKS
    rows[full, _OLDER] = rows[full, _CURRENT : _OLDER.stop - 1]
    rows[full, _CURRENT] = levels[full]
    rows[full, _TAKEN] = 1
    return floors
