"""One session of the model's, as the call uses it: what is told it goes in here, and what becomes of it is known here.

dialled         its socket's tasks run; what it says decides on nothing yet, unless it is the call's only one
configured      it has taken our settings: it may be seated, or waits until it is
seated          the caller's sound flows to it
gone            lost, or relieved by another one
"""

from collections.abc import Sequence
from typing import Final

import trio

from opusagent.call.ending import Ending
from opusagent.call.reasons import EndReason
from opusagent.errors import INTERNAL_ERROR
from opusagent.units import LoopTime

CONTROL_MESSAGES: Final = 64
"""How many control messages to the model may wait. More means that it takes none: it has stalled."""

Texts = Sequence[str]
"""Messages that go out together."""


class ModelLine:
    """A session that is dialled at `opened` or soon after. `ending` ends its use, with a reason, where it is lost."""

    def __init__(self, opened: LoopTime) -> None:
        self.opened: Final = opened
        self.ending: Final = Ending()
        self.configured: Final = trio.Event()
        self.seated: Final = trio.Event()
        self.gone: Final = trio.Event()
        self.is_attended = False
        self._out, self.control = trio.open_memory_channel[Texts](CONTROL_MESSAGES)
        self._scope = trio.CancelScope()

    @property
    def waiting(self) -> int:
        """Control messages that wait."""
        return self._out.statistics().current_buffer_used

    @property
    def is_alive(self) -> bool:
        """Whether nobody has ended it."""
        return self.ending.end_of_call is None and not self.gone.is_set()

    def arm(self, scope: trio.CancelScope) -> None:
        """From now on, the end of the session cancels `scope`."""
        self._scope = scope
        self.ending.arm(scope)

    def send(self, texts: Texts) -> None:
        """Have `texts` sent, beside the audio and not behind it."""
        try:
            self._out.send_nowait(texts)
        except trio.WouldBlock:
            waiting = f"{CONTROL_MESSAGES} control messages wait for the model"
            self.ending.end(EndReason.MODEL_STALLED, waiting, INTERNAL_ERROR)

    def relieve(self) -> None:
        """Another session has taken over: nothing is wrong with this one, and it is not needed any more."""
        self._scope.cancel(reason="relieved by another session")
