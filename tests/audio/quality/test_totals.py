"""Sums, means and extremes over seconds."""

from opusagent.audio.quality.metrics import QualitySummary
from opusagent.audio.quality.second import Second
from opusagent.audio.quality.snr import SpeechLevels
from opusagent.audio.quality.totals import Totals
from opusagent.units import Ms


def test_every_figure_of_every_second_is_in_the_summary() -> None:
    totals = Totals()
    totals.add(Second(silent=True))
    totals.add(Second(silent=True, thd_percent=3.0))
    totals.add(Second(levels=SpeechLevels(-23.0, -43.0), clipping_percent=0.3, dc_offset=0.03, thd_percent=2.0))
    totals.add(Second(levels=SpeechLevels(-25.0, -55.0), holes=(Ms(20), Ms(30)), gap=Ms(40)))
    assert totals.summary(Ms(4100)) == QualitySummary(
        audio=Ms(4100),
        snr_db=25.0,
        snr_db_worst=20.0,
        thd_percent=3.0,
        clipping_percent=0.3 / 4,
        level_dbfs=-25.0,
        dc_offset=0.03 / 4,
        quality_score=totals.summary(Ms(0)).quality_score,
        quality_score_worst=totals.summary(Ms(0)).quality_score_worst,
        holes=2,
        holes_ms=Ms(50),
        gaps=1,
        gaps_ms=Ms(40),
        silent_longest=Ms(2000),
        alerts=0,
    )
    assert totals.silent_now == 0
