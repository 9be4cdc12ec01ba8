"""One second of a leg's audio, looked at as a whole: some twenty passes over its samples."""

from typing import Final

import attrs
import numpy as np

from opusagent.audio.quality.clipping import clipped
from opusagent.audio.quality.holes import HoleFinder
from opusagent.audio.quality.levels import (
    FULL_SCALE,
    SLIVERS_PER_FRAME,
    Floats,
    Samples,
    power_of,
    sliver_powers,
)
from opusagent.audio.quality.metrics import quality_score
from opusagent.audio.quality.snr import SpeechLevels, SpeechTracker
from opusagent.audio.quality.tone import thd_percent
from opusagent.units import Hz, Ms

SECOND: Final = Ms(1000)
NONE: Final = Ms(0)

SILENCE_DBFS: Final = -60.0
"""Below is no energy: 37 dB under usual speech, and above most comfort noise."""
LEAST_SOUND: Final = 3
"""Frames of 20 ms in a second that make it sound. One may be a click."""


@attrs.frozen
class Second:
    """What a second was like. `dc_offset`: a part of full scale; `gap`: media time that was missing before it."""

    levels: SpeechLevels | None = None
    thd_percent: float | None = None
    clipping_percent: float = 0.0
    dc_offset: float = 0.0
    holes: tuple[Ms, ...] = ()
    gap: Ms = NONE
    silent: bool = False

    @property
    def snr_db(self) -> float | None:
        """The ratio of speech to noise over the last ten seconds, where it is known."""
        return None if self.levels is None else self.levels.snr_db

    @property
    def score(self) -> float:
        """The quality score of this second."""
        return quality_score(
            snr_db=self.snr_db,
            clipping_percent=self.clipping_percent,
            thd_percent=self.thd_percent,
            lost_percent=100 * (sum(self.holes) + self.gap) / (SECOND + self.gap),
            speech_dbfs=None if self.levels is None else self.levels.speech,
        )


@attrs.define(eq=False)
class SecondListener:
    """What has to be remembered from one second to the next."""

    rate: Hz
    _speech: SpeechTracker = attrs.field(init=False, factory=SpeechTracker)
    _holes: HoleFinder = attrs.field(init=False, factory=HoleFinder)

    def listen(self, second: Samples, gap: Ms) -> Second:
        """The figures of exactly `rate` samples, before which `gap` was missing."""
        sound: Floats = second.astype(np.float32) / np.float32(FULL_SCALE)
        constant = float(sound.mean())
        slivers = sliver_powers(sound, self.rate)
        frames = np.maximum(slivers.reshape(-1, SLIVERS_PER_FRAME).mean(axis=1) - constant * constant, 0)
        return Second(
            levels=self._speech.push(frames),
            thd_percent=thd_percent(sound - np.float32(constant), frames),
            clipping_percent=100 * clipped(second) / len(second),
            dc_offset=constant,
            holes=tuple(self._holes.push(slivers)),
            gap=gap,
            silent=int((frames > power_of(SILENCE_DBFS)).sum()) < LEAST_SOUND,
        )
