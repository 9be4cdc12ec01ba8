"""The model's own speech in the caller's audio: how late it comes back, and how much weaker.

The echo path is looked for as the lag at which what was played and what is heard belong together: the peak of their
generalised cross-correlation with phase transform (Knapp and Carter, "The generalized correlation method for
estimation of time delay", IEEE Trans. ASSP 24, 1976), which makes the colour of speech irrelevant. Cross-spectra of
several seconds are added up: what the caller says on top has no fixed phase to the model's speech and averages out.

The return loss is how far the echo is below what was played (echo return loss, ITU-T G.168), here below 1 kHz, where
most of speech is: the part of what was heard that a filter of 4.5 ms around that lag explains by least squares.

Both sides are reduced to 2 kHz, so a lag is known to half a millisecond.
"""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.quality.levels import FULL_SCALE, Samples, power_of
from opusagent.audio.resample import RATES
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, Hz, Ms

Sound = npt.NDArray[np.float64]

LONGEST_DELAY: Final = Ms(1000)
MOST_RETURN_LOSS_DB: Final = 50.0
"""A weaker echo is none."""

_RATE: Final = 2000
_STEP: Final = 2000  # one second at a time
_HEARD: Final = 2048  # what is looked at of the caller's audio
_PLAYED: Final = 2 * _HEARD  # and of the model's: lags up to 2048 need no sample twice
_LOWEST: Final = (
    205  # bins: below 100 Hz there is no speech, and constants that begin and end together look like an echo
)
_REACH: Final = 4  # samples of the filter to either side of the lag
_KEPT: Final = 0.8  # of the older seconds' weight, each second
_AUDIBLE: Final = power_of(-50.0)
_CERTAIN: Final = (
    9.0  # standard deviations of the correlation; noise reaches 4.5 among 2000 lags, two voices at one pitch 8
)


@attrs.frozen
class EchoPath:
    """An echo: it comes `delay` after it was played, `return_loss_db` weaker."""

    delay: Ms
    return_loss_db: float


@attrs.define(eq=False)
class EchoMeter:
    """One call's two directions at `rate`, sample by sample beside each other.

    Raises `LocalProtocolError` for rates other than 8, 16 and 24 kHz.
    """

    rate: Hz = HZ_8K
    path: EchoPath | None = attrs.field(init=False, default=None)
    """The echo as it is known now; None while none is certain."""
    _pending: list[tuple[Samples, Samples]] = attrs.field(init=False, factory=list[tuple[Samples, Samples]])
    _pending_samples: int = attrs.field(init=False, default=0)
    _heard: Sound = attrs.field(init=False, factory=lambda: np.zeros(_HEARD))
    _played: Sound = attrs.field(init=False, factory=lambda: np.zeros(_PLAYED))
    _cross: npt.NDArray[np.complex128] = attrs.field(
        init=False, factory=lambda: np.zeros(_PLAYED // 2 + 1, np.complex128)
    )
    _echoed: float = attrs.field(init=False, default=0.0)
    _sent: float = attrs.field(init=False, default=0.0)
    _lag: int = attrs.field(init=False, default=-_PLAYED)

    def __attrs_post_init__(self) -> None:
        if self.rate not in RATES:
            raise LocalProtocolError(f"echo at {self.rate} Hz: only {', '.join(map(str, RATES))} Hz are measured")

    def push(self, heard: Samples, played: Samples) -> None:
        """Take what the caller's leg gave and what was played to it in the same time, silence included.

        Raises `LocalProtocolError` if one is longer than the other.
        """
        if len(heard) != len(played):
            raise LocalProtocolError(f"echo: {len(heard)} samples heard beside {len(played)} played")
        self._pending.append((heard, played))
        self._pending_samples += len(heard)
        while self._pending_samples >= self.rate:
            self._complete()

    def _complete(self) -> None:
        heard = np.concatenate([each for each, _ in self._pending])
        played = np.concatenate([each for _, each in self._pending])
        # Copies: a slice would keep all of what it was cut from in memory.
        self._pending = [(heard[self.rate :].copy(), played[self.rate :].copy())]
        self._pending_samples -= self.rate
        self._heard = np.concatenate((self._heard, _reduced(heard[: self.rate])))[-_HEARD:].copy()
        self._played = np.concatenate((self._played, _reduced(played[: self.rate])))[-_PLAYED:].copy()
        if float(np.mean(np.square(self._played))) >= _AUDIBLE:
            self._look()

    def _look(self) -> None:
        """Add this second's evidence, and say what all of it says: nothing until two seconds agree on a lag."""
        late = np.concatenate((np.zeros(_PLAYED - _HEARD), self._heard))
        self._cross *= _KEPT
        self._cross += np.fft.rfft(late) * np.conj(np.fft.rfft(self._played))
        self._cross[:_LOWEST] = 0
        correlation = np.fft.irfft(self._cross / np.maximum(np.abs(self._cross), 1e-30))
        lags = np.abs(correlation[: LONGEST_DELAY * _RATE // 1000])
        lag = int(np.argmax(lags))
        certain = float(lags[lag]) >= _CERTAIN * float(correlation.std())
        steady = abs(lag - self._lag) <= _REACH
        self._lag = lag
        if not steady:
            self._echoed = self._sent = 0.0
        self.path = self._weighed(lag) if certain and steady else None

    def _weighed(self, lag: int) -> EchoPath | None:
        """How much of what was heard an echo at `lag` explains, averaged while the lag stays."""
        echoed, sent = _explained(self._heard, self._played, lag)
        self._echoed = self._echoed * _KEPT + echoed
        self._sent = self._sent * _KEPT + sent
        if not self._sent:  # silence was played at that lag: what is heard is an echo of nothing
            return None
        loss = 10 * float(np.log10(self._sent / max(self._echoed, 1e-30)))
        return EchoPath(Ms(round(lag * 1000 / _RATE)), round(loss, 1)) if loss <= MOST_RETURN_LOSS_DB else None


def _explained(heard: Sound, played: Sound, lag: int) -> tuple[float, float]:
    """The energies of the part of `heard` that is `played`, filtered, about `lag` late; and of `played` then.

    What the filter would find in as much noise is taken away: one part in 2048 of the rest for each of its taps.
    """
    first = _PLAYED - _HEARD - lag
    # At the ends of what is looked at a tap may stand in for its neighbour: the filter is shorter there.
    shifts = [min(max(0, first + shift), _PLAYED - _HEARD) for shift in range(-_REACH, _REACH + 1)]
    heard = heard - heard.mean()
    columns = np.stack([played[start : start + _HEARD] for start in shifts], axis=1)
    columns -= columns.mean(axis=0)
    gram = columns.T @ columns
    gram[np.diag_indices_from(gram)] += 1e-6 * float(np.trace(gram)) + 1e-12
    taps: Sound = np.empty(len(shifts))
    taps[:] = np.linalg.solve(gram, columns.T @ heard)
    echo: Sound = columns @ taps
    rest: Sound = heard - echo
    by_chance = float(rest @ rest) * len(taps) / _HEARD
    centre = columns[:, _REACH]
    return max(0.0, float(echo @ echo) - by_chance), float(centre @ centre)


def _reduced(second: Samples) -> Sound:
    """One second at 2 kHz, full scale 1.0: means of neighbours, a low-pass whose zeros are where the folds are."""
    reduced: Sound = second.reshape(_STEP, -1).mean(axis=1) / FULL_SCALE
    return reduced
