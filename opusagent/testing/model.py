"""A model that does what a test tells it: the service's side of a Realtime session, on any `MessageSocket`.

It decides nothing by itself. One task listens (`listen`), so that the bridge is never held up by a test that is busy;
whatever the bridge said is kept with its loop time, and the script reads it at its own pace with `expect`.
"""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Final, TypeVar

import attrs
import trio

from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.errors import NORMAL_CLOSURE, PeerGone, PeerStalled
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.codec import parse_client_event, render
from opusagent.realtime.events import (
    ClientEvent,
    ContentPart,
    ConversationItemAdded,
    ConversationItemDone,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferAppend,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    Response,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ServerEvent,
    Session,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    StatusDetails,
    UnknownEvent,
)
from opusagent.units import LoopTime, Ms

PATIENCE: Final = 5.0
"""Seconds of loop time that `expect` waits unless told otherwise."""

E = TypeVar("E", bound=ClientEvent)


class NotSaid(AssertionError):
    """The bridge did not say what the script expects. The text lists what it said instead."""


@attrs.frozen
class Heard:
    """Something the bridge said, and when it came."""

    at: LoopTime
    event: ClientEvent | UnknownEvent


@attrs.define(eq=False)
class ScriptedModel:
    """The model's end of `socket`. Start `listen` in a nursery; it returns when the bridge is gone.

    `heard` is everything that the bridge said, in order; `left` is how it went, None while it is there.
    """

    socket: MessageSocket
    heard: list[Heard] = attrs.field(factory=list[Heard], init=False)
    left: PeerGone | PeerStalled | None = attrs.field(default=None, init=False)
    _read: int = attrs.field(default=0, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _numbers: "count[int]" = attrs.field(factory=count, init=False)

    async def listen(self) -> None:
        """Take what the bridge says until it is gone. Raises `RemoteProtocolError` if it says what is no event."""
        await trio.lowlevel.checkpoint()
        try:
            while True:
                event = parse_client_event(await self.socket.receive())
                self.heard.append(Heard(LoopTime(trio.current_time()), event))
                self._tell_news()
        except (PeerGone, PeerStalled) as gone:
            self.left = gone
            self._tell_news()

    @property
    def audio(self) -> bytes:
        """All appended audio, joined."""
        return b"".join(each.event.audio for each in self.heard if isinstance(each.event, InputAudioBufferAppend))

    def said(self, kind: type[E]) -> list[E]:
        """Every event of class `kind` so far, whether expected or not."""
        return [each.event for each in self.heard if isinstance(each.event, kind)]

    async def expect(self, kind: type[E], *, within: float = PATIENCE) -> E:
        """The next event of class `kind`; what lies before it is passed over. Raises `NotSaid` after `within` s."""
        with trio.move_on_after(within):
            while True:
                await trio.lowlevel.checkpoint()
                for place in range(self._read, len(self.heard)):
                    event = self.heard[place].event
                    if isinstance(event, kind):
                        self._read = place + 1
                        return event
                if self.left is not None:
                    raise NotSaid(f"{kind.__name__} never came: {self.left}. {self._instead()}")
                await self._news.wait()
        raise NotSaid(f"{kind.__name__} did not come within {within:g} s. {self._instead()}")

    async def expect_audio(self, count: int, *, within: float = PATIENCE) -> bytes:
        """All appended audio, once it is at least `count` bytes. Raises `NotSaid` after `within` s."""
        with trio.move_on_after(within):
            await trio.lowlevel.checkpoint()
            while len(self.audio) < count and self.left is None:
                await self._news.wait()
        if len(self.audio) < count:
            raise NotSaid(f"{len(self.audio)} of {count} bytes of audio came. {self._instead()}")
        return self.audio

    async def parted(self, *, within: float = PATIENCE) -> PeerGone | PeerStalled:
        """How the bridge went, once it has. Raises `NotSaid` if it is still there after `within` s."""
        with trio.move_on_after(within):
            await trio.lowlevel.checkpoint()
            while self.left is None:
                await self._news.wait()
        if self.left is None:
            raise NotSaid(f"the bridge did not go within {within:g} s. {self._instead()}")
        return self.left

    async def send(self, *events: ServerEvent) -> None:
        """Say `events` in one write; an event without an id gets one."""
        named = (event if event.event_id else attrs.evolve(event, event_id=self._name("event")) for event in events)
        await self.socket.send(*map(render, named))

    async def send_text(self, text: str) -> None:
        """Say anything at all: an unknown event, half an event, no JSON."""
        await self.socket.send(text)

    async def opening(self, session: Session | None = None, *, within: float = PATIENCE) -> SessionUpdate:
        """Greet as the service does, and take the bridge's settings: created, update, updated."""
        greeting = session or Session(id="sess_1", object="realtime.session", model="scripted")
        await self.send(SessionCreated(session=greeting))
        update = await self.expect(SessionUpdate, within=within)
        settled = attrs.evolve(update.session, id=greeting.id, object=greeting.object, model=greeting.model)
        await self.send(SessionUpdated(session=settled))
        return update

    async def speech_started(self, item_id: str = "item_caller", *, at_ms: int = 0) -> None:
        """The caller speaks."""
        await self.send(InputAudioBufferSpeechStarted(item_id=item_id, audio_start_ms=at_ms))

    async def speech_stopped(self, item_id: str = "item_caller", *, at_ms: int = 0) -> None:
        """The caller has spoken, and the words are an item of the conversation."""
        part = ContentPart(type="input_audio")
        item = Item(type="message", id=item_id, status="completed", role="user", content=(part,))
        await self.send(
            InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=at_ms),
            InputAudioBufferCommitted(item_id=item_id),
            ConversationItemAdded(item=item),
            ConversationItemDone(item=item),
        )

    async def say(
        self,
        item_id: str,
        audio: bytes,
        *,
        response_id: str,
        chunk_ms: int = 200,
        pause: float = 0.0,
        transcript: str = "",
        media: MediaFormat = PCM16_24K,
    ) -> None:
        """A whole response that says `audio` (in `media`), `pause` seconds between deltas of `chunk_ms`."""
        await self.begin(item_id, response_id=response_id)
        for start, chunk in _chunks(audio, media.bytes_of(Ms(chunk_ms))):
            if start:
                await trio.sleep(pause)
            await self.delta(item_id, chunk, response_id=response_id)
        await self.finish(item_id, response_id=response_id, transcript=transcript)

    async def begin(self, item_id: str, *, response_id: str) -> None:
        """A response begins, with one audio item."""
        item = Item(type="message", id=item_id, status="in_progress", role="assistant")
        part = ContentPart(type="audio", transcript="")
        await self.send(
            ResponseCreated(response=Response(id=response_id, status="in_progress", conversation_id="conv_1")),
            ResponseOutputItemAdded(response_id=response_id, output_index=0, item=item),
            ConversationItemAdded(item=item),
            ResponseContentPartAdded(
                response_id=response_id, item_id=item_id, output_index=0, content_index=0, part=part
            ),
        )

    async def delta(self, item_id: str, audio: bytes, *, response_id: str) -> None:
        """Some sound of it."""
        delta = ResponseOutputAudioDelta(
            response_id=response_id, item_id=item_id, output_index=0, content_index=0, delta=audio
        )
        await self.send(delta)

    async def finish(self, item_id: str, *, response_id: str, transcript: str = "") -> None:
        """The item and its response are complete."""
        part = ContentPart(type="output_audio", transcript=transcript)
        item = Item(type="message", id=item_id, status="completed", role="assistant", content=(part,))
        await self.send(*_endings(response_id, item_id, transcript), ConversationItemDone(item=item))
        await self.send(ResponseOutputItemDone(response_id=response_id, output_index=0, item=item))
        await self.response_done(response_id, output=(item,))

    async def response_done(
        self, response_id: str, *, status: str = "completed", reason: str | None = None, output: tuple[Item, ...] = ()
    ) -> None:
        """A response ended; `reason` as in `turn_detected`."""
        details = None if reason is None else StatusDetails(type=status, reason=reason)
        done = Response(id=response_id, status=status, status_details=details, output=output, conversation_id="conv_1")
        await self.send(ResponseDone(response=done))

    async def error(self, code: str, message: str = "refused", *, event_id: str | None = None) -> None:
        """Refuse something."""
        detail = ErrorDetail(type="invalid_request_error", code=code, message=message, event_id=event_id)
        await self.send(ErrorEvent(error=detail))

    async def hang_up(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the socket."""
        await self.socket.close(code, reason)

    def _tell_news(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _name(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers):04d}"

    def _instead(self) -> str:
        counted = Counter(each.event.type for each in self.heard[self._read :])
        said = ", ".join(f"{number} x {kind}" for kind, number in counted.items())
        return f"Since the last event that was expected the bridge said: {said or 'nothing'}."


def _chunks(audio: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    for place in range(math.ceil(len(audio) / size)):
        yield place, audio[place * size : (place + 1) * size]


def _endings(response_id: str, item_id: str, transcript: str) -> Iterator[ServerEvent]:
    """What closes an audio part, in the service's order."""
    if transcript:
        yield ResponseOutputAudioTranscriptDelta(
            response_id=response_id, item_id=item_id, output_index=0, content_index=0, delta=transcript
        )
    yield ResponseOutputAudioDone(response_id=response_id, item_id=item_id, output_index=0, content_index=0)
    yield ResponseOutputAudioTranscriptDone(
        response_id=response_id, item_id=item_id, output_index=0, content_index=0, transcript=transcript
    )
    yield ResponseContentPartDone(
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=0,
        part=ContentPart(type="audio", transcript=transcript),
    )
