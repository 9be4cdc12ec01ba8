"""A leg's seconds, added up."""

import attrs

from opusagent.audio.quality.metrics import QualitySummary
from opusagent.audio.quality.second import NONE, SECOND, Second
from opusagent.units import Ms


@attrs.define
class _Figure:
    """The mean and the lowest of what is known."""

    count: int = 0
    total: float = 0.0
    worst: float | None = None

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count += 1
            self.total += value
            self.worst = value if self.worst is None else min(value, self.worst)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@attrs.define
class Totals:
    """Sums, means and extremes over whole seconds; no second itself is kept."""

    seconds: int = 0
    silent_now: Ms = NONE
    """How long there has been no energy."""
    alerts: int = 0
    _snr: _Figure = attrs.field(init=False, factory=_Figure)
    _score: _Figure = attrs.field(init=False, factory=_Figure)
    _thd_worst: float | None = attrs.field(init=False, default=None)
    _clipping: float = attrs.field(init=False, default=0.0)
    _dc: float = attrs.field(init=False, default=0.0)
    _holes: list[int] = attrs.field(init=False, factory=lambda: [0, 0])
    _gaps: list[int] = attrs.field(init=False, factory=lambda: [0, 0])
    _silent_longest: Ms = attrs.field(init=False, default=NONE)
    _speech_dbfs: float | None = attrs.field(init=False, default=None)

    def add(self, second: Second) -> None:
        """Take the next second."""
        self.seconds += 1
        self._snr.add(second.snr_db)
        self._score.add(second.score)
        if second.thd_percent is not None:
            self._thd_worst = max(second.thd_percent, self._thd_worst or 0.0)
        if second.levels is not None:
            self._speech_dbfs = second.levels.speech
        self._clipping += second.clipping_percent
        self._dc += second.dc_offset
        self._holes = [self._holes[0] + len(second.holes), self._holes[1] + sum(second.holes)]
        self._gaps = [self._gaps[0] + bool(second.gap), self._gaps[1] + second.gap]
        self.silent_now = Ms(self.silent_now + SECOND) if second.silent else NONE
        self._silent_longest = max(self._silent_longest, self.silent_now)

    def summary(self, audio: Ms) -> QualitySummary:
        """The report, `audio` having come in all."""
        seconds = max(1, self.seconds)
        score = self._score.mean
        return QualitySummary(
            audio=audio,
            snr_db=self._snr.mean,
            snr_db_worst=self._snr.worst,
            thd_percent=self._thd_worst,
            clipping_percent=self._clipping / seconds,
            level_dbfs=self._speech_dbfs,
            dc_offset=self._dc / seconds,
            quality_score=100.0 if score is None else score,
            quality_score_worst=100.0 if self._score.worst is None else self._score.worst,
            holes=self._holes[0],
            holes_ms=Ms(self._holes[1]),
            gaps=self._gaps[0],
            gaps_ms=Ms(self._gaps[1]),
            silent_longest=self._silent_longest,
            alerts=self.alerts,
        )
