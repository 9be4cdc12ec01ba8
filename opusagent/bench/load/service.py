"""The model's end: a Realtime server that answers by the clock, faster than real time, and is interrupted by the clock.

It knows what a bridge needs of the protocol and no more, so that it costs next to nothing: sessions are configured and
echoed, audio is timed and counted, and of what else a client says only a truncation is answered.
"""

import asyncio
import base64
import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import attrs
import msgspec

from opusagent.bench.load.account import Account, Answer
from opusagent.bench.load.line import Line
from opusagent.bench.load.voices import CYCLE_FRAMES, FRAME_MS, MULAW, PCM_24K, PIECE_MS, Coding, answer_pieces

CYCLE: Final = CYCLE_FRAMES * FRAME_MS / 1000
PIECE: Final = PIECE_MS / 1000
FASTER: Final = 4
"""Times real time that an answer comes at."""

STARTED: Final = 0.3
"""Seconds into a cycle when the caller is known to speak."""
STOPPED: Final = 2.2
ANSWER: Final = 2.4
SHORT: Final = 2.4
"""Seconds that an answer lasts which ends before the caller speaks again."""
LONG: Final = 4.4
"""And of one that is interrupted."""

_AUDIO: Final = re.compile(rb'"audio"\s*:\s*"([^"]*)"')
_APPEND: Final = b"input_audio_buffer.append"
_CODINGS: Final[Mapping[str, Coding]] = {coding.name: coding for coding in (MULAW, PCM_24K)}

Json = Mapping[str, object]


@attrs.frozen
class Answers:
    """All that is ever said, ready to be sent: in each coding a short answer and a long one."""

    pieces: Mapping[str, tuple[Sequence[bytes], Sequence[bytes]]]

    @classmethod
    def rendered(cls) -> "Answers":
        """Renders them, which takes a moment."""
        return cls({name: (answer_pieces(each, SHORT), answer_pieces(each, LONG)) for name, each in _CODINGS.items()})


@attrs.define(eq=False)
class Session:
    """One call as the model has it. `origin`: when the caller's cycles began."""

    account: Account
    answers: Answers
    origin: float
    joined: asyncio.Event
    ended: asyncio.Event
    _line: Line | None = None
    _hears: Coding = PCM_24K
    _speaks: Coding = PCM_24K
    _number: int = 0
    _answer: Answer | None = None
    _pieces: deque[bytes] = attrs.field(factory=deque[bytes])
    _timer: asyncio.TimerHandle | None = None

    # -- the listener of its line

    def opened(self, line: Line) -> None:
        self._line = line
        self._say("session.created", session=_session(self._hears, self._speaks))

    def heard(self, text: bytes) -> None:
        now = _now()
        if _APPEND in text and (found := _AUDIO.search(text)) is not None:
            raw = base64.b64decode(found[1])
            self.account.up.receive(now, self._hears.ms(raw), self._hears.mark_in(raw))
            if self.account.set_up is None:
                self.account.set_up = (now - self.account.dialled) * 1000
            return
        self._obey(_EVENTS.decode(text))

    def gone(self) -> None:
        self._line = None
        if self._timer is not None:
            self._timer.cancel()
        self.ended.set()

    def _obey(self, event: "_Event") -> None:
        match event.type:
            case "session.update" if event.session is not None:
                self._configure(event.session.audio)
            case "conversation.item.truncate":
                self._say(
                    "conversation.item.truncated",
                    item_id=event.item_id,
                    content_index=0,
                    audio_end_ms=event.audio_end_ms,
                )
            case _:
                pass

    def _configure(self, audio: "_Audio") -> None:
        self._hears = audio.input.coding() or self._hears
        self._speaks = audio.output.coding() or self._speaks
        self._say("session.updated", session=_session(self._hears, self._speaks))
        if not self.joined.is_set():
            self.joined.set()
            self._wait_for_cycle(STARTED)

    # -- the conversation

    def _wait_for_cycle(self, offset: float) -> None:
        """What comes next at `offset` in a cycle, this or the next one."""
        since = (_now() - self.origin) % CYCLE
        at = _now() - since + offset + (CYCLE if since >= offset else 0.0)
        self._at(at, self._start_speech if offset == STARTED else self._stop_speech)

    def _start_speech(self) -> None:
        self._say("input_audio_buffer.speech_started", audio_start_ms=0, item_id=f"item_u{self._number}")
        if self._answer is not None and self._number % 2:
            self.account.down.interrupt(_now())
        self._wait_for_cycle(STOPPED)

    def _stop_speech(self) -> None:
        item = f"item_u{self._number}"
        self._say("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item)
        self._say("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        self._at(_now() + ANSWER - STOPPED, self._begin_answer)

    def _begin_answer(self) -> None:
        self._number += 1
        short, long = self.answers.pieces[self._speaks.name]
        self._pieces.extend(long if self._number % 2 else short)
        part: Json = {"type": "audio", "transcript": ""}
        self._say("response.created", response=self._response("in_progress"))
        self._say("response.output_item.added", **self._place(item=self._item("in_progress")))
        self._say("response.content_part.added", **self._place(part=part))
        self._answer = self.account.down.begin(_now())
        self._next_piece(_now())

    def _next_piece(self, at: float) -> None:
        """Say one piece, due `at`; the next is due a quarter of its length later."""
        if self._line is None or self._answer is None:
            return
        if not self._pieces:
            self._end_answer()
            return
        self._line.say(
            b'{"type":"response.output_audio.delta","event_id":"e","response_id":"resp_%d","item_id":"item_%d",'
            b'"output_index":0,"content_index":0,"delta":"%b"}' % (self._number, self._number, self._pieces.popleft())
        )
        self._answer.sent += PIECE_MS
        self._at(at + PIECE / FASTER, partial(self._next_piece, at + PIECE / FASTER))

    def _end_answer(self) -> None:
        part: Json = {"type": "audio", "transcript": "So it is."}
        self._say("response.output_audio_transcript.done", **self._place(transcript="So it is."))
        self._say("response.output_audio.done", **self._place())
        self._say("response.content_part.done", **self._place(part=part))
        self._say("response.output_item.done", **self._place(item=self._item("completed")))
        self._say("response.done", response=self._response("completed"))
        self._wait_for_cycle(STARTED)

    def _response(self, status: str) -> Json:
        output = [self._item(status)] if status == "completed" else []
        return {
            "id": f"resp_{self._number}",
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": output,
            "output_modalities": ["audio"],
            "usage": None,
        }

    def _item(self, status: str) -> Json:
        return {
            "id": f"item_{self._number}",
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [],
        }

    def _place(self, **more: object) -> dict[str, object]:
        names: dict[str, object] = {"response_id": f"resp_{self._number}", "output_index": 0}
        if "item" not in more:
            names |= {"item_id": f"item_{self._number}", "content_index": 0}
        return names | more

    def _say(self, kind: str, **fields: object) -> None:
        if self._line is not None:
            self._line.say(json.dumps({"type": kind, "event_id": "e", **fields}, separators=(",", ":")).encode())

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_at(when, what)


@attrs.define(eq=False)
class Service:
    """Where bridges dial. A session is that of the call that was put through longest ago and has none yet."""

    waiting: deque[Session] = attrs.field(factory=deque[Session])

    async def serve(self) -> tuple[asyncio.Server, int]:
        """Listen on a free port of the loopback interface."""
        server = await asyncio.get_running_loop().create_server(self._attend, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return server, port

    def _attend(self) -> Line:
        return Line(self.waiting.popleft(), None)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _session(hears: Coding, speaks: Coding) -> Json:
    """A session's settings, as far as a bridge is likely to look at them."""
    return {
        "id": "sess_1",
        "object": "realtime.session",
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "expires_at": 4_000_000_000,
        "audio": {"input": {"format": _format(hears)}, "output": {"format": _format(speaks), "voice": "marin"}},
    }


def _format(coding: Coding) -> Json:
    return {"type": coding.name, "rate": 24000} if coding.is_linear else {"type": coding.name}


class _Format(msgspec.Struct):
    type: str


class _Side(msgspec.Struct):
    format: _Format | None = None

    def coding(self) -> Coding | None:
        """What was asked for, if anything was."""
        return None if self.format is None else _CODINGS[self.format.type]


class _Audio(msgspec.Struct):
    input: _Side = msgspec.field(default_factory=_Side)
    output: _Side = msgspec.field(default_factory=_Side)


class _Settings(msgspec.Struct):
    audio: _Audio = msgspec.field(default_factory=_Audio)


class _Event(msgspec.Struct):
    """Of what a client says, that which is answered."""

    type: str
    session: _Settings | None = None
    item_id: str = ""
    audio_end_ms: int = 0


_EVENTS: Final = msgspec.json.Decoder(_Event)
