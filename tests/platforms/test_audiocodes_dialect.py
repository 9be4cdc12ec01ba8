"""AudioCodes' dialect: what each message means, what is answered, and what is refused in words an operator can read."""

import json

import attrs
import pytest

from opusagent.audio.media import PCM16_24K, Encoding
from opusagent.audio.wav import header
from opusagent.errors import RemoteProtocolError
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
    parse_bridge_message,
    render,
)
from opusagent.platforms.audiocodes_dialect import LEAD, MEDIA, AudioCodesDialect
from opusagent.platforms.dialect import (
    CallerAudio,
    CallerEvent,
    CallerLeft,
    CallerNamed,
    CallerSoundBegan,
    CallerSoundPaused,
    CallResumed,
    CallStarted,
    Chatter,
    KeysPressed,
    Notice,
    SpeechSign,
    Unknown,
    WordsRecognised,
)
from opusagent.testing.audiocodes_rules import FORMATS

ID = "7d1f3c52-90ab-4a6e-8b1a-0c2d4e6f8a10"
INITIATE = SessionInitiate(
    conversationId=ID, botName="my-bot", caller="+15550123", supportedMediaFormats=("raw/mulaw", "raw/lpcm16_24")
)
START, STOP = UserStreamStart(conversationId=ID), UserStreamStop(conversationId=ID)


def parse(dialect: AudioCodesDialect, message: PlatformMessage) -> CallerEvent:
    return dialect.parse(render(message))


def said(texts: list[str]) -> list[BridgeMessage | Unknown]:
    return [parse_bridge_message(text) for text in texts]


def chunk(audio: bytes) -> UserStreamChunk:
    return UserStreamChunk(conversationId=ID, audioChunk=audio)


def offered(*formats: str) -> AudioCodesDialect:
    dialect = AudioCodesDialect()
    parse(dialect, attrs.evolve(INITIATE, supportedMediaFormats=formats) if formats else INITIATE)
    return dialect


def accepted(*formats: str) -> AudioCodesDialect:
    dialect = offered(*formats)
    dialect.accept()
    return dialect


def listening(*formats: str) -> AudioCodesDialect:
    dialect = accepted(*formats)
    parse(dialect, START)
    dialect.replies()
    return dialect


def refusal(dialect: AudioCodesDialect, message: PlatformMessage) -> tuple[int, str]:
    with pytest.raises(RemoteProtocolError) as refused:
        parse(dialect, message)
    return refused.value.close_code, str(refused.value)


# -- the beginning -----------------------------------------------------------------------------------------------


def test_the_formats_that_are_taken_are_those_that_the_vendor_names() -> None:
    assert dict(MEDIA) == FORMATS


def test_an_initiate_is_a_call_in_the_format_that_we_like_best() -> None:
    assert parse(AudioCodesDialect(), INITIATE) == CallStarted(
        platform_call_id=ID,
        stream_id=ID,
        media=PCM16_24K,
        account="my-bot",
        caller="+15550123",
        returns_marks=False,
        lead=LEAD,
        is_listening=False,
    )


def test_our_order_is_the_operators() -> None:
    dialect = AudioCodesDialect(formats=("raw/mulaw", "raw/lpcm16_24"))
    parse(dialect, INITIATE)
    assert said(dialect.accept()) == [SessionAccepted(mediaFormat="raw/mulaw")]


@pytest.mark.parametrize(
    ("formats", "listed"), [((), "none"), (("raw/opus", "raw/\x1b[2J\u263a"), r"raw/opus, raw/\x1b[2J\u263a")]
)
def test_no_format_in_common_is_refused_with_both_lists(formats: tuple[str, ...], listed: str) -> None:
    code, text = refusal(AudioCodesDialect(), attrs.evolve(INITIATE, supportedMediaFormats=formats))
    assert code == 1003
    assert text == f"supportedMediaFormats: {listed} offered, none of them is taken here: {', '.join(MEDIA)}"


def test_a_platform_that_wants_text_is_told_what_to_switch_on() -> None:
    code, text = refusal(AudioCodesDialect(), attrs.evolve(INITIATE, expectAudioMessages=False))
    assert (code, "directTTS" in text) == (1003, True)


def test_a_refused_call_is_told_why_in_the_platforms_words() -> None:
    """Once; the platform disconnects and says no more."""
    dialect = offered()
    assert said(dialect.hang_up("model could not be reached")) == [SessionError(reason="model could not be reached")]
    assert dialect.hang_up("again") == []


def test_a_second_initiate_is_refused() -> None:
    code, text = refusal(accepted(), INITIATE)
    assert (code, text) == (1008, "session.initiate: the session has already begun")


@pytest.mark.parametrize(
    "message", [START, STOP, chunk(b"\0\0"), Activities(conversationId=ID, activities=()), SessionEnd()]
)
def test_nothing_comes_before_the_beginning(message: PlatformMessage) -> None:
    code, text = refusal(AudioCodesDialect(), message)
    assert (code, text) == (1008, f"{message.type}: came before session.initiate")


@pytest.mark.parametrize("message", [START, STOP, chunk(b"\0\0"), Activities(activities=()), SessionEnd()])
def test_a_message_of_another_conversation_is_refused(
    message: UserStreamStart | UserStreamStop | UserStreamChunk | Activities | SessionEnd,
) -> None:
    """The name is shown so that an operator can look for it, and is safe to show."""
    code, text = refusal(listening(), attrs.evolve(message, conversationId="other\n"))
    assert (code, text) == (1008, rf"conversationId: {message.type} names 'other\n', not this conversation")


def test_a_message_without_a_conversation_is_of_this_one() -> None:
    assert parse(listening(), UserStreamChunk(audioChunk=b"\1\0")) == CallerAudio(b"\1\0")


def test_an_administrators_validation_is_answered_with_or_without_a_call() -> None:
    for dialect in (AudioCodesDialect(), listening()):
        assert parse(dialect, ConnectionValidate()) == Chatter("connection.validate")
        assert said(dialect.replies()) == [ConnectionValidated(success=True)]
        assert dialect.replies() == []


# -- the caller's sound --------------------------------------------------------------------------------------------


def test_each_user_stream_is_answered_once() -> None:
    dialect = accepted()
    assert parse(dialect, START) == CallerSoundBegan()
    assert said(dialect.replies()) == [UserStreamStarted()]
    assert parse(dialect, STOP) == CallerSoundPaused()
    assert said(dialect.replies()) == [UserStreamStopped()]
    assert dialect.replies() == []


def test_a_user_stream_that_comes_before_the_acceptance_is_answered_behind_it() -> None:
    """So that no sound comes before the model is there."""
    dialect = offered()
    parse(dialect, START)
    assert dialect.replies() == []
    assert said(dialect.accept()) == [SessionAccepted(mediaFormat="raw/lpcm16_24"), UserStreamStarted()]


def test_a_participant_is_named_in_every_answer() -> None:
    dialect = accepted()
    parse(dialect, attrs.evolve(START, participant="caller"))
    assert said(dialect.replies()) == [UserStreamStarted(participant="caller")]
    assert said(dialect.notify(SpeechSign.STARTED)) == [
        UserStreamSpeechStarted(participant="caller", participantId="caller")
    ]
    assert said(dialect.notify(WordsRecognised("hello", final=False))) == [
        UserStreamSpeechHypothesis(participant="caller", alternatives=(Alternative(text="hello"),))
    ]
    parse(dialect, attrs.evolve(STOP, participant="callee"))
    assert said(dialect.replies()) == [UserStreamStopped(participant="callee")]


def test_sound_outside_a_user_stream_is_counted_and_passed_over() -> None:
    stray = Unknown("userStream.chunk outside a user stream")
    dialect = accepted()
    assert parse(dialect, chunk(b"\1\0")) == stray
    parse(dialect, START)
    assert parse(dialect, chunk(b"\1\0")) == CallerAudio(b"\1\0")
    parse(dialect, STOP)
    assert parse(dialect, chunk(b"\1\0")) == stray


def test_sound_before_the_acceptance_is_passed_over_though_a_user_stream_was_asked_for() -> None:
    dialect = offered()
    parse(dialect, START)
    assert parse(dialect, chunk(b"\1\0")) == Unknown("userStream.chunk outside a user stream")


@pytest.mark.parametrize("audio", [b"", b"\1", b"\1\2\3", bytes(4001)])
def test_sound_is_passed_on_as_it_comes(audio: bytes) -> None:
    """Any length, half samples too."""
    assert parse(listening(), chunk(audio)) == CallerAudio(audio)


def test_what_is_not_base64_is_refused_without_being_shown() -> None:
    text = json.dumps({"type": "userStream.chunk", "conversationId": ID, "audioChunk": "secret*"})
    with pytest.raises(RemoteProtocolError) as refused:
        listening().parse(text)
    assert refused.value.close_code == 1007
    assert "secret" not in str(refused.value)


# -- what else the platform says -----------------------------------------------------------------------------------


def test_the_start_activity_says_who_calls_whom_and_what_else_is_known() -> None:
    given = {"caller": "+1", "callee": "+2", "locale": "en-US", "attempts": 2, "participants": [{"participant": "a"}]}
    start = Activities(conversationId=ID, activities=(Activity(type="Event", name="START", parameters=given),))
    assert parse(listening(), start) == CallerNamed("+1", "+2", {"locale": "en-US", "attempts": "2"})


@pytest.mark.parametrize(
    ("value", "event"),
    [
        ("1", KeysPressed("1")),
        ("12#", KeysPressed("12#")),
        (5, KeysPressed("5")),
        ("*a", KeysPressed("*A")),
        ("", Unknown("activity dtmf")),
        (None, Unknown("activity dtmf")),
        ("1;2", Unknown("activity dtmf")),
        (["1"], Unknown("activity dtmf")),
    ],
)
def test_keys_are_what_a_telephone_has(value: object, event: CallerEvent) -> None:
    for name in ("DTMF", "dtmf"):
        keys = Activity(type="event", name=name, value=value)
        assert parse(listening(), Activities(conversationId=ID, activities=(keys,))) == event


def test_several_keys_of_one_message_are_one_sequence() -> None:
    keys = tuple(Activity(type="event", name="DTMF", value=digit) for digit in "12#")
    assert parse(listening(), Activities(conversationId=ID, activities=keys)) == KeysPressed("12#")


@pytest.mark.parametrize("name", ["noUserInput", "playFinished", "hangup", None])
def test_other_activities_ask_for_nothing(name: str | None) -> None:
    activity = Activity(type="event" if name else "message", name=name, text="hello")
    assert parse(listening(), Activities(conversationId=ID, activities=(activity,))) == Chatter("activities")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (SessionEnd(conversationId=ID), "session.end"),
        (SessionEnd(conversationId=ID, reasonCode="client-disconnected"), "client-disconnected"),
        (SessionEnd(conversationId=ID, reason="bye"), "bye"),
        (SessionEnd(conversationId=ID, reasonCode="error", reason="no route"), "error: no route"),
    ],
)
def test_the_end_has_the_platforms_reason(end: SessionEnd, reason: str) -> None:
    """After it nothing is said any more."""
    dialect = listening()
    assert parse(dialect, end) == CallerLeft(reason)
    assert (dialect.hang_up("done"), dialect.notify(SpeechSign.STARTED)) == ([], [])


def test_a_caller_who_left_before_the_call_was_taken_is_not_taken() -> None:
    """The model gets ready all the same; nothing is said to a platform that has said the end."""
    dialect = offered()
    parse(dialect, SessionEnd(conversationId=ID))
    assert (dialect.accept(), dialect.hang_up("done")) == ([], [])


def test_messages_of_other_kinds_are_unknown() -> None:
    text = json.dumps({"type": "playStream.mark.reached", "conversationId": ID})
    assert listening().parse(text) == Unknown("playStream.mark.reached")


# -- what we say ---------------------------------------------------------------------------------------------------


def test_an_answer_is_one_stream_opened_for_its_first_chunk_and_closed_behind_its_last() -> None:
    dialect = listening()
    start = PlayStreamStart(streamId="1", mediaFormat="raw/lpcm16_24")
    assert said(dialect.play([b"ab", b"cd"], None, last=False)) == [
        start,
        PlayStreamChunk(streamId="1", audioChunk=b"abcd"),
    ]
    assert said(dialect.play([b"ef"], "mark", last=True)) == [
        PlayStreamChunk(streamId="1", audioChunk=b"ef"),
        PlayStreamStop(streamId="1"),
    ]
    assert said(dialect.play([b"gh"], None, last=True)) == [
        attrs.evolve(start, streamId="2"),
        PlayStreamChunk(streamId="2", audioChunk=b"gh"),
        PlayStreamStop(streamId="2"),
    ]


def test_an_end_that_is_known_late_closes_the_stream_and_opens_none() -> None:
    dialect = listening()
    assert dialect.play([], None, last=True) == []
    dialect.play([b"ab"], None, last=False)
    assert said(dialect.play([], None, last=True)) == [PlayStreamStop(streamId="1")]


def test_an_interruption_closes_the_stream() -> None:
    dialect = listening()
    assert dialect.clear() == []
    dialect.play([b"ab"], None, last=False)
    assert said(dialect.clear()) == [PlayStreamStop(streamId="1")]
    assert dialect.clear() == []


def test_a_stream_with_headers_begins_with_one() -> None:
    """Its length is not known: as long as can be said."""
    dialect = listening("wav/lpcm16_8")
    messages = said(dialect.play([b"ab"], None, last=True))
    assert [type(each) for each in messages] == [PlayStreamStart, PlayStreamChunk, PlayStreamChunk, PlayStreamStop]
    assert messages[1] == PlayStreamChunk(
        streamId="1", audioChunk=header(1, MEDIA["wav/lpcm16_8"].rate, 2**32, Encoding.PCM16)
    )


def test_nothing_is_played_before_the_acceptance_or_behind_the_goodbye() -> None:
    dialect = offered()
    assert dialect.play([b"ab"], None, last=False) == []
    dialect.accept()
    dialect.hang_up("done")
    assert dialect.play([b"ab"], None, last=False) == []


@pytest.mark.parametrize(
    ("notice", "message"),
    [
        (SpeechSign.STARTED, UserStreamSpeechStarted()),
        (SpeechSign.STOPPED, UserStreamSpeechStopped()),
        (SpeechSign.COMMITTED, UserStreamSpeechCommitted()),
        (
            WordsRecognised("hello", final=False),
            UserStreamSpeechHypothesis(alternatives=(Alternative(text="hello"),)),
        ),
        (
            WordsRecognised("Hello.", final=True),
            UserStreamSpeechRecognition(alternatives=(Alternative(text="Hello.", confidence=1.0),)),
        ),
    ],
)
def test_the_platform_is_told_of_speech_and_words_once_the_call_is_taken(
    notice: Notice, message: BridgeMessage
) -> None:
    dialect = offered()
    assert dialect.notify(notice) == []
    dialect.accept()
    assert said(dialect.notify(notice)) == [message]


def test_a_goodbye_closes_the_stream_first_and_is_said_once() -> None:
    """What the platform asks meanwhile is still answered, until it says the end."""
    dialect = listening()
    dialect.play([b"ab"], None, last=False)
    hangup = Activity(type="event", name="hangup", activityParams={"hangupReason": "done"})
    assert said(dialect.hang_up("done")) == [PlayStreamStop(streamId="1"), Activities(activities=(hangup,))]
    assert dialect.hang_up("done") == []
    assert dialect.notify(SpeechSign.STOPPED) == []
    parse(dialect, STOP)
    assert said(dialect.replies()) == [UserStreamStopped()]
    assert parse(dialect, SessionEnd(conversationId=ID, reasonCode="bot-disconnected")) == CallerLeft(
        "bot-disconnected"
    )


# -- another socket ------------------------------------------------------------------------------------------------


def test_a_resume_names_its_conversation() -> None:
    assert parse(AudioCodesDialect(), SessionResume(conversationId=ID)) == CallResumed(ID)


def test_other_formats_in_a_resume_change_nothing() -> None:
    """The conversation has its format, and goes on in it; a platform that cannot take it any more ends the session."""
    resumed = AudioCodesDialect().parse(render(SessionResume(conversationId=ID, supportedMediaFormats=("raw/other",))))
    assert resumed == CallResumed(ID)


def test_a_resume_on_a_socket_that_has_a_call_is_refused() -> None:
    code, text = refusal(accepted(), SessionResume(conversationId=ID))
    assert (code, text) == (1008, "session.resume: the session has already begun")


def test_a_resumed_call_is_taken_in_the_same_format_and_has_no_stream_open() -> None:
    dialect = listening("raw/mulaw")
    dialect.play([b"ab"], None, last=False)
    assert said(dialect.resume()) == [SessionAccepted(mediaFormat="raw/mulaw")]
    assert dialect.clear() == []
    assert said(dialect.play([b"cd"], None, last=False))[0] == PlayStreamStart(streamId="2", mediaFormat="raw/mulaw")


def test_sound_may_come_at_once_on_another_socket() -> None:
    dialect = accepted()
    dialect.resume()
    assert parse(dialect, chunk(b"\1\0")) == CallerAudio(b"\1\0")


def test_a_call_that_is_not_taken_yet_is_taken_on_the_socket_that_is_there_then() -> None:
    """What was asked for on the old socket is asked for again, and answered once."""
    dialect = offered()
    parse(dialect, START)
    assert dialect.resume() == []
    assert said(dialect.accept()) == [SessionAccepted(mediaFormat="raw/lpcm16_24")]


def test_what_was_not_answered_on_the_old_socket_is_not_answered_on_the_new_one() -> None:
    dialect = accepted()
    parse(dialect, START)
    dialect.resume()
    assert dialect.replies() == []
