"""One leg's audio under observation: cheap figures per chunk, everything else once a second."""

from collections.abc import Callable
from typing import Final

import attrs
import numpy as np

from opusagent.audio.quality.alerts import Concern, QualityAlert, Watch
from opusagent.audio.quality.levels import FULL_SCALE, Samples, dbfs
from opusagent.audio.quality.metrics import QualityMetrics, QualitySummary, QualityThresholds
from opusagent.audio.quality.second import SECOND, Second, SecondListener
from opusagent.audio.quality.totals import Totals
from opusagent.audio.resample import RATES
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, Hz, Ms, ms_of_samples

LEAST_GAP: Final = Ms(10)
"""Media time that jumps by less has been rounded."""


def ignore(_alert: QualityAlert) -> None:
    """What becomes of an alert where nobody asked for it."""


@attrs.define
class _Watches:
    """One for each concern."""

    snr: Watch
    thd: Watch
    clipping: Watch
    score: Watch
    one_way: Watch

    def push(self, second: Second, silent: Ms, at: Ms) -> list[QualityAlert]:
        """The changes that `second` brought, which ended at `at` after `silent` without energy."""
        alerts = (
            self.snr.push(second.snr_db, at),
            self.thd.push(second.thd_percent, at),
            self.clipping.push(second.clipping_percent, at),
            self.score.push(second.score, at),
            self.one_way.push(silent, at),
        )
        return [alert for alert in alerts if alert]


class AudioQualityMonitor:
    """The quality of one leg's audio at `rate`, mono. `on_alert` is called once per change of a concern's state.

    Raises `LocalProtocolError` for rates other than 8, 16 and 24 kHz.
    """

    def __init__(
        self,
        rate: Hz = HZ_8K,
        thresholds: QualityThresholds | None = None,
        on_alert: Callable[[QualityAlert], None] = ignore,
    ) -> None:
        if rate not in RATES:
            raise LocalProtocolError(f"quality at {rate} Hz: only {', '.join(map(str, RATES))} Hz are measured")
        self.rate: Final = rate
        self._on_alert: Final = on_alert
        self._watches: Final = _watches(thresholds or QualityThresholds())
        self._listener: Final = SecondListener(rate)
        self._totals: Final = Totals()
        self._pending: list[Samples] = []
        self._pending_samples = 0
        self._samples = 0
        self._due: Ms | None = None
        self._gap = Ms(0)
        self._last = Second()
        self._score = self._last.score

    def analyze_audio_chunk(self, samples: Samples, at: Ms | None = None) -> QualityMetrics:
        """Take the next samples, any number of them; what is known now.

        `at`: the platform's media time of the first, where it has one; if it jumps forward, something is missing.
        """
        self._note_time(len(samples), at)
        self._pending.append(samples)
        self._pending_samples += len(samples)
        while self._pending_samples >= self.rate:
            self._complete()
        sound = samples.astype(np.float32)
        count = max(1, len(sound))
        constant = float(sound.sum()) / count
        power = float(sound @ sound) / count - constant * constant
        return QualityMetrics(
            snr_db=self._last.snr_db,
            thd_percent=self._last.thd_percent,
            clipping_percent=self._last.clipping_percent,
            level_dbfs=dbfs(power / FULL_SCALE**2),
            dc_offset=constant / FULL_SCALE,
            quality_score=self._score,
        )

    def get_quality_summary(self) -> QualitySummary:
        """All whole seconds so far. Before the first nothing is known, and the score is 100."""
        return self._totals.summary(ms_of_samples(self._samples, self.rate))

    def _note_time(self, count: int, at: Ms | None) -> None:
        """Media time that jumps back is a new clock: nothing is missing."""
        self._samples += count
        if at is None:
            return
        missing = 0 if self._due is None else at - self._due
        if missing >= LEAST_GAP:
            self._gap = Ms(self._gap + missing)
        self._due = Ms(at + ms_of_samples(count, self.rate))

    def _complete(self) -> None:
        """Listen to the oldest whole second of what is pending, and tell what it changed."""
        joined = np.concatenate(self._pending)
        # A copy of the rest: a slice would keep the whole second in memory.
        second, rest = joined[: self.rate], joined[self.rate :].copy()
        self._pending, self._pending_samples = [rest], len(rest)
        self._last = self._listener.listen(second, self._gap)
        self._score = self._last.score
        self._gap = Ms(0)
        self._totals.add(self._last)
        at = Ms(self._totals.seconds * SECOND)
        for alert in self._watches.push(self._last, self._totals.silent_now, at):
            self._totals.alerts += alert.raised
            self._on_alert(alert)


def _watches(limits: QualityThresholds) -> _Watches:
    return _Watches(
        snr=Watch(Concern.SNR, limits.min_snr_db, at_least=True),
        thd=Watch(Concern.THD, limits.max_thd_percent, at_least=False),
        clipping=Watch(Concern.CLIPPING, limits.max_clipping_percent, at_least=False),
        score=Watch(Concern.SCORE, limits.min_quality_score, at_least=True),
        # A silence is as long as it is: it needs no second that agrees.
        one_way=Watch(Concern.ONE_WAY, float(limits.max_silent_ms), at_least=False, raise_after=1, clear_after=1),
    )
