"""When a caller hears nothing in the middle of what the model says."""

import attrs

from opusagent.units import Ms


@attrs.frozen
class Underruns:
    """How often the caller's playout ran dry within a response, and for how many milliseconds in all."""

    times: int = 0
    ms: Ms = Ms(0)

    def longer(self, seconds: float) -> "Underruns":
        """One more, of `seconds`. Less than a millisecond is none.

        >>> Underruns(1, Ms(20)).longer(0.08), Underruns().longer(0.0004)
        (Underruns(times=2, ms=100), Underruns(times=0, ms=0))
        """
        ms = round(seconds * 1000)
        return Underruns(self.times + 1, Ms(self.ms + ms)) if ms > 0 else self
