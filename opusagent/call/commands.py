"""What a session wants done. The call performs each of these; none of them waits for another."""

import attrs

from opusagent.call.moments import Moment
from opusagent.call.reasons import End
from opusagent.call.tool_calls import ToolCall
from opusagent.platforms.dialect import Notice
from opusagent.realtime.events import ClientEvent
from opusagent.units import LoopTime, Ms


@attrs.frozen
class TellModel:
    """Send this to the model. Control: it overtakes audio."""

    event: ClientEvent


@attrs.frozen
class ClearCaller:
    """Have the platform drop what it has not played. It overtakes audio; the playout has been cut or held already."""

    at: LoopTime


@attrs.frozen
class AcceptCaller:
    """The model is ready: the platform may be told so, and the caller's audio may flow."""


@attrs.frozen
class SeatModel:
    """The model's session is configured: it is told what came before it, and the caller's audio may flow to it."""


@attrs.frozen
class DropModel:
    """The model's session is of no use any more: another one has to take over."""

    why: End


@attrs.frozen
class TellSpare:
    """Send this to the session that is to take over."""

    event: ClientEvent


@attrs.frozen
class BriefSpare:
    """Tell the spare all that was said. What the caller says from now on waits: for the spare, or for `KeepModel`."""


@attrs.frozen
class KeepModel:
    """The spare does not take over now: what the caller says goes on to the session that is there."""


@attrs.frozen
class ChangeModel:
    """The spare takes over, if nothing is in the way; else this is said again."""


@attrs.frozen
class DropSpare:
    """The spare is of no use."""

    why: End


@attrs.frozen
class TellCaller:
    """Tell the platform about the conversation, if it has words for it."""

    notice: Notice


@attrs.frozen
class FillSilence:
    """Let the model hear that the caller is silent, where the platform sends nothing."""

    ms: Ms


@attrs.frozen
class Deafen:
    """From now on the model hears silence instead of the caller, or the caller again."""

    deaf: bool


@attrs.frozen
class RunTool:
    """Do what the model asks, beside everything else, and tell the session what came of it."""

    call: ToolCall


@attrs.frozen
class Transfer:
    """Pass the caller on to a target of the configuration."""

    target: str


@attrs.frozen
class EndCall:
    """The call is over."""

    end: End


@attrs.frozen
class Note:
    """Something happened that people and reports want to know."""

    moment: Moment


ModelCommand = TellModel | SeatModel | DropModel | TellSpare | BriefSpare | KeepModel | DropSpare
"""What is done on the model's side alone."""

Command = (
    ModelCommand
    | ClearCaller
    | AcceptCaller
    | ChangeModel
    | TellCaller
    | FillSilence
    | Deafen
    | RunTool
    | Transfer
    | EndCall
    | Note
)
