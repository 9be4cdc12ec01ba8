"""AudioCodes' messages to the letter, and what they must bear."""

import json
from typing import get_args

import pytest

from opusagent.errors import INVALID_PAYLOAD, PROTOCOL_ERROR, RemoteProtocolError
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    Alternative,
    BridgeMessage,
    ConnectionValidate,
    ConnectionValidated,
    PlatformMessage,
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionEnd,
    SessionError,
    SessionInitiate,
    SessionResume,
    UserStreamChunk,
    UserStreamSpeechCommitted,
    UserStreamSpeechHypothesis,
    UserStreamSpeechRecognition,
    UserStreamSpeechStarted,
    UserStreamSpeechStopped,
    UserStreamStart,
    UserStreamStarted,
    UserStreamStop,
    UserStreamStopped,
    event_name,
    parse_bridge_message,
    parse_platform_message,
    render,
)
from opusagent.platforms.dialect import Unknown
from opusagent.wire import TypeTag, tag_of

ID = "7d1f3c52-90ab-4a6e-8b1a-0c2d4e6f8a10"

FROM_PLATFORM: list[tuple[str, PlatformMessage]] = [
    ('{"type":"connection.validate"}', ConnectionValidate()),
    (
        (
            f'{{"type":"session.initiate","conversationId":"{ID}","botName":"my-bot","caller":"+15550123",'
            '"expectAudioMessages":true,"supportedMediaFormats":["raw/lpcm16","raw/lpcm16_24","raw/mulaw"]}'
        ),
        SessionInitiate(
            conversationId=ID,
            botName="my-bot",
            caller="+15550123",
            expectAudioMessages=True,
            supportedMediaFormats=("raw/lpcm16", "raw/lpcm16_24", "raw/mulaw"),
        ),
    ),
    (f'{{"type":"session.resume","conversationId":"{ID}"}}', SessionResume(conversationId=ID)),
    (
        f'{{"type":"session.end","conversationId":"{ID}","reasonCode":"client-disconnected","reason":"bye"}}',
        SessionEnd(conversationId=ID, reasonCode="client-disconnected", reason="bye"),
    ),
    (f'{{"type":"userStream.start","conversationId":"{ID}"}}', UserStreamStart(conversationId=ID)),
    (
        f'{{"type":"userStream.chunk","conversationId":"{ID}","audioChunk":"AQID","participant":"caller"}}',
        UserStreamChunk(conversationId=ID, audioChunk=b"\1\2\3", participant="caller"),
    ),
    (
        f'{{"type":"userStream.stop","conversationId":"{ID}","participant":"callee"}}',
        UserStreamStop(conversationId=ID, participant="callee"),
    ),
    (
        (
            f'{{"type":"activities","conversationId":"{ID}","activities":['
            '{"type":"event","name":"start","id":"a1","timestamp":"2026-11-22T10:00:00.000Z","language":"en-US",'
            '"parameters":{"caller":"+15550123","callee":"+15550199","participants":[{"participant":"caller"}]}},'
            '{"type":"event","name":"DTMF","value":"12#"},'
            '{"type":"event","name":"noUserInput","value":2},'
            '{"type":"message","text":"hello","participant":"caller"}]}'
        ),
        Activities(
            conversationId=ID,
            activities=(
                Activity(
                    type="event",
                    name="start",
                    id="a1",
                    timestamp="2026-11-22T10:00:00.000Z",
                    language="en-US",
                    parameters={
                        "caller": "+15550123",
                        "callee": "+15550199",
                        "participants": [{"participant": "caller"}],
                    },
                ),
                Activity(type="event", name="DTMF", value="12#"),
                Activity(type="event", name="noUserInput", value=2),
                Activity(type="message", text="hello", participant="caller"),
            ),
        ),
    ),
]

TO_PLATFORM: list[tuple[str, BridgeMessage]] = [
    ('{"type":"connection.validated","success":true}', ConnectionValidated()),
    ('{"type":"session.accepted","mediaFormat":"raw/mulaw"}', SessionAccepted(mediaFormat="raw/mulaw")),
    (
        f'{{"type":"session.error","conversationId":"{ID}","reason":"conversation not found"}}',
        SessionError(conversationId=ID, reason="conversation not found"),
    ),
    ('{"type":"userStream.started"}', UserStreamStarted()),
    ('{"type":"userStream.stopped","participant":"caller"}', UserStreamStopped(participant="caller")),
    ('{"type":"userStream.speech.started"}', UserStreamSpeechStarted()),
    (
        '{"type":"userStream.speech.stopped","participant":"caller","participantId":"caller"}',
        UserStreamSpeechStopped(participant="caller", participantId="caller"),
    ),
    ('{"type":"userStream.speech.committed"}', UserStreamSpeechCommitted()),
    (
        '{"type":"userStream.speech.hypothesis","alternatives":[{"text":"i lost"}]}',
        UserStreamSpeechHypothesis(alternatives=(Alternative(text="i lost"),)),
    ),
    (
        '{"type":"userStream.speech.recognition","alternatives":[{"text":"i lost my card","confidence":0.91}]}',
        UserStreamSpeechRecognition(alternatives=(Alternative(text="i lost my card", confidence=0.91),)),
    ),
    (
        '{"type":"playStream.start","streamId":"17","mediaFormat":"raw/mulaw","altText":"Sure, let me check."}',
        PlayStreamStart(streamId="17", mediaFormat="raw/mulaw", altText="Sure, let me check."),
    ),
    (
        '{"type":"playStream.chunk","streamId":"17","audioChunk":"//79/Pv6"}',
        PlayStreamChunk(streamId="17", audioChunk=b"\xff\xfe\xfd\xfc\xfb\xfa"),
    ),
    ('{"type":"playStream.stop","streamId":"17"}', PlayStreamStop(streamId="17")),
    (
        (
            '{"type":"activities","activities":[{"type":"event","name":"hangup",'
            '"activityParams":{"hangupReason":"done"}},{"type":"event","name":"config",'
            '"sessionParams":{"bargeIn":true,"userNoInputGiveUpTimeoutMS":0}}]}'
        ),
        Activities(
            activities=(
                Activity(type="event", name="hangup", activityParams={"hangupReason": "done"}),
                Activity(type="event", name="config", sessionParams={"bargeIn": True, "userNoInputGiveUpTimeoutMS": 0}),
            )
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), FROM_PLATFORM)
def test_messages_from_the_platform(text: str, message: PlatformMessage) -> None:
    """Every message is read whole, and written so that it says the same."""
    assert (parse_platform_message(text), json.loads(render(message))) == (message, json.loads(text))


@pytest.mark.parametrize(("text", "message"), TO_PLATFORM)
def test_messages_to_the_platform(text: str, message: BridgeMessage) -> None:
    """Every message says what the vendor's SDK says, with the SDK's names, and is read back by a test's caller."""
    assert (parse_bridge_message(text), json.loads(render(message))) == (message, json.loads(text))


def test_no_message_is_forgotten() -> None:
    """The two lists above have every class of either direction."""
    for samples, union in ((FROM_PLATFORM, get_args(PlatformMessage)), (TO_PLATFORM, get_args(BridgeMessage))):
        classes: tuple[type[PlatformMessage | BridgeMessage], ...] = union
        assert {message.type for _, message in samples} == {tag_of(cls, TypeTag) for cls in classes}


@pytest.mark.parametrize("kind", ["playStream.mark.reached", "session.resumed", "USERSTREAM.CHUNK", "ping"])
def test_strangers_are_unknown(kind: str) -> None:
    """Messages that no document describes are named and counted; message types have one spelling."""
    assert parse_platform_message(f'{{"type":"{kind}","conversationId":"{ID}"}}') == Unknown(kind)


@pytest.mark.parametrize(
    ("activity", "name"),
    [
        (Activity(type="event", name="DTMF"), "dtmf"),
        (Activity(type="event", name="dtmf"), "dtmf"),
        (Activity(type="Event", name="playFinished"), "playfinished"),
        (Activity(type="message", name="DTMF"), None),
        (Activity(type="event"), None),
    ],
)
def test_event_names_have_no_case(activity: Activity, name: str | None) -> None:
    """The vendor's own pages write one event in two ways."""
    assert event_name(activity) == name


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('{"type":"userStream.chunk","audioChunk":"A"}', INVALID_PAYLOAD, "audioChunk: Invalid base64 encoded string"),
        (
            '{"type":"userStream.chunk"}',
            PROTOCOL_ERROR,
            "the message: Object missing required field `audioChunk`",
        ),
        (
            f'{{"type":"session.initiate","conversationId":"{ID}","supportedMediaFormats":"raw/mulaw"}}',
            PROTOCOL_ERROR,
            "supportedMediaFormats: Expected `array`, got `str`",
        ),
        (
            '{"type":"activities","activities":[{"name":"start"}]}',
            PROTOCOL_ERROR,
            "activities[0]: Object missing required field `type`",
        ),
        ('{"type":"session.resume"}', PROTOCOL_ERROR, "the message: Object missing required field `conversationId`"),
    ],
)
def test_faults_say_what_and_where(text: str, code: int, words: str) -> None:
    """One refusal, with the place of the fault and the close code."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_platform_message(text)
    assert (caught.value.close_code, str(caught.value)) == (code, words)
