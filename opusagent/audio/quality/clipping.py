"""Clipped samples, recognised by flat tops at any level.

What was clipped is afterwards equal to one value exactly, even if it was made quieter since: the histogram of the
amplitudes ends in a spike (Aleinik and Matveev, "Detection of clipped fragments in speech signals", 2014). So the
samples at the highest value are compared with those in a stretch of the same width just below it. Of a sine, which
crowds its peaks more than anything natural, at most 2.42 times as many are in the last stretch as in the one before
(the arcsine law: acos(1 - w) against acos(1 - 2w) - acos(1 - w) for small w). More is clipping.

Where neighbouring values lie far apart (G.711: 3 to 6 % near the top) one natural peak can fill the last stretch, so
the shape of the peaks decides instead. A parabola that stays within one step for n samples has fallen by
((n + 1) / n)**2 steps one sample further out; where the neighbours of a run of equal samples lie much deeper, the peak
was cut off.
Natural samples share the last step with clipped ones then. How many a whole step would hold up there follows from the
two steps below, each of which holds as many times less as the one before. At full scale the last step is natural nearly
to its end, and all of them count. Below, the codec hides where within the step the sound was cut: two limits within one
step make the same codes. Half of them is the estimate that errs least, and by no more than the other half.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from opusagent.audio.quality.levels import Samples

Wide = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]

LEAST_TOP: Final = 1000
"""-30 dBFS: the rounding of anything quieter looks like clipping."""

_CROWDED: Final = 2.5
_COARSE: Final = 0.02
_FULL_SCALE: Final = 32_000  # mu-law's and A-law's highest values are 32,124 and 32,256
_LEAST_HITS: Final = 3
_MOST_WITHOUT_RUNS: Final = 0.05  # of all samples; more than that, and three in a row are somewhere among them
_STEEP: Final = 1.5  # times as deep as the parabola
_LEAST_STEEP: Final = 2
_LEAST_STEEP_SHARE: Final = 0.3


def clipped(samples: Samples) -> int:
    """How many of `samples` are in flat tops, above and below together. A second of sound is a good measure.

    >>> tone = 20_000 * np.sin(0.1 * np.arange(8000))
    >>> clipped(tone.astype(np.int16)), round(clipped(tone.clip(-15_000, 15_000).astype(np.int16)) / 8000, 2)
    (0, 0.46)
    """
    if not len(samples):
        return 0
    wide = samples.astype(np.int32)
    return _flat_top(wide) + _flat_top(-wide)


def _flat_top(samples: Wide) -> int:
    """The samples at the highest value, if they are too many to be natural; 0 otherwise."""
    top = int(np.max(samples))
    places = np.flatnonzero(samples == top)
    hits = len(places)
    if top < LEAST_TOP or hits < _LEAST_HITS or hits == len(samples):
        return 0
    starts, ends = _runs(places)
    if hits > _MOST_WITHOUT_RUNS * len(samples) and int(np.max(ends - starts)) < 2:
        return 0
    nearest = int(np.max(samples[samples < top]))
    if nearest <= 0:
        return hits
    below = int(np.count_nonzero((samples <= nearest) & (samples >= max(1, 2 * nearest - top))))
    if top - nearest <= _COARSE * top:
        return hits if hits > _CROWDED * below else 0
    if not _cut_off(samples, starts, ends, top - nearest):
        return 0
    nearer = int(np.count_nonzero(samples == nearest))
    return max(0, hits - (below // 2 if top >= _FULL_SCALE else _half_a_step(nearer, below - nearer)))


def _half_a_step(nearer: int, further: int) -> int:
    """Half of what the last step holds naturally, from the two steps below it.

    >>> _half_a_step(60, 120), _half_a_step(60, 0), _half_a_step(0, 9)
    (15, 30, 0)
    """
    return nearer * nearer // max(1, 2 * max(nearer, further))


def _cut_off(samples: Wide, starts: Places, ends: Places, step: int) -> bool:
    """Whether the runs of two and more at the top fall off more steeply than a peak that was not cut."""
    inside = (ends > starts) & (starts > 0) & (ends < len(samples) - 1)
    starts, ends = starts[inside], ends[inside]
    lengths = ends - starts + 1
    falls = samples[starts] - (samples[starts - 1] + samples[ends + 1]) / 2
    steep = int(np.count_nonzero(falls > _STEEP * step * np.square((lengths + 1) / lengths)))
    return steep >= max(_LEAST_STEEP, _LEAST_STEEP_SHARE * len(lengths))


def _runs(places: Places) -> tuple[Places, Places]:
    """The first and the last of each run of neighbouring places.

    >>> [ends.tolist() for ends in _runs(np.array([3, 4, 5, 9]))]
    [[3, 9], [5, 9]]
    """
    breaks = np.flatnonzero(np.diff(places) > 1)
    return places[np.concatenate(([0], breaks + 1))], places[np.concatenate((breaks, [len(places) - 1]))]
