"""Which calls hang: something is due in them at one look after the other, and none of it is done. Pure."""

from collections.abc import Mapping
from typing import Final

import attrs

from opusagent.call.vitals import Duty, Vitals
from opusagent.units import CallId, LoopTime

STILL_SECONDS: Final = 10.0
"""For how long a call may owe something and do nothing of it. A peer that takes nothing is given up after three."""

STILL_LOOKS: Final = 10
"""And at so many looks: a process that was frozen has seen nothing meanwhile."""

DUTIES: Final = {
    "model_hears": "the model is not told what the caller says",
    "caller_hears": "the caller is not told what the model says",
    "model_is_steered": "control messages do not go to the model",
    "time_is_kept": "a deadline has passed and nothing was done",
}


@attrs.frozen
class _Owing:
    """A duty that is due: how much was done of it when that was seen first, when that was, and at how many looks."""

    done: int
    since: LoopTime
    looks: int = 1

    def is_long(self, now: LoopTime) -> bool:
        return self.looks >= STILL_LOOKS and now - self.since >= STILL_SECONDS


class Vigil:
    """Looks at calls, about once a second."""

    def __init__(self) -> None:
        self._owing: dict[tuple[CallId, str], _Owing] = {}

    def look(self, calls: Mapping[CallId, Vitals], now: LoopTime) -> Mapping[CallId, str]:
        """Which of the `calls` hang, and at what."""
        owing, hanging = dict[tuple[CallId, str], _Owing](), dict[CallId, str]()
        for call_id, vitals in calls.items():
            for name, duty in _duties(vitals).items():
                if not duty.is_due:
                    continue
                owes = owing[call_id, name] = _next(self._owing.get((call_id, name)), duty, now)
                if owes.is_long(now):
                    hanging.setdefault(call_id, DUTIES[name])
        self._owing = owing
        return hanging


def _next(before: _Owing | None, duty: Duty, now: LoopTime) -> _Owing:
    if before is None or before.done != duty.done:
        return _Owing(duty.done, now)
    return attrs.evolve(before, looks=before.looks + 1)


def _duties(vitals: Vitals) -> Mapping[str, Duty]:
    return {
        "model_hears": vitals.model_hears,
        "caller_hears": vitals.caller_hears,
        "model_is_steered": vitals.model_is_steered,
        "time_is_kept": vitals.time_is_kept,
    }
