"""What is measured of a leg's audio, what is expected of it, and one number for both."""

import math
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np

from opusagent.errors import LocalProtocolError
from opusagent.units import Ms

LONGEST_SILENCE: Final = Ms(10_000)


@attrs.frozen
class QualityMetrics:
    """A chunk, and the latest that is known of the sound around it.

    `level_dbfs` and `dc_offset` (a part of full scale) are the chunk's. The rest is the last whole second's; before
    the first, there is no clipping and the score is 100. `snr_db` is None until speech and a pause were heard;
    `thd_percent` is None unless a stable tone filled the second; `clipping_percent` is of that second's samples.
    """

    snr_db: float | None
    thd_percent: float | None
    clipping_percent: float
    level_dbfs: float
    dc_offset: float
    quality_score: float


@attrs.frozen
class QualitySummary:
    """All of a leg's audio so far.

    `snr_db` and `quality_score` are means over seconds, with their worst beside them; `thd_percent` is the worst;
    `level_dbfs` is the last known level of active speech. `holes`: digital silence in the middle of sound; `gaps`:
    media time that never arrived. `silent_longest`: the longest stretch without any energy while frames arrived.
    """

    audio: Ms
    snr_db: float | None
    snr_db_worst: float | None
    thd_percent: float | None
    clipping_percent: float
    level_dbfs: float | None
    dc_offset: float
    quality_score: float
    quality_score_worst: float
    holes: int
    holes_ms: Ms
    gaps: int
    gaps_ms: Ms
    silent_longest: Ms
    alerts: int


@attrs.frozen
class QualityThresholds:
    """What is worth an alert. `max_silent_ms`: no energy for so long while frames arrive is one-way audio.

    Raises `LocalProtocolError` on a limit that is negative or not a number.
    """

    min_snr_db: float = 20.0
    max_thd_percent: float = 1.0
    max_clipping_percent: float = 0.1
    min_quality_score: float = 60.0
    max_silent_ms: Ms = LONGEST_SILENCE

    def __attrs_post_init__(self) -> None:
        limits = (
            self.min_snr_db,
            self.max_thd_percent,
            self.max_clipping_percent,
            self.min_quality_score,
            self.max_silent_ms,
        )
        if not all(0 <= limit < math.inf for limit in limits):
            raise LocalProtocolError(f"{self}: a limit must be a number and not negative")


# What each figure leaves of the score: points between which it is linear, and beyond which it stays.
_SNR_DB: Final = ((0.0, 0.2), (10.0, 0.5), (20.0, 0.8), (30.0, 1.0))
_CLIPPING_PERCENT: Final = ((0.0, 1.0), (0.1, 0.9), (1.0, 0.6), (5.0, 0.2))
_THD_PERCENT: Final = ((1.0, 1.0), (5.0, 0.8), (20.0, 0.4))
_LOST_PERCENT: Final = ((0.0, 1.0), (1.0, 0.85), (5.0, 0.5), (20.0, 0.1))
_SPEECH_DBFS: Final = ((-55.0, 0.3), (-35.0, 1.0), (-12.0, 1.0), (-5.0, 0.7))


def quality_score(
    *,
    snr_db: float | None = None,
    clipping_percent: float = 0.0,
    thd_percent: float | None = None,
    lost_percent: float = 0.0,
    speech_dbfs: float | None = None,
) -> float:
    """0 to 100: 100, less what each figure takes away; what is not known takes nothing.

    An order of good and bad legs, and not a MOS: nobody listened. Impairments multiply, as independent ones nearly do
    in the E-model (ITU-T G.107, impairments add on a scale of dB). The points are ours: noise 20 dB below speech
    leaves 80, one percent of clipped samples 60, five percent of lost audio 50.

    >>> quality_score(), quality_score(snr_db=20.0), quality_score(snr_db=20.0, clipping_percent=1.0)
    (100.0, 80.0, 48.0)
    """
    left = 100.0
    for value, points in (
        (snr_db, _SNR_DB),
        (clipping_percent, _CLIPPING_PERCENT),
        (thd_percent, _THD_PERCENT),
        (lost_percent, _LOST_PERCENT),
        (speech_dbfs, _SPEECH_DBFS),
    ):
        if value is not None:
            left *= _between(value, points)
    return round(left, 1)


def _between(value: float, points: Sequence[tuple[float, float]]) -> float:
    return float(np.interp(value, [at for at, _ in points], [left for _, left in points]))
