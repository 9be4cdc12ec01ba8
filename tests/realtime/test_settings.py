"""The settings of a call, from plain arguments to the event."""

import pytest

from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.errors import LocalProtocolError
from opusagent.realtime.codec import render
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ResponseCreate,
    ResponseOptions,
    Session,
    SessionAudio,
    SessionUpdate,
    Transcription,
)
from opusagent.realtime.settings import (
    SERVER_VAD,
    AudioChoice,
    greeting_response,
    model_format,
    session_update,
    wire_format,
)
from opusagent.units import HZ_8K, HZ_16K

PCM16_16K = MediaFormat(Encoding.PCM16, HZ_16K)
PCM = AudioFormat(type="audio/pcm", rate=24000)
MULAW = AudioFormat(type="audio/pcmu")


@pytest.mark.parametrize(
    ("media", "written"), [(PCM16_24K, PCM), (MULAW_8K, MULAW), (ALAW_8K, AudioFormat(type="audio/pcma"))]
)
def test_formats_have_a_rate_only_where_the_protocol_wants_one(media: MediaFormat, written: AudioFormat) -> None:
    """`audio/pcm` is always 24000; a rate beside a G.711 format is refused as unknown."""
    assert wire_format(media) == written


@pytest.mark.parametrize("media", [PCM16_16K, MediaFormat(Encoding.PCM16, HZ_8K), MediaFormat(Encoding.MULAW, HZ_16K)])
def test_formats_that_the_protocol_lacks_are_our_fault(media: MediaFormat) -> None:
    """16 kHz must be resampled before it gets here."""
    with pytest.raises(LocalProtocolError, match="does not carry"):
        wire_format(media)


@pytest.mark.parametrize(
    ("audio", "caller", "model"),
    [
        ("pcm", MULAW_8K, PCM16_24K),
        ("pcmu", MULAW_8K, MULAW_8K),
        ("pcm", PCM16_16K, PCM16_24K),
        ("pcmu", PCM16_16K, PCM16_24K),
        ("pcmu", ALAW_8K, PCM16_24K),
    ],
)
def test_mulaw_is_used_only_where_it_passes_through(
    audio: AudioChoice, caller: MediaFormat, model: MediaFormat
) -> None:
    """A leg that does not speak mu-law gains nothing by it and would lose its bandwidth."""
    assert model_format(audio, caller) == model


@pytest.mark.parametrize(("audio", "written"), [("pcm", PCM), ("pcmu", MULAW)])
def test_the_update_of_a_telephone_call(audio: AudioChoice, written: AudioFormat) -> None:
    """Both directions in one format, voice and instructions as given, the turn detection said aloud."""
    assert session_update(instructions="Sell tea.", voice="marin", audio=audio, caller=MULAW_8K) == SessionUpdate(
        session=Session(
            type="realtime",
            output_modalities=("audio",),
            instructions="Sell tea.",
            audio=SessionAudio(
                input=AudioInput(format=written, turn_detection=SERVER_VAD),
                output=AudioOutput(format=written, voice="marin"),
            ),
        )
    )


def test_transcription_and_manual_turns() -> None:
    """A transcription model is named if there is one; None for the turns is written as null."""
    update = session_update(
        instructions="", voice="cedar", audio="pcmu", caller=MULAW_8K, transcription_model="t", turn_detection=None
    )
    assert update.session.audio == SessionAudio(
        input=AudioInput(format=MULAW, transcription=Transcription(model="t"), turn_detection=None),
        output=AudioOutput(format=MULAW, voice="cedar"),
    )


def test_the_update_to_the_letter() -> None:
    """The text that the service gets, with every key and no other."""
    assert render(session_update(instructions="Sell tea.", voice="marin", audio="pcmu", caller=MULAW_8K)) == (
        '{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],'
        '"instructions":"Sell tea.",'
        '"audio":{"input":{"format":{"type":"audio/pcmu"},"turn_detection":{"type":"server_vad","threshold":0.5,'
        '"prefix_padding_ms":300,"silence_duration_ms":500,"create_response":true,"interrupt_response":true}},'
        '"output":{"format":{"type":"audio/pcmu"},"voice":"marin"}}}}'
    )


def test_the_greeting_repeats_the_instructions() -> None:
    """A response's instructions replace the session's; without any, the greeting stands alone."""
    now = "The caller has just been put through. Greet them now, with these words: Hello!"
    assert [greeting_response("Sell tea.", "Hello!"), greeting_response("", "Hello!")] == [
        ResponseCreate(response=ResponseOptions(instructions=f"Sell tea.\n\n{now}")),
        ResponseCreate(response=ResponseOptions(instructions=now)),
    ]
