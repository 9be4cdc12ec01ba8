"""The responses of one session: at most one in the default conversation, and any number out of band."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from opusagent.audio.media import MediaFormat
from opusagent.local.answers import Answer, Pace, Part, input_usage, spoken, steps_of, written
from opusagent.local.conversation import Conversation, Entry, Names, entry_from_client
from opusagent.local.outputs import FunctionCall, Message, uncalled_item, unspoken_item
from opusagent.local.refusals import Refusal
from opusagent.local.settings import check_format, check_modalities, check_token_limit, input_of, media_of, output_of
from opusagent.local.voices import Cue, Reply, Voice
from opusagent.realtime.events import (
    AudioOutput,
    Item,
    Response,
    ResponseAudio,
    ResponseOptions,
    ResponseOutputAudioDelta,
    ServerEvent,
    Session,
)
from opusagent.units import LoopTime, Pcm16

METADATA_LIMITS: Final = (16, 64, 512)
"""Pairs, characters of a key, characters of a value."""


@attrs.define
class Responses:
    """Who is speaking. `voice_used` tells that audio was sent, which fixes the session's voice."""

    conversation: Conversation
    conversation_id: str
    names: Names
    voice: Voice
    pace: Pace
    voice_used: bool = attrs.field(default=False, init=False)
    _active: list[Answer] = attrs.field(factory=list[Answer], init=False)

    @property
    def speaking(self) -> bool:
        """Whether a response is active in the default conversation."""
        return any(answer.conversation is not None for answer in self._active)

    @property
    def active(self) -> Sequence[str]:
        """The ids of all of them."""
        return [answer.response.id for answer in self._active]

    @property
    def next_due(self) -> LoopTime | None:
        """When any of them goes on."""
        return min((answer.next_due for answer in self._active if answer.next_due is not None), default=None)

    def create(self, wanted: ResponseOptions, session: Session, now: LoopTime) -> list[ServerEvent]:
        """Begin a response as `wanted`, with the session's settings where that says nothing. Raises `Refusal`."""
        _check_options(wanted)
        out_of_band = wanted.conversation == "none"
        if self.speaking and not out_of_band:
            message = "Conversation already has an active response in progress. Wait until it is finished."
            raise Refusal("conversation_already_has_active_response", message)
        answer = self._answer(wanted, session, now, None if out_of_band else self.conversation)
        self._active.append(answer)
        return answer.created()

    def cancel(self, response_id: str | None) -> list[ServerEvent]:
        """Stop the response named, or the default conversation's. Raises `Refusal` if it is not active."""
        for answer in self._active:
            if answer.response.id == response_id or (response_id is None and answer.conversation is not None):
                return self._stop(answer, "client_cancelled")
        raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found.")

    def interrupt(self) -> list[ServerEvent]:
        """Stop the default conversation's response, if there is one, because the caller speaks."""
        speaking = [answer for answer in self._active if answer.conversation is not None]
        return [event for answer in speaking for event in self._stop(answer, "turn_detected")]

    def step(self) -> list[ServerEvent]:
        """Take the step that is due first. There must be one."""
        answer = min(self._active, key=lambda each: each.steps[0].due)
        events = answer.step()
        self.voice_used |= any(isinstance(event, ResponseOutputAudioDelta) for event in events)
        if answer.next_due is None:
            self._active.remove(answer)
        return events

    def _stop(self, answer: Answer, reason: str) -> list[ServerEvent]:
        self._active.remove(answer)
        return answer.cancel(reason)

    def _answer(
        self, wanted: ResponseOptions, session: Session, now: LoopTime, conversation: Conversation | None
    ) -> Answer:
        context = self._context(wanted.input, session)
        instructions = session.instructions if wanted.instructions is None else wanted.instructions
        heard = _heard(self.conversation.since_model() if wanted.input is None else context)
        response = self._response(wanted, session, conversation)
        reply = self.voice.answer(Cue(heard, instructions or "", tuple(entry.item for entry in context)))
        parts = list(self._parts(response, reply, media_of(_output(wanted, session).format)))
        steps = steps_of(parts, self.pace, now)
        return Answer(response, deque(steps), input_usage(context, instructions or ""), conversation)

    def _parts(self, response: Response, reply: Reply, media: MediaFormat) -> Iterator[Part]:
        """What is said, if anything is, and then the calls."""
        if reply.said is not None:
            is_spoken = response.output_modalities == ("audio",)
            entry = Entry(unspoken_item(self.names.new("item"), spoken=is_spoken), media)
            message, limit = Message(entry, response.id, 0, is_spoken), response.max_output_tokens
            if is_spoken:
                yield spoken(message, reply.said, self.pace, limit if isinstance(limit, int) else None)
            else:
                yield written(message, reply.said.transcript)
        for index, call in enumerate(reply.calls, 0 if reply.said is None else 1):
            item = uncalled_item(self.names.new("item"), self.names.new("call"), call.name)
            yield written(FunctionCall(Entry(item, media), response.id, index), call.arguments)

    def _response(self, wanted: ResponseOptions, session: Session, conversation: Conversation | None) -> Response:
        output = _output(wanted, session)
        limit = session.max_output_tokens if wanted.max_output_tokens is None else wanted.max_output_tokens
        return Response(
            id=self.names.new("resp"),
            object="realtime.response",
            status="in_progress",
            conversation_id=None if conversation is None else self.conversation_id,
            output_modalities=wanted.output_modalities or session.output_modalities or ("audio",),
            audio=ResponseAudio(output=AudioOutput(format=output.format, voice=output.voice)),
            max_output_tokens=limit,
            metadata=wanted.metadata,
        )

    def _context(self, given: tuple[Item, ...] | None, session: Session) -> Sequence[Entry]:
        """What the model reads: the conversation, or what the client gives instead of it. Raises `Refusal`."""
        if given is None:
            return self.conversation.entries
        media = media_of(input_of(session).format)
        return [
            self.conversation.entry(item.id or "")
            if item.type == "item_reference"
            else entry_from_client(item, item.id or self.names.new("item"), media)
            for item in given
        ]


def _heard(entries: Iterable[Entry]) -> Pcm16:
    return Pcm16(b"".join(entry.pcm24() for entry in entries if entry.item.role == "user" and entry.audio))


def _output(wanted: ResponseOptions, session: Session) -> AudioOutput:
    """The response's own format and voice, else the session's."""
    own = (wanted.audio and wanted.audio.output) or AudioOutput()
    usual = output_of(session)
    return AudioOutput(format=own.format or usual.format, voice=own.voice or usual.voice)


def _check_options(wanted: ResponseOptions) -> None:
    if wanted.conversation not in {None, "auto", "none"}:
        raise Refusal("invalid_value", "Supported values are 'auto' and 'none'.", param="response.conversation")
    check_modalities(wanted.output_modalities, "response.output_modalities")
    check_token_limit(wanted.max_output_tokens, "response.max_output_tokens")
    if wanted.audio is not None and wanted.audio.output is not None:
        check_format(wanted.audio.output.format, "response.audio.output.format")
    _check_metadata(wanted.metadata or {})


def _check_metadata(metadata: Mapping[str, str]) -> None:
    pairs, key_length, value_length = METADATA_LIMITS
    if len(metadata) > pairs or any(
        len(key) > key_length or len(value) > value_length for key, value in metadata.items()
    ):
        message = f"Metadata holds at most {pairs} pairs, keys of {key_length} and values of {value_length} characters."
        raise Refusal("invalid_value", message, param="response.metadata")
