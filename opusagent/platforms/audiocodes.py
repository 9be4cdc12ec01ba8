# ruff: noqa: N815 (the fields carry the wire's own names, which the decoder matches)
"""AudioCodes VoiceAI Connect, Bot API in streaming mode: every message of both directions.

The platform dials us and says `session.initiate`, or `session.resume` on a new socket after one broke; the caller's
sound comes in `userStream.*` cycles, ours goes out in `playStream.*`, and everything else is `activities`. Field names
are those of the vendor's own SDK (`@audiocodes/ac-bot-api` 0.13.0); what its documents leave open is optional here.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import attrs

from opusagent.platforms.dialect import Unknown
from opusagent.wire import Reader, TypeTag, to_text

JsonObject: TypeAlias = Mapping[str, object]
"""A free-form JSON object: what the platform or its administrator put there."""


@attrs.frozen(kw_only=True)
class Spoken:
    """What every message of a conversation may carry. The platform always gives the id; we need not."""

    conversationId: str | None = None


@attrs.frozen(kw_only=True)
class OfParticipant(Spoken):
    """What a message about one party's sound may carry: who, in agent-assist calls."""

    participant: str | None = None


@attrs.frozen(kw_only=True)
class Activity:
    """An event or a text, in either direction. Compare `type` and `name` with `event_name`, never directly.

    `parameters` and `value` come from the platform; `activityParams` (for once), `sessionParams` (from now on) and
    `delay` (milliseconds) go to it.
    """

    type: str
    name: str | None = None
    text: str | None = None
    id: str | None = None
    timestamp: str | None = None
    language: str | None = None
    parameters: JsonObject | None = None
    activityParams: JsonObject | None = None
    sessionParams: JsonObject | None = None
    delay: float | None = None
    participant: str | None = None
    value: object = None


@attrs.frozen(kw_only=True)
class Activities(Spoken):
    """One or more activities, in order."""

    activities: tuple[Activity, ...]
    type: Literal["activities"] = "activities"


@attrs.frozen(kw_only=True)
class ConnectionValidate(Spoken):
    """An administrator presses Validate; no call. Answered with `connection.validated`."""

    type: Literal["connection.validate"] = "connection.validate"


@attrs.frozen(kw_only=True)
class SessionInitiate:
    """A call. `expectAudioMessages` None means true; formats are in the platform's order of preference."""

    conversationId: str
    supportedMediaFormats: tuple[str, ...]
    botName: str | None = None
    caller: str | None = None
    expectAudioMessages: bool | None = None
    type: Literal["session.initiate"] = "session.initiate"


@attrs.frozen(kw_only=True)
class SessionResume:
    """The same conversation on a new socket, after the old one broke."""

    conversationId: str
    supportedMediaFormats: tuple[str, ...] | None = None
    type: Literal["session.resume"] = "session.resume"


@attrs.frozen(kw_only=True)
class SessionEnd(Spoken):
    """The last message of a conversation."""

    reasonCode: str | None = None
    reason: str | None = None
    type: Literal["session.end"] = "session.end"


@attrs.frozen(kw_only=True)
class UserStreamStart(OfParticipant):
    """The caller's sound is ready; none is sent before `userStream.started`. Many cycles in a call."""

    type: Literal["userStream.start"] = "userStream.start"


@attrs.frozen(kw_only=True)
class UserStreamChunk(OfParticipant):
    """Sound of the caller in the accepted format, any length, odd ones too."""

    audioChunk: bytes
    type: Literal["userStream.chunk"] = "userStream.chunk"


@attrs.frozen(kw_only=True)
class UserStreamStop(OfParticipant):
    """The caller's sound pauses. Answered with `userStream.stopped`."""

    type: Literal["userStream.stop"] = "userStream.stop"


@attrs.frozen(kw_only=True)
class ConnectionValidated(Spoken):
    """The answer to `connection.validate`."""

    success: bool = True
    type: Literal["connection.validated"] = "connection.validated"


@attrs.frozen(kw_only=True)
class SessionAccepted(Spoken):
    """The call, or its resumption, is taken. `mediaFormat` is the caller's; repeat it on resume."""

    mediaFormat: str | None = None
    type: Literal["session.accepted"] = "session.accepted"


@attrs.frozen(kw_only=True)
class SessionError(Spoken):
    """The call is refused: the platform disconnects it and closes the socket."""

    reason: str | None = None
    type: Literal["session.error"] = "session.error"


@attrs.frozen(kw_only=True)
class UserStreamStarted(OfParticipant):
    """The caller's sound may come."""

    type: Literal["userStream.started"] = "userStream.started"


@attrs.frozen(kw_only=True)
class UserStreamStopped(OfParticipant):
    """The pause was noticed."""

    type: Literal["userStream.stopped"] = "userStream.stopped"


@attrs.frozen(kw_only=True)
class SpeechEvent(OfParticipant):
    """What an event about one party's speech may carry: the document says `participantId`, the SDK `participant`."""

    participantId: str | None = None


@attrs.frozen(kw_only=True)
class UserStreamSpeechStarted(SpeechEvent):
    """The caller began to speak; makes the platform barge in, if its configuration lets it."""

    type: Literal["userStream.speech.started"] = "userStream.speech.started"


@attrs.frozen(kw_only=True)
class UserStreamSpeechStopped(SpeechEvent):
    """The caller stopped."""

    type: Literal["userStream.speech.stopped"] = "userStream.speech.stopped"


@attrs.frozen(kw_only=True)
class UserStreamSpeechCommitted(SpeechEvent):
    """The caller's turn is over."""

    type: Literal["userStream.speech.committed"] = "userStream.speech.committed"


@attrs.frozen(kw_only=True)
class Alternative:
    """One reading of what was said. `confidence` 0.0 to 1.0."""

    text: str
    confidence: float | None = None


@attrs.frozen(kw_only=True)
class UserStreamSpeechHypothesis(OfParticipant):
    """What the caller may be saying."""

    alternatives: tuple[Alternative, ...]
    type: Literal["userStream.speech.hypothesis"] = "userStream.speech.hypothesis"


@attrs.frozen(kw_only=True)
class UserStreamSpeechRecognition(OfParticipant):
    """What the caller said."""

    alternatives: tuple[Alternative, ...]
    type: Literal["userStream.speech.recognition"] = "userStream.speech.recognition"


@attrs.frozen(kw_only=True)
class PlayStreamStart(Spoken):
    """Our sound begins. `streamId` is unique in the conversation; one stream at a time."""

    streamId: str
    mediaFormat: str
    altText: str | None = None
    activityParams: JsonObject | None = None
    targetPlayer: str | None = None
    type: Literal["playStream.start"] = "playStream.start"


@attrs.frozen(kw_only=True)
class PlayStreamChunk(Spoken):
    """Our sound, in the stream's format. Only while the stream is open."""

    streamId: str
    audioChunk: bytes
    type: Literal["playStream.chunk"] = "playStream.chunk"


@attrs.frozen(kw_only=True)
class PlayStreamStop(Spoken):
    """No more of our sound follows; what was sent is played out."""

    streamId: str
    type: Literal["playStream.stop"] = "playStream.stop"


PlatformMessage: TypeAlias = (
    Activities
    | ConnectionValidate
    | SessionInitiate
    | SessionResume
    | SessionEnd
    | UserStreamStart
    | UserStreamChunk
    | UserStreamStop
)
BridgeMessage: TypeAlias = (
    Activities
    | ConnectionValidated
    | SessionAccepted
    | SessionError
    | UserStreamStarted
    | UserStreamStopped
    | UserStreamSpeechStarted
    | UserStreamSpeechStopped
    | UserStreamSpeechCommitted
    | UserStreamSpeechHypothesis
    | UserStreamSpeechRecognition
    | PlayStreamStart
    | PlayStreamChunk
    | PlayStreamStop
)

_PLATFORM: Final[Reader[PlatformMessage, Unknown]] = Reader(
    TypeTag, get_args(PlatformMessage), hot=UserStreamChunk, unknown=Unknown
)
_BRIDGE: Final[Reader[BridgeMessage, Unknown]] = Reader(
    TypeTag, get_args(BridgeMessage), hot=PlayStreamChunk, unknown=Unknown
)


def parse_platform_message(text: str) -> PlatformMessage | Unknown:
    """What the platform said, before it means anything to a call.

    `playStream.mark.reached` is Unknown: one source names it and none says what it holds.

    Raises:
        RemoteProtocolError: `text` is no message; close code 1007 for what is not JSON or not base64, else 1002.
    """
    return _PLATFORM.parse(text)


def parse_bridge_message(text: str) -> BridgeMessage | Unknown:
    """What a bridge said, as the platform hears it. Raises as `parse_platform_message`."""
    return _BRIDGE.parse(text)


def render(message: PlatformMessage | BridgeMessage) -> str:
    """The text of `message`, absent fields left off. Raises `LocalProtocolError` if it cannot be written."""
    return to_text(message)


def event_name(activity: Activity) -> str | None:
    """The name of an event in lower case, None for what is no event: the platform writes `DTMF` and `dtmf`.

    >>> event_name(Activity(type="Event", name="DTMF", value="5"))
    'dtmf'
    """
    if activity.type.lower() != "event" or activity.name is None:
        return None
    return activity.name.lower()
