"""The platform's rules find fault with each way of breaking them, and with nothing else."""

from collections.abc import Sequence

import pytest

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
    SessionError,
    SessionInitiate,
    UserStreamSpeechHypothesis,
    UserStreamSpeechRecognition,
    UserStreamSpeechStarted,
    UserStreamStart,
    UserStreamStarted,
    UserStreamStop,
    UserStreamStopped,
)
from opusagent.platforms.dialect import Unknown
from opusagent.testing.audiocodes_rules import Rules

INITIATE = SessionInitiate(conversationId="c", supportedMediaFormats=("raw/lpcm16", "raw/mulaw"))
ACCEPTED = SessionAccepted(mediaFormat="raw/lpcm16")
OPENED = PlayStreamStart(streamId="1", mediaFormat="raw/lpcm16")
SOUND = PlayStreamChunk(streamId="1", audioChunk=b"\0\0")
CLOSED = PlayStreamStop(streamId="1")
HANGUP = Activities(activities=(Activity(type="event", name="hangup"),))


def judged(*messages: BridgeMessage | Unknown, asks: Sequence[PlatformMessage] = ()) -> str | None:
    """What is wrong with the last of `messages`; those before it are right."""
    rules = Rules()
    for ask in (INITIATE, *asks):
        rules.say(ask)
    faults = [rules.hear(message) for message in messages]
    assert faults[:-1] == [None] * (len(messages) - 1)
    return faults[-1]


def test_a_whole_conversation_breaks_no_rule() -> None:
    rules = Rules()
    rules.say(INITIATE)
    assert rules.hear(ACCEPTED) is None
    rules.say(UserStreamStart())
    messages: list[BridgeMessage] = [
        UserStreamStarted(),
        OPENED,
        SOUND,
        UserStreamSpeechStarted(),
        CLOSED,
        UserStreamSpeechRecognition(alternatives=(Alternative(text="hello"),)),
        PlayStreamStart(streamId="2", mediaFormat="raw/lpcm16"),
    ]
    assert [rules.hear(message) for message in messages] == [None] * 7
    rules.change_socket()
    assert rules.hear(SessionAccepted()) is None
    rules.say(UserStreamStart())
    assert rules.hear(UserStreamStarted()) is None
    rules.say(UserStreamStop())
    assert [rules.hear(message) for message in (UserStreamStopped(), HANGUP)] == [None, None]


@pytest.mark.parametrize("message", [UserStreamStarted(), UserStreamSpeechStarted(), OPENED, HANGUP])
def test_nothing_comes_before_the_acceptance(message: BridgeMessage) -> None:
    assert judged(message, asks=[UserStreamStart()]) == f"{message.type}: comes before session.accepted"


@pytest.mark.parametrize("message", [ACCEPTED, UserStreamSpeechStarted(), OPENED, HANGUP, SessionError()])
def test_nothing_comes_after_the_goodbye(message: BridgeMessage) -> None:
    for goodbye in (HANGUP, SessionError(reason="full")):
        assert judged(ACCEPTED, goodbye, message) == f"{message.type}: comes after the goodbye"


def test_what_the_platform_asked_for_is_answered_after_the_goodbye_too() -> None:
    assert judged(ACCEPTED, HANGUP, UserStreamStarted(), asks=[UserStreamStart()]) is None


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([ACCEPTED, ACCEPTED], "session.accepted: comes a second time"),
        ([SessionAccepted(mediaFormat="raw/lpcm16_24")], "session.accepted: raw/lpcm16_24 was not offered"),
        ([SessionAccepted()], "session.accepted: no format was not offered"),
        ([ACCEPTED, UserStreamStarted()], "userStream.started: answers nothing: none is open"),
        ([ACCEPTED, UserStreamStopped()], "userStream.stopped: answers nothing: none is open"),
        ([ACCEPTED, SOUND], "playStream.chunk: stream 1 is not open"),
        ([ACCEPTED, CLOSED], "playStream.stop: stream 1 is not open"),
        ([ACCEPTED, OPENED, CLOSED, SOUND], "playStream.chunk: stream 1 is not open"),
        (
            [ACCEPTED, OPENED, PlayStreamStart(streamId="2", mediaFormat="raw/lpcm16")],
            "playStream.start: stream 1 is still open",
        ),
        ([ACCEPTED, OPENED, CLOSED, OPENED], "playStream.start: stream 1 was there before"),
        (
            [ACCEPTED, PlayStreamStart(streamId="1", mediaFormat="raw/mulaw")],
            "playStream.start: raw/mulaw is not raw/lpcm16",
        ),
        (
            [ACCEPTED, OPENED, PlayStreamChunk(streamId="1", audioChunk=b"\0\0\0")],
            "playStream.chunk: 3 bytes are not whole samples",
        ),
        ([ACCEPTED, OPENED, HANGUP], "activities: leaves stream 1 open"),
        (
            [ACCEPTED, UserStreamSpeechHypothesis(alternatives=())],
            "userStream.speech.hypothesis: has no alternatives",
        ),
        ([ACCEPTED, ConnectionValidated()], "connection.validated: nobody asked"),
        ([Unknown("session.resumed")], "session.resumed: the platform knows no such message"),
    ],
)
def test_each_rule_has_its_complaint(messages: list[BridgeMessage | Unknown], fault: str) -> None:
    assert judged(*messages) == fault


def test_a_validation_is_answered_once_and_at_any_time() -> None:
    assert judged(ConnectionValidated(), asks=[ConnectionValidate()]) is None
    twice = judged(ConnectionValidated(), ConnectionValidated(), asks=[ConnectionValidate()])
    assert twice == "connection.validated: nobody asked"


def test_another_socket_has_no_streams_and_wants_to_be_accepted_in_the_same_format() -> None:
    rules = Rules()
    rules.say(INITIATE)
    for message in (ACCEPTED, OPENED):
        rules.hear(message)
    rules.change_socket()
    assert rules.hear(SOUND) == "playStream.chunk: comes before session.accepted"
    other = "session.accepted: raw/mulaw is not raw/lpcm16, in which the call began"
    assert rules.hear(SessionAccepted(mediaFormat="raw/mulaw")) == other
    assert rules.hear(SOUND) == "playStream.chunk: stream 1 is not open"
    assert rules.hear(OPENED) == "playStream.start: stream 1 was there before"
