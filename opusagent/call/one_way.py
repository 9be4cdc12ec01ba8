"""One-way audio: the caller's platform sends no sound, though it should. The caller may hear us and be heard by nobody.

Twilio sends a frame every 20 ms whether anybody talks or not; VoiceAI Connect sends sound while a user stream is open,
and opens none while it plays something that may not be interrupted. So sound is due from the beginning of the call, not
counting what the caller is listening to, until the first of it; and from then on while its stream is open.
"""

import enum
from typing import Final

import attrs

from opusagent.units import LoopTime

NO_AUDIO_SECONDS: Final = 10.0
"""As long as a socket may be silent until it counts as lost (`net.limits.PLATFORM`): that ends such a line first."""


class Doubt(enum.Enum):
    """What to do about a line on which nothing comes. The value is what reports and logs say."""

    ASK = "the caller is asked whether they are there"
    GIVE_UP = "the call is given up"


@attrs.define
class OneWay:
    """The sound of one caller's line. Pure. `bound`: seconds without sound after which something is done."""

    bound: float = NO_AUDIO_SECONDS
    _since: LoopTime | None = attrs.field(default=None, init=False)
    _is_open: bool = attrs.field(default=True, init=False)
    _has_begun: bool = attrs.field(default=False, init=False)
    _has_asked: bool = attrs.field(default=False, init=False)

    @property
    def deadline(self) -> LoopTime | None:
        """When it must be observed again; None while no sound is due. It may be early: sound that came moves it on."""
        return LoopTime(self._since + self.bound) if self._since is not None and self._is_open else None

    def begin(self, now: LoopTime) -> None:
        """A line is there, on which no sound has come yet."""
        self._since, self._is_open, self._has_begun, self._has_asked = now, True, False, False

    def on_stream(self, *, is_open: bool, now: LoopTime) -> None:
        """The platform begins to send sound, or says that it sends none."""
        self._since, self._is_open, self._has_begun, self._has_asked = now, is_open, True, False

    def on_sound(self, at: LoopTime) -> None:
        """The last sound came `at`."""
        if self._since is None or at > self._since:
            self._since, self._has_begun, self._has_asked = at, True, False

    def observe(self, heard_until: LoopTime, now: LoopTime) -> Doubt | None:
        """What to do now. `heard_until`: the end of the last sound that the caller hears of us."""
        if self._since is not None and not self._has_begun:
            self._since = max(self._since, min(heard_until, now))
        if self.deadline is None or now < self.deadline:
            return None
        self._since = now
        if self._has_asked:
            return Doubt.GIVE_UP
        self._has_asked = True
        return Doubt.ASK
