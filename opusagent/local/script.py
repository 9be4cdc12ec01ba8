"""A voice that holds a conversation which was written beforehand: what happens is looked up, and answered as it stands.

The script is a value and keeps no place. Where the conversation is, the conversation itself tells: how often the caller
has spoken, what came after the last that the model said or called. So one script serves many sessions, and an answer
depends on nothing but its cue.

What came last counts most, and of several steps that fit it the first one. Instructions of the response's own stand
before everything, because whoever asks for words wants those.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

import attrs

from opusagent.local.conversation import is_models
from opusagent.local.voices import Cue, Reply
from opusagent.realtime.events import Item


@attrs.frozen
class Asked:
    """The response's instructions hold `words`: a greeting, a filler, a goodbye that somebody wants to be said."""

    words: str


@attrs.frozen
class Spoke:
    """The caller has spoken for the `turn`-th time, counted from 1."""

    turn: int


@attrs.frozen
class Told:
    """A text item of the user's holds `words`: keys that the caller pressed, for example."""

    words: str


@attrs.frozen
class Returned:
    """The call of `function` has an output that holds `words`."""

    function: str
    words: str = ""


Trigger: TypeAlias = Asked | Spoke | Told | Returned


@attrs.frozen
class Step:
    """What is answered to what."""

    on: Trigger
    reply: Reply


@attrs.frozen
class Script:
    """The steps, and what is answered to anything else. A `Voice`."""

    steps: tuple[Step, ...]
    otherwise: Reply

    def answer(self, cue: Cue) -> Reply:
        """What the script says to `cue`."""
        return next(self._replies(cue), self.otherwise)

    def _replies(self, cue: Cue) -> Iterator[Reply]:
        asked = (step for step in self.steps if isinstance(step.on, Asked) and step.on.words in cue.instructions)
        yield from (step.reply for step in asked)
        for place in reversed(range(_news(cue.items), len(cue.items))):
            happened = cue.items[: place + 1]
            yield from (step.reply for step in self.steps if _fits(step.on, happened))


def _news(items: Sequence[Item]) -> int:
    """Where begins what came after the last that the model said or called."""
    return max((place + 1 for place, item in enumerate(items) if is_models(item)), default=0)


def _fits(trigger: Trigger, happened: Sequence[Item]) -> bool:
    """Whether the last of `happened` is what the trigger waits for."""
    last = happened[-1]
    match trigger:
        case Asked():
            return False
        case Spoke(turn):
            return _is_turn(last) and sum(map(_is_turn, happened)) == turn
        case Told(words):
            return last.role == "user" and any(words in (part.text or "") for part in last.content)
        case Returned(function, words):
            is_output = last.type == "function_call_output" and words in (last.output or "")
            return is_output and function == _function_of(last, happened)
    assert_never(trigger)


def _is_turn(item: Item) -> bool:
    return item.role == "user" and any(part.type == "input_audio" for part in item.content)


def _function_of(output: Item, items: Sequence[Item]) -> str | None:
    """Which function has given `output`; None if nobody called it."""
    calls = (item for item in items if item.type == "function_call" and item.call_id == output.call_id)
    return next((call.name for call in calls), None)
