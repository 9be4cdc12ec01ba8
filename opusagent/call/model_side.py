"""The model's side of a call, whichever session is there: what it is told, what it has heard, what the next one needs.

Between two sessions nobody is told anything: what was put into the conversation meanwhile is remembered with it, and
seeds the next one. A *spare* is a session that is opened while another serves. It is told what was said when it is
about to take over, and hears the caller from the very byte on that the other one has not been sent.
"""

from typing import Final, assert_never

import trio

from opusagent.call.commands import (
    BriefSpare,
    DropModel,
    DropSpare,
    KeepModel,
    ModelCommand,
    SeatModel,
    TellModel,
    TellSpare,
)
from opusagent.call.model_line import ModelLine
from opusagent.call.transcript import Transcript
from opusagent.call.uplink import Uplink
from opusagent.realtime.codec import render
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ServerEvent,
    SessionUpdate,
    UnknownEvent,
)
from opusagent.units import LoopTime, Ms


class ModelSide:
    """That of one call, which began at `began`. `commits`: we end the caller's turns, and not the service.

    `line` is the session that serves, or is to serve next; `spare` the one that is to relieve it.
    """

    def __init__(self, uplink: Uplink, transcript: Transcript, began: LoopTime, *, commits: bool) -> None:
        self._uplink: Final = uplink
        self._transcript: Final = transcript
        self._began: Final = began
        self._commits: Final = commits
        self._has_begun = False
        self.line = ModelLine(began)
        self.spare: ModelLine | None = None

    @property
    def is_seated(self) -> bool:
        """Whether a session serves."""
        return self.line.seated.is_set()

    def do(self, command: ModelCommand) -> None:
        """What the call's session wants of the model's."""
        match command:
            case TellModel():
                self._tell(command.event)
            case SeatModel():
                self._seat()
            case DropModel():
                self._drop(self.line, command)
            case TellSpare():
                self._send_to_spare(command.event)
            case BriefSpare():
                self._brief()
            case KeepModel():
                self._uplink.go_on()
            case DropSpare():
                self._drop(self.spare, command)
            case _:
                assert_never(command)

    # -- sessions ------------------------------------------------------------------------------------------------

    def lose(self, now: LoopTime) -> None:
        """The session that served is gone. The spare is the next one, if there is one; else one is to be dialled."""
        spare, self.spare = self.spare, None
        if spare is not None and spare.is_alive:
            self.line = spare
            return
        self._transcript.forget_briefing()
        self.line = ModelLine(now)

    def add_spare(self, now: LoopTime) -> ModelLine:
        """Another session is opened beside the one that serves. It knows nothing yet."""
        self._transcript.forget_briefing()
        self.spare = ModelLine(now)
        return self.spare

    def roll_over(self) -> bool:
        """Let the spare take over, if this is the moment for it: it is there, and no sound is on its way to the other.

        Nothing is said again: what the caller said so far, the spare has been told in words.
        """
        relieved, spare = self.line, self.spare
        if spare is None or not spare.is_alive or not self._uplink.is_resting:
            return False
        self.line, self.spare = spare, None
        self._seed(again=False)
        self._uplink.hand_over()
        spare.seated.set()
        relieved.relieve()
        return True

    def _seat(self) -> None:
        """The session is configured. It is told what came before it; any but the first hears what was not answered."""
        self._seed(again=True)
        if self._has_begun:
            self._uplink.begin_session(again=True)
        self._has_begun = True
        self.line.configured.set()
        self.line.seated.set()

    def _seed(self, *, again: bool) -> None:
        items = self._transcript.change_session(self.when_said, again=again)
        if items:
            self.line.send([render(ConversationItemCreate(item=item)) for item in items])

    def _brief(self) -> None:
        """The spare is told all that was said, and the caller's sound waits for what becomes of it."""
        self._uplink.hold()
        self._uplink.on_answered()
        self._send_to_spare(*(ConversationItemCreate(item=item) for item in self._transcript.brief(self.when_said)))

    def _send_to_spare(self, *events: ClientEvent) -> None:
        if self.spare is not None and events:
            self.spare.send([render(event) for event in events])

    @staticmethod
    def _drop(line: ModelLine | None, command: DropModel | DropSpare) -> None:
        if line is not None:
            line.ending.end(command.why.reason, command.why.detail, command.why.close_code)

    # -- what happens --------------------------------------------------------------------------------------------

    def _tell(self, event: ClientEvent) -> None:
        """Send `event`, if somebody is there to whom it means anything."""
        if isinstance(event, ConversationItemCreate):
            self._transcript.on_told(event.item, trio.current_time() - self._began)
        if not self.is_seated and not isinstance(event, SessionUpdate):
            return
        if isinstance(event, InputAudioBufferCommit):
            self._uplink.put_message(render(event))  # it ends what was sent before it, so it may not overtake that
        else:
            self.line.send([render(event)])

    def on_model(self, event: ServerEvent | UnknownEvent) -> None:
        """The service tells what the caller does."""
        match event:
            case InputAudioBufferSpeechStarted():
                self._uplink.on_speech()
            case InputAudioBufferSpeechStopped():
                self._uplink.on_spoken(Ms(event.audio_end_ms))
            case InputAudioBufferCommitted() if self._commits:
                self._uplink.on_spoken(None)
            case _:
                pass

    def when_said(self, media: Ms) -> float | None:
        """When the caller said what this session calls `media`, in seconds of the call."""
        at = self.said_at(media)
        return None if at is None else at - self._began

    def said_at(self, media: Ms) -> LoopTime | None:
        """The same by the loop's clock."""
        return self._uplink.model_time.call_time(Ms(self._uplink.session_began + media))
