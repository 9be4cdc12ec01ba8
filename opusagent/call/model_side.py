"""The model's side of a call, whichever session is there: what it is told, what it has heard, what the next one needs.

Between two sessions nobody is told anything: what was put into the conversation meanwhile is remembered with it, and
seeds the next one.
"""

from collections.abc import Sequence
from typing import Final

import trio

from opusagent.call.ending import Ending
from opusagent.call.reasons import End, EndReason
from opusagent.call.transcript import Transcript
from opusagent.call.uplink import Uplink
from opusagent.errors import INTERNAL_ERROR
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

CONTROL_MESSAGES: Final = 64
"""How many control messages to the model may wait. More means that it takes none: it has stalled."""

Texts = Sequence[str]
"""Messages that go out together."""


class ModelSide:
    """One call's. `commits`: we end the caller's turns, and not the service."""

    def __init__(self, uplink: Uplink, transcript: Transcript, *, commits: bool) -> None:
        self._uplink: Final = uplink
        self._transcript: Final = transcript
        self._commits: Final = commits
        self._line = Ending()
        self._out: trio.MemorySendChannel[Texts] | None = None
        self._has_begun = False
        self.seated = trio.Event()

    @property
    def waiting(self) -> int:
        """Control messages that wait."""
        return 0 if self._out is None else self._out.statistics().current_buffer_used

    # -- sessions ------------------------------------------------------------------------------------------------

    def open(self, line: Ending) -> trio.MemoryReceiveChannel[Texts]:
        """A socket is there, and `line` ends its use. What is told comes out of the channel."""
        self._line, self.seated = line, trio.Event()
        self._out, control = trio.open_memory_channel[Texts](CONTROL_MESSAGES)
        return control

    def close(self) -> None:
        """The socket is gone."""
        self._out, self.seated = None, trio.Event()

    def drop(self, why: End) -> None:
        """The session is of no use any more."""
        self._line.end(why.reason, why.detail, why.close_code)

    def seat(self, began: LoopTime) -> None:
        """The session is configured. It is told what came before it; any but the first hears what was not answered."""
        items = self._transcript.change_session(lambda media: self.when_said(media, began))
        if self._has_begun:
            self._uplink.begin_session(again=True)
        if items:
            self._send([render(ConversationItemCreate(item=item)) for item in items])
        self._has_begun = True
        self.seated.set()

    # -- what happens --------------------------------------------------------------------------------------------

    def tell(self, event: ClientEvent, at: float) -> None:
        """Send `event`, if somebody is there to whom it means anything."""
        if isinstance(event, ConversationItemCreate):
            self._transcript.on_told(event.item, at)
        if not self.seated.is_set() and not isinstance(event, SessionUpdate):
            return
        if isinstance(event, InputAudioBufferCommit):
            self._uplink.put_message(render(event))  # it ends what was sent before it, so it may not overtake that
        else:
            self._send([render(event)])

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

    def when_said(self, media: Ms, began: LoopTime) -> float | None:
        """When the caller said what this session calls `media`, in seconds of a call that began at `began`."""
        at = self._uplink.model_time.call_time(Ms(self._uplink.session_began + media))
        return None if at is None else at - began

    def _send(self, texts: Texts) -> None:
        if self._out is None:
            return
        try:
            self._out.send_nowait(texts)
        except trio.WouldBlock:
            waiting = f"{CONTROL_MESSAGES} control messages wait for the model"
            self._line.end(EndReason.MODEL_STALLED, waiting, INTERNAL_ERROR)
