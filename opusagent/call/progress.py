"""How a call goes while it goes on: what it has come to so far, and what waits in its buffers. Asked, never told."""

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.call.playout import Playout
from opusagent.call.report import AudioAccount
from opusagent.call.uplink import Uplink
from opusagent.units import LoopTime, Ms


@attrs.frozen
class Backlog:
    """What waits in a call's buffers: the caller's frames for the model, the model's audio for the caller's ear."""

    uplink_frames: int = 0
    playout: Ms = Ms(0)
    control_messages: int = 0


@attrs.frozen
class Progress:
    """A call so far. `is_ready`: the model's session is configured. `dollars` are what it has cost until now."""

    is_ready: bool = False
    turns: int = 0
    barge_ins: int = 0
    responses: int = 0
    tool_calls: int = 0
    tokens: int = 0
    dollars: float = 0.0
    model_errors: dict[str, int] = attrs.field(factory=dict[str, int])
    line_gaps: int = 0
    audio: AudioAccount | None = None
    backlog: Backlog = Backlog()


def audio_account(uplink: Uplink, playout: Playout, model: MediaFormat, now: LoopTime) -> AudioAccount:
    """Where the audio of both directions has gone by `now`."""
    ledger = playout.ledger(now)
    leg = playout.leg.ms_of
    discarded, held, pushed = leg(ledger.discarded), leg(ledger.held), leg(ledger.pushed)
    return AudioAccount(
        caller_received=leg(uplink.received_bytes),
        caller_dropped=leg(uplink.dropped_bytes),
        model_appended=model.ms_of(uplink.appended_bytes),
        model_pushed=pushed,
        model_heard=Ms(pushed - discarded - held),
        model_discarded=discarded,
        model_held=held,
        model_overflowed=leg(ledger.overflowed),
        largest_chunk=uplink.largest_chunk,
    )
