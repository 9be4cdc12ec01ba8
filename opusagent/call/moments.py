"""What happens in a call that people want to see: the words of the log, the demo and the report."""

import attrs

from opusagent.audio.quality.alerts import QualityAlert
from opusagent.audio.quality.echo import EchoPath
from opusagent.call.playout import Cut
from opusagent.units import LoopTime


@attrs.frozen
class ModelReady:
    """The model's session is configured."""

    at: LoopTime


@attrs.frozen
class CallerPaused:
    """The model's service said that the caller's speech ended, or our own ears did, where they decide."""

    at: LoopTime


@attrs.frozen
class CallerSpoke:
    """The transcript of a caller's turn arrived."""

    at: LoopTime
    words: str


@attrs.frozen
class AnswerBegan:
    """The first audio of a response arrived, `waited` seconds after the caller's speech ended, if it answers one.

    `position` is where it begins on the playout's stream.
    """

    at: LoopTime
    waited: float | None
    position: int


@attrs.frozen
class ModelSaid:
    """The transcript of what the model generated; what was heard of it may be less."""

    at: LoopTime
    words: str


@attrs.frozen
class Interrupted:
    """The caller barged in. `cuts` are the items that were not heard to their end."""

    at: LoopTime
    cuts: tuple[Cut, ...]


@attrs.frozen
class Lapsed:
    """What the model was saying waited too long for the platform to come back, `gap` seconds, and is not said."""

    at: LoopTime
    gap: float
    cuts: tuple[Cut, ...]


@attrs.frozen
class KeysCame:
    """The caller pressed telephone keys."""

    at: LoopTime
    digits: str


@attrs.frozen
class Transferred:
    """The caller was put through to a target by a key, or was not: `why_not`."""

    at: LoopTime
    target: str
    why_not: str


@attrs.frozen
class GivenUp:
    """No model serves the caller any more: they hear an apology, for the reason `why`, and the call ends."""

    at: LoopTime
    why: str


@attrs.frozen
class PassedOn:
    """A caller whose call cannot go on was passed on to a target of the configuration, or was not: `why_not`."""

    at: LoopTime
    target: str
    why_not: str


@attrs.frozen
class ModelErred:
    """The service refused or failed something."""

    at: LoopTime
    code: str
    message: str
    param: str | None


@attrs.frozen
class LineLost:
    """The platform's socket broke; the call waits for it to come back."""

    at: LoopTime


@attrs.frozen
class LineBack:
    """The platform came back after `gap` seconds."""

    at: LoopTime
    gap: float


@attrs.frozen
class ModelLost:
    """The model's session is lost; another one is tried for."""

    at: LoopTime
    why: str


@attrs.frozen
class ModelBack:
    """Another session of the model's has taken over, `gap` seconds after the one before was lost."""

    at: LoopTime
    gap: float


@attrs.frozen
class SpareReady:
    """A second session waits to take over from one that grows old."""

    at: LoopTime


@attrs.frozen
class SpareLost:
    """It is gone, or could not be had; the one that serves goes on, and another is tried."""

    at: LoopTime
    why: str


@attrs.frozen
class RolledOver:
    """It has taken over, and nothing was lost."""

    at: LoopTime


@attrs.frozen
class SilenceBroken:
    """The caller had heard nothing for too long, because of `cause`; `remedy` is what was done about it."""

    at: LoopTime
    cause: str
    remedy: str


@attrs.frozen
class LineJudged:
    """Something about the caller's line has become bad, or is good again."""

    at: LoopTime
    alert: QualityAlert


@attrs.frozen
class EchoHeard:
    """The caller's line returns the model's voice."""

    at: LoopTime
    path: EchoPath


@attrs.frozen
class RecordingPaused:
    """From here on nothing is recorded."""

    at: LoopTime


@attrs.frozen
class RecordingResumed:
    """The recording goes on."""

    at: LoopTime


Moment = (
    ModelReady
    | CallerPaused
    | CallerSpoke
    | AnswerBegan
    | ModelSaid
    | Interrupted
    | Lapsed
    | KeysCame
    | Transferred
    | GivenUp
    | PassedOn
    | ModelErred
    | LineLost
    | LineBack
    | ModelLost
    | ModelBack
    | SpareReady
    | SpareLost
    | RolledOver
    | SilenceBroken
    | LineJudged
    | EchoHeard
    | RecordingPaused
    | RecordingResumed
)
