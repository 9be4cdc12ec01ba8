"""Reports for tests of what reads them: any turns, filed as the daemon files them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from opusagent.call.reasons import EndReason
from opusagent.call.report import AudioAccount, CallReport, Happening, to_json
from opusagent.call.turns import Turn
from opusagent.units import CallId, Ms

STARTED: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
AUDIO: Final = AudioAccount(Ms(9000), Ms(0), Ms(9000), Ms(4000), Ms(3500), Ms(500), Ms(0), Ms(0))
TURN: Final = Turn(stopped=2.0, first_delta=2.3, first_sent=2.302, first_heard=2.322)
"""300 ms for the model, 2 for the bridge, 20 for the platform."""


def report(call_id: str = "abc123", *turns: Turn, minutes: int = 0, caller: str = "+15550100") -> CallReport:
    return CallReport(
        call_id=CallId(call_id),
        platform_call_id="CA1",
        stream_id="MZ1",
        caller=caller,
        callee="+15550199",
        started=STARTED + timedelta(minutes=minutes),
        seconds=9.5,
        end=EndReason.CALLER_HUNG_UP,
        end_detail="stop",
        setup_seconds=0.25,
        turns=turns or (TURN,),
        caller_turns=max(1, len(turns)),
        barge_ins=0,
        audio=AUDIO,
        line_gaps=(0.5,),
        model_errors={},
        unknown_messages={},
        unreadable_messages=0,
        recording=None,
        recording_fault=None,
        story=(Happening(0.25, "the model is ready"),),
    )


def file(directory: Path, kept: CallReport) -> Path:
    """Keep a report where the recorder would."""
    path = directory / f"{kept.started:%Y/%m/%d}" / kept.call_id / "report.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(to_json(kept))
    return path
