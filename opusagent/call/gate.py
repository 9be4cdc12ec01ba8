"""The response gate: at most one response at a time is being made in the conversation, and none is asked for in vain.

The service refuses a `response.create` while a response is active (`conversation_already_has_active_response`), and
makes responses of its own accord when its voice activity detection hears the end of a turn. So whoever wants a
response asks the gate, which asks the service when it may:

    free      nothing is active: the wish is sent at once
    asked     a wish was sent and `response.created` has not come: it counts as active
    active    a response is being made: a wish waits for `response.done`
    held      the caller speaks: a wish waits until they have spoken and the service has answered, or might have

One wish waits at most; a later one replaces it, except that a wish with words of its own (a greeting, a farewell) is
never replaced by a plain one. A plain wish ("answer what is there now") is granted by any response that sees all that
is there: one that begins after the service has confirmed every item that it was told. Until then it may have begun
before they came, so it counts for nothing, and the wish is repeated.

While the service's session is replaced (*away*), every wish waits, and what the lost session was asked for waits again.

Nothing waits for ever. An answer or an end that does not come within `PATIENCE` is taken to be lost, and the wish is
sent; whether that is right is for the service to say.
"""

import math
from typing import Final

import attrs

from opusagent.realtime.events import Item, ResponseCreate
from opusagent.units import LoopTime, ResponseId

PATIENCE: Final = 20.0
"""Seconds after which an answer of the service's is taken to be lost. A response begins within one or two."""

ANSWER_PATIENCE: Final = 3.0
"""Seconds after the end of a turn within which the service answers it of its own accord, if it does."""

NOBODY: Final = LoopTime(-math.inf)
THROUGHOUT: Final = LoopTime(math.inf)


@attrs.define
class ResponseGate:
    """Who may speak next. Methods that return wishes return what must be sent to the model now.

    `answers_turns`: the service answers what the caller says of its own accord. Where it does not after all, we ask.
    """

    answers_turns: bool = True
    active: ResponseId | None = attrs.field(default=None, init=False)
    _is_away: bool = attrs.field(default=False, init=False)
    _granted: ResponseCreate | None = attrs.field(default=None, init=False)
    """What the active response was asked for by, None for one of the service's own."""
    _asked: ResponseCreate | None = attrs.field(default=None, init=False)
    _asked_at: LoopTime = attrs.field(default=NOBODY, init=False)
    _overtaken: ResponseCreate | None = attrs.field(default=None, init=False)
    """What had been asked for when a response began: granted by it, or still to be refused."""
    _waiting: ResponseCreate | None = attrs.field(default=None, init=False)
    _waits_since: LoopTime = attrs.field(default=NOBODY, init=False)
    _held_until: LoopTime = attrs.field(default=NOBODY, init=False)
    _unconfirmed: int = attrs.field(default=0, init=False)
    _sees_all: bool = attrs.field(default=True, init=False)
    _is_revoked: bool = attrs.field(default=False, init=False)
    _is_passing: bool = attrs.field(default=False, init=False)
    _number: int = attrs.field(default=0, init=False)

    # -- how things stand ----------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a response is being made, or was asked for."""
        return self.active is not None or self._asked is not None

    @property
    def is_free(self) -> bool:
        """Whether no response is active, asked for or waited for."""
        return not self.is_busy and self._waiting is None

    @property
    def granted(self) -> ResponseCreate | None:
        """What the active response was asked for by, None for one of the service's own."""
        return self._granted

    @property
    def asked_at(self) -> LoopTime:
        """When the service was asked last."""
        return self._asked_at

    @property
    def is_held(self) -> bool:
        """Whether the caller speaks, or has spoken and is being answered."""
        return self._held_until > NOBODY

    @property
    def deadline(self) -> LoopTime | None:
        """When patience is at an end, None while nothing is waited for."""
        if self._is_away:
            return None
        times: list[float] = []
        if self._asked is not None:
            times.append(self._asked_at + PATIENCE)
        elif self._waiting is not None:
            times.append(self._waits_since + PATIENCE)
        if self.expects:
            times.append(self._held_until)
        return LoopTime(min(times)) if times else None

    # -- what is wanted ------------------------------------------------------------------------------------------

    def ask(self, wish: ResponseCreate, now: LoopTime) -> list[ResponseCreate]:
        """Somebody wants a response."""
        self._wait_for(wish, now)
        return self._grant(now)

    def ask_in_passing(self, wish: ResponseCreate, now: LoopTime) -> list[ResponseCreate]:
        """Somebody wants a response now or not at all: it waits for nothing, and a refusal is the end of it."""
        if not self.is_free or self.is_held or self._is_away:
            return []
        self._is_passing = True
        return [self._send(wish, now)]

    def revoke(self) -> None:
        """What was asked for is not wanted any more: the caller speaks. A response that begins by it is unwanted."""
        self._is_revoked = self._asked is not None

    def tell(self, items: int) -> None:
        """So many items go to the service now."""
        self._unconfirmed += items

    def on_added(self, item: Item) -> None:
        """The service has `item` in its conversation; perhaps it is ours. What the caller says comes as sound."""
        if item.type == "function_call_output" or any(part.type == "input_text" for part in item.content):
            self.confirm()

    def confirm(self) -> None:
        """The service has one of ours in its conversation."""
        self._unconfirmed = max(0, self._unconfirmed - 1)

    # -- the caller ----------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """The caller speaks."""
        self._held_until = THROUGHOUT

    @property
    def expects(self) -> bool:
        """Whether the caller has spoken and an answer is about to begin."""
        return NOBODY < self._held_until < THROUGHOUT

    def expect(self, now: LoopTime) -> None:
        """The caller has spoken: an answer begins soon, the service's own or one that is asked for.

        What was revoked and has not begun by now will not begin before that: a response that begins is wanted.
        """
        self._is_revoked = False
        if self.is_held:
            self._held_until = LoopTime(now + ANSWER_PATIENCE)

    def answer(self, wish: ResponseCreate, now: LoopTime) -> list[ResponseCreate]:
        """What the caller said is answered by us."""
        self._held_until = NOBODY
        return self.ask(wish, now)

    def release(self, now: LoopTime) -> list[ResponseCreate]:
        """What the caller said is answered by nobody: whoever waits has their turn."""
        self._held_until = NOBODY
        return self._grant(now)

    # -- the service's events ------------------------------------------------------------------------------------

    def on_created(self, response: ResponseId) -> bool:
        """A response begins: the one that was asked for, or one of the service's own. Whether it is wanted."""
        is_wanted = not self._is_revoked
        self.active = response
        self._granted = None if self._is_revoked or self._is_passing else self._asked
        if self._asked is not None:
            self._overtaken = self._granted
        self._asked, self._is_revoked, self._is_passing = None, False, False
        if self._held_until < THROUGHOUT:
            self._held_until = NOBODY
        self._sees_all = self._unconfirmed == 0
        if is_wanted and self._sees_all and self._waiting is not None and self._waiting.response is None:
            self._waiting = None
        return is_wanted

    def on_done(self, response: ResponseId, now: LoopTime) -> list[ResponseCreate]:
        """A response is over, however it ended; a wish that waits has its turn."""
        if self.active == response:
            self.active = None
        return self._grant(now)

    def on_refused(self, event_id: str | None, now: LoopTime) -> None:
        """The service would not, because a response is active: the wish waits until that one is done.

        The refusal names the request by its id. One that has been overtaken by `response.created` in the meantime was
        refused all the same, so it waits again, unless the response that overtook it does what it wants.
        """
        asked, overtaken = self._asked, self._overtaken
        if asked is not None and event_id in {None, asked.event_id}:
            is_wanted = not self._is_revoked and not self._is_passing
            self._asked, self._is_revoked, self._is_passing = None, False, False
            if is_wanted:
                self._wait_again(asked, now)
        elif overtaken is not None and event_id in {None, overtaken.event_id}:
            self._overtaken = None
            if overtaken.response is not None or not self._sees_all:
                self._wait_again(overtaken, now)

    def on_rejected(self, event_id: str | None, now: LoopTime) -> list[ResponseCreate]:
        """The service has refused something for another reason. If it was the request, that is not repeated."""
        if self._asked is None or event_id is None or event_id != self._asked.event_id:
            return []
        self._asked, self._is_revoked, self._is_passing = None, False, False
        return self._grant(now)

    def on_time(self, now: LoopTime) -> list[ResponseCreate]:
        """Patience may be at an end."""
        if self._is_away:
            return []
        if self.is_held and now >= self._held_until:
            self._held_until = NOBODY
            if self.answers_turns:
                self._wait_for(ResponseCreate(), now)
        if self._asked is not None and now >= self._asked_at + PATIENCE:
            self._asked, self._is_revoked, self._is_passing = None, False, False
            self._waits_since = now
        if self._waiting is not None and self._asked is None and now >= self._waits_since + PATIENCE:
            return [self._send_waiting(self._waiting, now)]
        return self._grant(now)

    # -- another session -----------------------------------------------------------------------------------------

    def leave(self, *, spent: bool = False) -> ResponseCreate | None:
        """The session is lost: what it was asked for and has not done; a wish with words of its own comes first.

        `spent`: nobody wants the active response any more, or has it to its end.
        """
        granted = None if spent or self.active is None else self._granted
        asked = (granted, None if self._is_revoked or self._is_passing else self._asked, self._waiting)
        wishes = [wish for wish in asked if wish is not None]
        self.active = self._asked = self._granted = self._overtaken = self._waiting = None
        self._held_until = NOBODY
        self._unconfirmed = 0
        self._is_revoked = self._is_passing = False
        self._is_away = True
        return next((wish for wish in wishes if wish.response is not None), wishes[0] if wishes else None)

    def arrive(self) -> None:
        """Another session is there, and nothing is active in it."""
        self._is_away = False

    # -- inside --------------------------------------------------------------------------------------------------

    def _wait_for(self, wish: ResponseCreate, now: LoopTime) -> None:
        if self._waiting is None:
            self._waiting, self._waits_since = wish, now
        elif wish.response is not None or self._waiting.response is None:
            self._waiting = wish

    def _wait_again(self, refused: ResponseCreate, now: LoopTime) -> None:
        self._waits_since = now
        if self._waiting is None or (self._waiting.response is None and refused.response is not None):
            self._waiting = refused

    def _grant(self, now: LoopTime) -> list[ResponseCreate]:
        if self._waiting is None or self.is_busy or self.is_held or self._is_away:
            return []
        return [self._send_waiting(self._waiting, now)]

    def _send_waiting(self, wish: ResponseCreate, now: LoopTime) -> ResponseCreate:
        self._waiting = None
        return self._send(wish, now)

    def _send(self, wish: ResponseCreate, now: LoopTime) -> ResponseCreate:
        self._number += 1
        self._asked, self._asked_at = attrs.evolve(wish, event_id=f"ask-{self._number}"), now
        return self._asked
