"""Settings begin at the service's defaults, change as they are told, and refuse what the service refuses."""

import attrs
import pytest

from opusagent.audio.media import MULAW_8K, PCM16_24K
from opusagent.local.refusals import Refusal
from opusagent.local.settings import check_update, first_settings, input_of, media_of, merged, output_of, turn_rules
from opusagent.local.turns import TurnRules
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    NoiseReduction,
    Session,
    SessionAudio,
    Tool,
    Transcription,
    TurnDetection,
)
from opusagent.units import Ms

FIRST = first_settings("sess_1", "gpt-realtime-2.1", 1_800_000_000)


def hearing(heard: AudioInput) -> Session:
    return Session(audio=SessionAudio(input=heard))


def speaking(spoken: AudioOutput) -> Session:
    return Session(audio=SessionAudio(output=spoken))


def test_a_session_begins_with_server_vad_and_pcm_at_24_khz() -> None:
    detection = TurnDetection(
        type="server_vad",
        threshold=0.5,
        prefix_padding_ms=300,
        silence_duration_ms=500,
        create_response=True,
        interrupt_response=True,
    )
    pcm = AudioFormat(type="audio/pcm", rate=24000)
    expected = AudioInput(format=pcm, noise_reduction=None, transcription=None, turn_detection=detection)
    assert input_of(FIRST) == expected
    assert output_of(FIRST) == AudioOutput(format=pcm, voice="marin", speed=1.0)
    assert turn_rules(detection) == TurnRules()
    assert (FIRST.id, FIRST.model, FIRST.expires_at) == ("sess_1", "gpt-realtime-2.1", 1_800_000_000)


def test_what_an_update_leaves_out_stays() -> None:
    assert merged(FIRST, Session()) == FIRST
    told = merged(FIRST, Session(instructions="Be brief.", tools=(Tool(name="look"),)))
    again = merged(told, hearing(AudioInput(format=AudioFormat(type="audio/pcmu"))))
    assert (again.instructions, again.tools) == ("Be brief.", (Tool(name="look"),))
    assert media_of(input_of(again).format) == MULAW_8K
    assert media_of(output_of(again).format) == PCM16_24K
    assert input_of(again).turn_detection == input_of(FIRST).turn_detection


def test_null_and_empty_clear() -> None:
    full = merged(
        FIRST,
        Session(
            instructions="x",
            tools=(Tool(name="look"),),
            audio=SessionAudio(
                input=AudioInput(
                    noise_reduction=NoiseReduction(type="near_field"),
                    transcription=Transcription(model="gpt-transcribe"),
                )
            ),
        ),
    )
    nothing = AudioInput(noise_reduction=None, transcription=None, turn_detection=None)
    cleared = merged(full, Session(instructions="", tools=(), audio=SessionAudio(input=nothing)))
    assert (cleared.instructions, cleared.tools) == ("", ())
    assert input_of(cleared) == attrs.evolve(nothing, format=AudioFormat(type="audio/pcm", rate=24000))
    assert turn_rules(input_of(cleared).turn_detection) is None


def test_turn_detection_is_merged_into_one_of_its_own_kind_and_replaces_another() -> None:
    patient = merged(
        FIRST, hearing(AudioInput(turn_detection=TurnDetection(type="server_vad", silence_duration_ms=900)))
    )
    later = merged(patient, hearing(AudioInput(turn_detection=TurnDetection(type="server_vad", idle_timeout_ms=6000))))
    assert turn_rules(input_of(later).turn_detection) == TurnRules(silence=Ms(900), idle_timeout=Ms(6000))
    semantic = merged(later, hearing(AudioInput(turn_detection=TurnDetection(type="semantic_vad"))))
    assert input_of(semantic).turn_detection == TurnDetection(
        type="semantic_vad", eagerness="auto", create_response=True, interrupt_response=True
    )
    assert turn_rules(input_of(semantic).turn_detection) == TurnRules()


@pytest.mark.parametrize(
    ("update", "code", "param"),
    [
        (Session(type="transcription"), "invalid_value", "session.type"),
        (Session(model="other"), "invalid_value", "session.model"),
        (Session(output_modalities=("audio", "text")), "invalid_value", "session.output_modalities"),
        (Session(output_modalities=()), "invalid_value", "session.output_modalities"),
        (Session(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens"),
        (Session(max_output_tokens="all"), "invalid_value", "session.max_output_tokens"),
        (
            hearing(AudioInput(format=AudioFormat(type="audio/pcm", rate=16000))),
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            speaking(AudioOutput(format=AudioFormat(type="audio/pcm", rate=48000))),
            "integer_above_max_value",
            "session.audio.output.format.rate",
        ),
        (
            speaking(AudioOutput(format=AudioFormat(type="audio/pcmu", rate=8000))),
            "unknown_parameter",
            "session.audio.output.format.rate",
        ),
        (
            hearing(AudioInput(format=AudioFormat(type="g711_ulaw"))),
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            hearing(AudioInput(turn_detection=TurnDetection(type="vad"))),
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            hearing(AudioInput(turn_detection=TurnDetection(type="server_vad", threshold=1.5))),
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            hearing(AudioInput(turn_detection=TurnDetection(type="server_vad", silence_duration_ms=-1))),
            "integer_below_min_value",
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (
            hearing(AudioInput(turn_detection=TurnDetection(type="semantic_vad", eagerness="very"))),
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
        ),
        (speaking(AudioOutput(speed=2.0)), "invalid_value", "session.audio.output.speed"),
        (speaking(AudioOutput(voice="ash")), "cannot_update_voice", "session.audio.output.voice"),
    ],
)
def test_what_the_service_refuses_is_refused_with_its_code_and_place(update: Session, code: str, param: str) -> None:
    with pytest.raises(Refusal) as refusal:
        check_update(FIRST, update, voice_used=True)
    assert (refusal.value.code, refusal.value.param) == (code, param)


def test_the_voice_may_change_before_the_first_audio_and_may_be_repeated_after_it() -> None:
    check_update(FIRST, speaking(AudioOutput(voice="ash")), voice_used=False)
    check_update(FIRST, speaking(AudioOutput(voice="marin")), voice_used=True)
    check_update(FIRST, Session(model="gpt-realtime-2.1", output_modalities=("text",)), voice_used=True)
