"""Whether a call does what is due: asked once in a while from outside, so that no frame pays for it.

A call that merely waits owes nothing: nobody speaks, the model thinks, a line is away. One that hangs has something to
hand on, somebody to hand it to, and does not.
"""

import attrs

from opusagent.call.downlink import Downlink
from opusagent.call.model_side import ModelSide
from opusagent.call.seat import CallerSeat
from opusagent.call.uplink import Uplink
from opusagent.units import LoopTime


@attrs.frozen
class Duty:
    """What a call does time and again: how much of it has been done, and whether some of it is due now."""

    done: int = 0
    is_due: bool = False


@attrs.frozen
class Vitals:
    """A call's duties: to pass on what the caller says, what the model says, and control messages; to keep time."""

    model_hears: Duty = Duty()
    caller_hears: Duty = Duty()
    model_is_steered: Duty = Duty()
    time_is_kept: Duty = Duty()


def vitals_of(
    uplink: Uplink, downlink: Downlink, model: ModelSide, seat: CallerSeat, deadline: LoopTime | None, now: LoopTime
) -> Vitals:
    """The duties at `now`. `deadline`: when the session has something to do by itself."""
    has_model = model.is_seated
    return Vitals(
        Duty(uplink.appended_bytes, has_model and uplink.waiting_frames > 0),
        Duty(downlink.frames_sent, not seat.is_empty and downlink.is_due(now)),
        Duty(0, has_model and model.line.waiting > 0),
        Duty(0, deadline is not None and deadline < now),
    )
