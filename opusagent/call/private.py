"""What the tape leaves out in a pause, the transcript and the story leave out as well: card numbers have many shapes.

Whoever pauses a recording does not want to find in words what is missing in sound. A line of the transcript that lies
in a pause, wholly or in part or perhaps, keeps its place and its times and loses its words.
"""

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

import attrs

from opusagent.call.moments import CallerSpoke, ModelSaid, Moment
from opusagent.call.report import MOST_HAPPENINGS, Happening, tell
from opusagent.call.tape import Pause
from opusagent.call.words import CallerWords, Keys, Line, ModelWords, ToolCall, Unrecorded
from opusagent.units import LoopTime

WITHHELD: Final = "[not recorded]"

WORDS_LATE: Final = 30.0
"""Seconds for which words may still be those of a pause that is over: the service writes them down later."""


class Story:
    """What happened, line by line, from `began` on. Words of a pause, or perhaps of one, are not in it."""

    def __init__(self, began: LoopTime) -> None:
        self._began: Final = began
        self._lines: list[Happening] = []

    def add(self, moment: Moment, pauses: Sequence[Pause]) -> None:
        """One more line, as long as there is room."""
        if len(self._lines) >= MOST_HAPPENINGS:
            return
        if pauses and isinstance(moment, CallerSpoke | ModelSaid):
            ended, at = pauses[-1].ended, moment.at - self._began
            if ended is None or at - ended < WORDS_LATE:
                moment = attrs.evolve(moment, words=WITHHELD)
        self._lines.append(tell(moment, self._began))

    def lines(self) -> tuple[Happening, ...]:
        """All of it."""
        return tuple(self._lines)


def without_private(lines: Iterable[Line], pauses: Sequence[Pause]) -> Sequence[Line]:
    """The transcript without the words of the pauses, and with a line for each, where it began."""
    if not pauses:
        return tuple(lines)
    told: list[Line] = []
    waiting = [Unrecorded(began=round(pause.began, 3), ended=_rounded(pause.ended)) for pause in pauses]
    for line in lines:
        began = line.at if isinstance(line, ToolCall) else line.began
        while waiting and began is not None and waiting[0].began <= began:
            told.append(waiting.pop(0))
        told.append(_without_words(line) if _is_private(line, pauses) else line)
    return (*told, *waiting)


def _is_private(line: Line, pauses: Sequence[Pause]) -> bool:
    """Whether a line lies in a pause, or nobody knows where it lies."""
    began, ended = (line.at, line.at) if isinstance(line, ToolCall) else (line.began, line.ended)
    if began is None:
        return True
    return any(
        (pause.ended is None or began < pause.ended) and (ended is None or ended > pause.began) for pause in pauses
    )


def _without_words(line: Line) -> Line:
    match line:
        case CallerWords():
            return attrs.evolve(line, words=None if line.words is None else WITHHELD)
        case ModelWords():
            return attrs.evolve(line, words=WITHHELD, unheard="")
        case Keys():
            return attrs.evolve(line, digits="*" * len(line.digits))
        case ToolCall():
            return attrs.evolve(
                line,
                arguments=None if line.arguments is None else WITHHELD,
                output=None if line.output is None else WITHHELD,
            )
        case Unrecorded():
            return line
        case _:
            assert_never(line)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
