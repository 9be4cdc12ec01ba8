"""From probabilities to turns: when speech started and stopped, in media time.

Two rules keep a trembling probability from becoming a trembling turn. Several chunks in a row must agree. And while
speech lasts, a chunk counts as speech already somewhat below the threshold.
"""

from typing import Final

import attrs

from opusagent.errors import LocalProtocolError
from opusagent.units import Ms

RELEASE: Final = 0.15
"""How much lower the threshold is while speech lasts (Silero VAD, `VADIterator`: threshold - 0.15)."""
LEAST_THRESHOLD: Final = 0.01


@attrs.frozen
class SpeechStarted:
    """`at`: where the first chunk of speech begins. Known `start_frames` chunks later."""

    at: Ms


@attrs.frozen
class SpeechStopped:
    """`at`: where the first chunk without speech begins. Known `stop_frames` chunks later."""

    at: Ms


SpeechEvent = SpeechStarted | SpeechStopped


def _a_probability(_instance: object, _attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0 < value < 1:
        raise LocalProtocolError(f"a speech threshold of {value}; it must lie between 0 and 1")


def _at_least_one(_instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if value < 1:
        raise LocalProtocolError(f"{attribute.name} is {value}; it must be at least 1")


@attrs.define
class Hysteresis:
    """One stream's decision. `speaking` and `since` (where the present state began) are for reading.

    Raises `LocalProtocolError` unless 0 < `threshold` < 1 and the frame counts are at least 1.
    """

    threshold: float = attrs.field(default=0.5, validator=_a_probability)
    start_frames: int = attrs.field(default=2, validator=_at_least_one)
    stop_frames: int = attrs.field(default=3, validator=_at_least_one)
    speaking: bool = attrs.field(default=False, init=False)
    since: Ms = attrs.field(default=Ms(0), init=False)
    _against: int = attrs.field(default=0, init=False)
    _turned: Ms = attrs.field(default=Ms(0), init=False)

    def push(self, probability: float, at: Ms) -> SpeechEvent | None:
        """Take the next chunk, which began at media time `at`; what it decided, if anything."""
        if (probability >= self._bar) == self.speaking:
            self._against = 0
            return None
        if not self._against:
            self._turned = at
        self._against += 1
        if self._against < (self.stop_frames if self.speaking else self.start_frames):
            return None
        return self._turn(self._turned)

    def close(self, at: Ms) -> SpeechStopped | None:
        """The stream ends at `at`. Speech that lasts until then stops there; fresh again afterwards.

        If it had begun to stop already, it stops where it began to.
        """
        if not self.speaking:
            self._against = 0
            return None
        stopped = SpeechStopped(self._turned if self._against else at)
        self._turn(stopped.at)
        return stopped

    @property
    def _bar(self) -> float:
        return max(self.threshold - RELEASE, LEAST_THRESHOLD) if self.speaking else self.threshold

    def _turn(self, at: Ms) -> SpeechEvent:
        self.speaking = not self.speaking
        self.since = at
        self._against = 0
        return SpeechStarted(at) if self.speaking else SpeechStopped(at)
