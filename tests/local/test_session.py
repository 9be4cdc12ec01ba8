"""The session answers as the service does, event by event, on a clock that the test turns."""

import attrs
import pytest

from opusagent.audio.convert import Converter
from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.errors import GOING_AWAY
from opusagent.local.session import Goodbye
from opusagent.local.voices import chime
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ClientEvent,
    ConversationItemCreate,
    ConversationItemInputAudioTranscriptionCompleted,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
    Item,
    OutputAudioBufferClear,
    ResponseCreate,
    Session,
    SessionAudio,
    SessionClose,
    SessionUpdate,
    Transcription,
    TranscriptionSessionUpdate,
    TranscriptionUsage,
    TurnDetection,
    UnknownEvent,
)
from property_tests.strategies_local import quiet, words
from tests.local.line import ANSWER_BEGINS, ANSWER_ENDS, Line, errors, kinds, sound


def test_a_turn_under_server_vad_goes_through_every_event_in_the_documented_order() -> None:
    line = Line()
    said = line.speak(quiet(500) + words(1000) + quiet(500)) + line.wait(5)
    assert kinds(said) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
        *ANSWER_BEGINS,
        "deltas",
        *ANSWER_ENDS,
    ]
    assert said[:3] == [
        InputAudioBufferSpeechStarted(event_id="event_t_0002", item_id="item_t_0001", audio_start_ms=200),
        InputAudioBufferSpeechStopped(event_id="event_t_0003", item_id="item_t_0001", audio_end_ms=2000),
        InputAudioBufferCommitted(event_id="event_t_0004", item_id="item_t_0001"),
    ]


@pytest.mark.parametrize(("name", "media"), [("audio/pcmu", MULAW_8K), ("audio/pcma", ALAW_8K)])
def test_g711_is_heard_and_spoken_as_well(name: str, media: MediaFormat) -> None:
    line = Line()
    line.configure(TurnDetection(type="server_vad"), name, name)
    said = line.speak(quiet(500, media) + words(1000, media) + quiet(500, media), media) + line.wait(5)
    stopped = [event.audio_end_ms for event in said if isinstance(event, InputAudioBufferSpeechStopped)]
    assert stopped == [2000]
    assert media.ms_of(len(sound(said))) == pytest.approx(1120, abs=30)
    resampled = Converter(PCM16_24K, media)
    line.tell(ResponseCreate())
    assert sound(line.wait(5)) == resampled.push(chime()) + resampled.flush()


def test_without_automatic_answers_a_turn_is_only_committed() -> None:
    line = Line()
    line.configure(TurnDetection(type="server_vad", create_response=False))
    said = line.speak(words(300) + quiet(500)) + line.wait(5)
    assert kinds(said)[-1] == "conversation.item.done"


def test_manual_turns_are_committed_and_answered_on_request() -> None:
    line = Line()
    line.configure(None)
    assert line.speak(words(300) + quiet(600)) == []
    assert kinds(line.tell(InputAudioBufferCommit())) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    line.tell(ResponseCreate())
    assert sound(line.wait(5)) == words(300) + quiet(60)


def test_a_commit_of_less_than_100_ms_and_what_was_cleared_cannot_be_committed() -> None:
    line = Line()
    line.configure(None)
    line.speak(words(80))
    assert errors(line.tell(InputAudioBufferCommit(event_id="c1"))) == [("input_audio_buffer_commit_empty", None, "c1")]
    line.speak(words(300))
    assert kinds(line.tell(InputAudioBufferClear())) == ["input_audio_buffer.cleared"]
    assert errors(line.tell(InputAudioBufferCommit())) == [("input_audio_buffer_commit_empty", None, None)]


def test_items_are_created_where_the_client_wants_them() -> None:
    line = Line()
    output = Item(type="function_call_output", call_id="call_1", output="{}")
    assert kinds(line.tell(ConversationItemCreate(item=output))) == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    refused = line.tell(ConversationItemCreate(event_id="i", item=output, previous_item_id="nobody"))
    assert errors(refused) == [("item_create_invalid_item_id", "previous_item_id", "i")]


def test_an_update_takes_effect_as_a_whole_or_not_at_all() -> None:
    line = Line()
    before = line.session.settings
    bad = Session(instructions="New.", audio=SessionAudio(output=AudioOutput(format=AudioFormat(type="mp3"))))
    assert errors(line.tell(SessionUpdate(event_id="u", session=bad))) == [
        ("invalid_value", "session.audio.output.format.type", "u")
    ]
    assert line.session.settings == before
    assert kinds(line.tell(SessionUpdate(session=Session(instructions="New.")))) == ["session.updated"]
    assert line.session.settings == attrs.evolve(before, instructions="New.")


def test_the_voice_is_fixed_by_the_first_audio() -> None:
    line = Line()
    ash = Session(audio=SessionAudio(output=AudioOutput(voice="ash")))
    coral = Session(audio=SessionAudio(output=AudioOutput(voice="coral")))
    assert kinds(line.tell(SessionUpdate(session=ash))) == ["session.updated"]
    line.tell(ResponseCreate())
    line.wait(5)
    assert errors(line.tell(SessionUpdate(session=coral))) == [
        ("cannot_update_voice", "session.audio.output.voice", None)
    ]


def test_a_silent_caller_is_prompted_when_the_last_answer_has_been_heard() -> None:
    line = Line()
    line.configure(TurnDetection(type="server_vad", idle_timeout_ms=6000))
    line.tell(ResponseCreate())
    line.speak(quiet(7500))
    heard_at = 0.2 + 0.6 / 5 + 0.6
    times = [at for at, event in line.said if isinstance(event, InputAudioBufferTimeoutTriggered)]
    assert times == pytest.approx([heard_at + 6.0])
    prompt = kinds(event for at, event in line.said if at >= times[0])
    assert prompt[:6] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]


def test_a_caller_who_speaks_is_not_prompted() -> None:
    line = Line()
    line.configure(TurnDetection(type="server_vad", idle_timeout_ms=1000, create_response=False))
    line.tell(ResponseCreate())
    said = line.speak(quiet(1500) + words(3000) + quiet(3000))
    assert "input_audio_buffer.timeout_triggered" not in kinds(said)


def test_transcription_comes_after_the_commit_if_it_is_on() -> None:
    line = Line()
    heard = AudioInput(transcription=Transcription(model="gpt-transcribe"))
    line.tell(SessionUpdate(session=Session(audio=SessionAudio(input=heard))))
    said = line.speak(words(1000) + quiet(500)) + line.wait(5)
    heard_words = [event for event in said if isinstance(event, ConversationItemInputAudioTranscriptionCompleted)]
    assert heard_words == [
        ConversationItemInputAudioTranscriptionCompleted(
            event_id=heard_words[0].event_id,
            item_id="item_t_0001",
            content_index=0,
            transcript="(speech, 1.5 s)",
            usage=TranscriptionUsage(type="duration", seconds=1.5),
        )
    ]


def test_after_an_hour_the_session_expires() -> None:
    line = Line()
    assert line.wait(3599) == []
    assert errors(line.wait(2)) == [("session_expired", None, None)]
    reason = "Your session hit the maximum duration of 60 minutes."
    assert line.session.goodbye == Goodbye(GOING_AWAY, reason)
    assert line.tell(ResponseCreate()) == []
    assert list(line.session.hear_text("{", line.now)) == []
    assert line.session.next_due() is None


def test_a_client_may_close_the_session() -> None:
    line = Line()
    assert line.tell(SessionClose()) == []
    assert line.session.goodbye == Goodbye(1000, "")


@pytest.mark.parametrize(
    "event", [UnknownEvent("response.hum"), OutputAudioBufferClear(), TranscriptionSessionUpdate(session={})]
)
def test_what_a_realtime_websocket_does_not_take_is_an_invalid_value(event: ClientEvent | UnknownEvent) -> None:
    assert errors(Line().tell(event)) == [("invalid_value", "type", None)]


def test_text_that_is_no_event_is_refused_and_the_session_goes_on() -> None:
    line = Line()
    refused = line.session.hear_text('{"type":"response.create","event_id":"a","response":{"voice":"ash"}}', line.now)
    assert [event.error for event in refused if isinstance(event, ErrorEvent)] == [
        ErrorDetail(
            type="invalid_request_error",
            code="unknown_parameter",
            message="Unknown parameter: 'response.voice'.",
            param="response.voice",
            event_id="a",
        )
    ]
    assert kinds(line.session.hear_text('{"type":"response.create"}', line.now))[0] == "response.created"


def test_half_a_sample_and_more_than_15_mib_are_refused() -> None:
    line = Line()
    assert errors(line.tell(InputAudioBufferAppend(audio=b"\0"))) == [("invalid_value", "audio", None)]
    huge = InputAudioBufferAppend(audio=bytes(15 * 1024 * 1024 + 2))
    assert errors(line.tell(huge)) == [("invalid_value", "audio", None)]
