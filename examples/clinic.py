"""The front desk of a small clinic: the diary that `clinic.toml` lets the model look into and write into.

A tool is a function with types and a docstring; that is all the model is told. What it cannot do it says with
`ToolRefused`, in words for the model. This diary lives in memory; a real one would be a database.
"""

import threading
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from opusagent.tools.spec import ToolContext, ToolRefused


class Day(Enum):
    """A day on which the clinic is open."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"


@frozen
class Slot:
    """A quarter of an hour in the diary."""

    day: Day
    time: str


@define
class Diary:
    """Who comes when. Tools run on threads of their own, so whoever looks or writes holds the lock."""

    slots: dict[Slot, str | None]
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def free(self, day: Day, after: str) -> list[Slot]:
        """The slots of `day` from the time `after` on that nobody has."""
        with self._lock:
            return [slot for slot, who in self.slots.items() if who is None and slot.day is day and slot.time >= after]

    def book(self, slot: Slot, who: str) -> None:
        """Give `slot` to `who`. Raises `ToolRefused` if there is none, or somebody has it."""
        with self._lock:
            if slot not in self.slots:
                raise ToolRefused(f"there is no slot on {slot.day.value} at {slot.time}")
            if self.slots[slot] not in {None, who}:
                raise ToolRefused("that slot has just been taken, offer another one")
            self.slots[slot] = who


TIMES: Final = ("09:00", "09:15", "10:30", "14:00", "15:45")

DIARY: Final = Diary({Slot(day, time): None for day in Day for time in TIMES})


def find_slot(day: Day, after: str = "00:00") -> list[str]:
    """Find free slots on a day.

    Args:
        day: The day of this week.
        after: The earliest time, as HH:MM.
    """
    slots = DIARY.free(day, after)
    if not slots:
        raise ToolRefused(f"there is nothing free on {day.value} from {after} on, try another day")
    return [slot.time for slot in slots[:3]]


def book_slot(day: Day, time: str, name: str, call: ToolContext) -> dict[str, str]:
    """Book a slot that was found to be free, once the caller has agreed to it.

    Args:
        day: The day of this week.
        time: The time, as HH:MM.
        name: The patient's name, as the caller said it.
        call: Whose call it is.
    """
    DIARY.book(Slot(day, time), f"{name} ({call.caller or 'number withheld'})")
    return {"booked": f"{day.value} {time}", "name": name}
