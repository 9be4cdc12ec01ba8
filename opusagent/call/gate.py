"""The response gate: at most one response at a time is being made in the conversation, and none is asked for in vain.

The service refuses a `response.create` while a response is active (`conversation_already_has_active_response`), and
makes responses of its own accord when its voice activity detection hears the end of a turn. So whoever wants a
response asks the gate, which asks the service when it may:

    free      nothing is active: the wish is sent at once
    asked     a wish was sent and `response.created` has not come: it counts as active
    active    a response is being made: a wish waits for `response.done`

One wish waits at most; a later one replaces it, except that a wish with words of its own (a greeting, a farewell, a
filler) is never replaced by a plain one. A plain wish that waits ("answer what is there now") is granted by any
response that begins after it was made, because that response sees the same conversation.
"""

import attrs

from opusagent.realtime.events import ResponseCreate
from opusagent.units import ResponseId


@attrs.define
class ResponseGate:
    """Who may speak next. Each method returns what must be sent to the model, if anything."""

    active: ResponseId | None = attrs.field(default=None, init=False)
    _asked: ResponseCreate | None = attrs.field(default=None, init=False)
    _last: ResponseCreate | None = attrs.field(default=None, init=False)
    _waiting: ResponseCreate | None = attrs.field(default=None, init=False)
    _number: int = attrs.field(default=0, init=False)

    @property
    def is_free(self) -> bool:
        """Whether no response is active, asked for or waited for."""
        return self.active is None and self._asked is None and self._waiting is None

    def ask(self, wish: ResponseCreate) -> list[ResponseCreate]:
        """Somebody wants a response."""
        if self.active is None and self._asked is None:
            return [self._send(wish)]
        if self._waiting is None or wish.response is not None or self._waiting.response is None:
            self._waiting = wish
        return []

    def on_created(self, response: ResponseId) -> None:
        """A response begins: the one that was asked for, or one of the service's own."""
        self.active = response
        self._asked = None
        if self._waiting is not None and self._waiting.response is None:
            self._waiting = None

    def on_done(self, response: ResponseId) -> list[ResponseCreate]:
        """A response is over, however it ended; a wish that waits has its turn."""
        if self.active == response:
            self.active = None
        return self._grant()

    def on_refused(self, event_id: str | None) -> None:
        """The service would not, because a response is active: the wish waits until that one is done.

        The refusal names the request by its id. One that has been overtaken by `response.created` in the meantime was
        refused all the same, so it waits again.
        """
        refused = self._asked or self._last
        if refused is not None and event_id in {None, refused.event_id} and self._waiting is None:
            self._waiting = refused
        self._asked = None

    def forget(self) -> None:
        """The session is a new one: nothing is active there, and what was asked of the old one is void."""
        self.active = self._asked = self._waiting = None

    def _grant(self) -> list[ResponseCreate]:
        if self._waiting is None or self.active is not None or self._asked is not None:
            return []
        wish, self._waiting = self._waiting, None
        return [self._send(wish)]

    def _send(self, wish: ResponseCreate) -> ResponseCreate:
        self._number += 1
        self._asked = self._last = attrs.evolve(wish, event_id=f"ask-{self._number}")
        return self._asked
