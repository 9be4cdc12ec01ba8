"""What `opusagent demo --fault NAME` can have happen, and what has to come of it. Values only."""

import difflib
import enum
from collections.abc import Sequence
from typing import Final

import attrs

from opusagent.call.reasons import EndReason
from opusagent.errors import GOING_AWAY
from opusagent.local.faults import At, Err, Fault, Misdeed, Mishap, ShutDoor

IN_AN_ANSWER: Final = At("response.created", nth=2, seconds=0.6)
"""The greeting was the first; of this one the caller hears the beginning."""

WITH_A_TURN: Final = At("input_audio_buffer.committed")
"""The caller has spoken, and is owed an answer."""

AT_ONCE: Final = At("session.created")

LOST: Final = Mishap(Misdeed.VANISH, IN_AN_ANSWER)


class LineFault(enum.Enum):
    """What may befall the socket of the caller's platform. The value is what is told."""

    VANISH = "the platform's socket is reset"
    HALF_CLOSE = "the platform ends its half of the connection"
    FREEZE = "the platform's socket is a black hole"
    BABBLE = "the platform says what cannot be read"


class DiskFault(enum.Enum):
    """What may befall the disk that recordings are on. The value is what is told."""

    FULL = "the disk is full"
    HANGS = "the disk hangs"


class Outcome(enum.Enum):
    """What has to come of it, beside that nobody is left in silence."""

    GOES_ON = "the call goes on"
    APOLOGY = "the caller hears an apology, and the call ends"
    OVER = "the call is over, and the report says why"


@attrs.frozen
class Ordeal:
    """A call to which something happens in the middle of an answer, or when one is due.

    `replaced`: another session takes over. `end` is why the call ends where it does not go on; a platform that can come
    back after its line has broken does so, and the call goes on where it is `resumed`.
    """

    title: str
    model: Sequence[Fault] = ()
    line: LineFault | None = None
    disk: DiskFault | None = None
    outcome: Outcome = Outcome.GOES_ON
    replaced: bool = False
    end: EndReason = EndReason.CALLER_HUNG_UP
    resumed: bool = False


def _survived(title: str, *faults: Fault) -> Ordeal:
    return Ordeal(title, faults, replaced=True)


def _fatal(title: str, end: EndReason, *faults: Fault) -> Ordeal:
    return Ordeal(title, faults, outcome=Outcome.APOLOGY, end=end)


def _line(title: str, line: LineFault, end: EndReason, *, resumed: bool) -> Ordeal:
    return Ordeal(title, line=line, outcome=Outcome.OVER, end=end, resumed=resumed)


ORDEALS: Final[dict[str, Ordeal]] = {
    "model-drop": _survived("the model's socket is reset in the middle of an answer", LOST),
    "model-half-close": _survived(
        "the model ends its half of the connection in the middle of an answer",
        Mishap(Misdeed.HALF_CLOSE, IN_AN_ANSWER),
    ),
    "model-stall": _survived(
        "the model owes an answer and says nothing, but answers pings", Mishap(Misdeed.STALL, WITH_A_TURN)
    ),
    "model-stall-midway": _survived(
        "the model falls silent in the middle of an answer, but answers pings", Mishap(Misdeed.STALL, IN_AN_ANSWER)
    ),
    "model-freeze": _survived(
        "the model's process stops in the middle of an answer: no event, no pong", Mishap(Misdeed.FREEZE, IN_AN_ANSWER)
    ),
    "model-garbage": _survived(
        "the model says what cannot be read in the middle of an answer", Mishap(Misdeed.BABBLE, IN_AN_ANSWER)
    ),
    "model-expired": _survived(
        "the model's session has reached its longest time",
        Mishap(Err("session_expired", "Your session hit the maximum duration.", closes=GOING_AWAY), IN_AN_ANSWER),
    ),
    "model-429": _survived(
        "the model's socket is reset, and its door is busy: 429, come again in 2 s",
        LOST,
        ShutDoor(429, retry_after=2, after=1),
    ),
    "model-5xx": _survived(
        "the model's socket is reset, and its door answers 503, 500 and 502 first",
        LOST,
        ShutDoor(503, after=1),
        ShutDoor(500, after=2),
        ShutDoor(502, after=3),
    ),
    "model-blackhole": _survived(
        "the model's socket is reset, and the next one is taken and says nothing",
        LOST,
        Mishap(Misdeed.FREEZE, AT_ONCE, after=1),
    ),
    "model-error": Ordeal(
        "the model says an error that is none of the session's end",
        (Mishap(Err("server_error", "The server had an error while processing your request."), IN_AN_ANSWER),),
    ),
    "model-away": _fatal(
        "the model's socket is reset, and nobody is there any more",
        EndReason.MODEL_LOST,
        LOST,
        ShutDoor(503, after=1, times=None),
    ),
    "model-bad-key": _fatal(
        "the model's socket is reset, and the key is good no more: 401",
        EndReason.MODEL_REFUSED,
        LOST,
        ShutDoor(401, after=1, times=None),
    ),
    "model-invalid-key": _fatal(
        "the model's socket is reset, and instead of a session comes invalid_api_key",
        EndReason.MODEL_REFUSED,
        LOST,
        Mishap(Err("invalid_api_key", "Incorrect API key provided.", closes=4000), AT_ONCE, None, after=1),
    ),
    "model-quota": _fatal(
        "the quota is used up in the middle of an answer",
        EndReason.MODEL_REFUSED,
        Mishap(Err("insufficient_quota", "You exceeded your current quota."), IN_AN_ANSWER, None),
    ),
    "model-unknown": _fatal(
        "the model's socket is reset, and the model of that name is gone",
        EndReason.MODEL_REFUSED,
        LOST,
        Mishap(Err("model_not_found", "The model does not exist.", closes=4000), AT_ONCE, None, after=1),
    ),
    "platform-drop": _line(
        "the platform's socket is reset in the middle of an answer",
        LineFault.VANISH,
        EndReason.CALLER_LOST,
        resumed=True,
    ),
    "platform-half-close": _line(
        "the platform ends its half of the connection", LineFault.HALF_CLOSE, EndReason.CALLER_LOST, resumed=True
    ),
    "platform-freeze": _line(
        "the platform's socket becomes a black hole", LineFault.FREEZE, EndReason.CALLER_LOST, resumed=True
    ),
    "platform-garbage": _line(
        "the platform says what cannot be read", LineFault.BABBLE, EndReason.CALLER_BROKE_PROTOCOL, resumed=False
    ),
    "disk-full": Ordeal("the disk is full from the middle of an answer on", disk=DiskFault.FULL),
    "disk-hang": Ordeal("the disk hangs from the middle of an answer on", disk=DiskFault.HANGS),
}
"""Everything that `--fault` names."""


def titles() -> str:
    """Every name, and what it has happen."""
    width = max(map(len, ORDEALS))
    return "".join(f"{name:{width}}  {ordeal.title}\n" for name, ordeal in ORDEALS.items())


def mistaken(name: str) -> str:
    """What to say of a name that is none."""
    near = difflib.get_close_matches(name.lower().replace("_", "-"), ORDEALS, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"there is no fault called {name!r}.{meant} `opusagent demo --fault list` names all of them"
