"""What a call asks of the model: the session's settings, and the greeting.

Every `session.update` names `session.type`, partial or not, and holds no key that the service may not know: it
refuses the whole update for one.
"""

from typing import Final, Literal, TypeAlias, assert_never

from msgspec import UNSET, UnsetType

from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.errors import LocalProtocolError
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
    TurnDetection,
)

AudioChoice: TypeAlias = Literal["pcm", "pcmu"]
"""`pcm`: 24 kHz linear. `pcmu`: mu-law at 8 kHz, passed through untouched on legs that speak it."""

SERVER_VAD: Final = TurnDetection(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    create_response=True,
    interrupt_response=True,
)
"""The service's own defaults, said aloud: what a call relies on is not left to a default that may change."""


def model_format(audio: AudioChoice, caller: MediaFormat) -> MediaFormat:
    """How the model's audio is written for a caller's leg: mu-law only where it passes through untouched.

    >>> model_format("pcmu", MULAW_8K) == MULAW_8K, model_format("pcmu", PCM16_24K) == PCM16_24K
    (True, True)
    """
    return MULAW_8K if audio == "pcmu" and caller == MULAW_8K else PCM16_24K


def wire_format(media: MediaFormat) -> AudioFormat:
    """`media` in the protocol's words. `audio/pcm` needs its rate, and the G.711 formats must not have one.

    Raises:
        LocalProtocolError: a format that the protocol does not have; only 24 kHz PCM16 and G.711 at 8 kHz are in it.
    """
    if media not in {MULAW_8K, ALAW_8K, PCM16_24K}:
        raise LocalProtocolError(f"the Realtime protocol does not carry {media.encoding.value} at {media.rate} Hz")
    match media.encoding:
        case Encoding.PCM16:
            return AudioFormat(type="audio/pcm", rate=media.rate)
        case Encoding.MULAW:
            return AudioFormat(type="audio/pcmu")
        case Encoding.ALAW:
            return AudioFormat(type="audio/pcma")
    assert_never(media.encoding)


def session_update(
    *,
    instructions: str,
    voice: str,
    audio: AudioChoice,
    caller: MediaFormat,
    transcription_model: str | None = None,
    turn_detection: TurnDetection | None = SERVER_VAD,
) -> SessionUpdate:
    """The settings of a whole call. Both directions use one format; `turn_detection` None means manual turns.

    Without a `transcription_model` the key is left out, and the service writes nothing down.
    """
    spoken = wire_format(model_format(audio, caller))
    transcription: Transcription | UnsetType = (
        UNSET if transcription_model is None else Transcription(model=transcription_model)
    )
    heard = AudioInput(format=spoken, transcription=transcription, turn_detection=turn_detection)
    said = AudioOutput(format=spoken, voice=voice)
    return SessionUpdate(
        session=Session(
            output_modalities=("audio",),
            instructions=instructions,
            audio=SessionAudio(input=heard, output=said),
        )
    )


def greeting_response(instructions: str, greeting: str) -> ResponseCreate:
    r"""The request that makes the model say `greeting` first.

    A response's instructions replace the session's, so the session's are repeated before the greeting.

    >>> greeting_response("You sell tea.", "Say hello.").response.instructions
    'You sell tea.\n\nThe caller has just been put through. Greet them now, with these words: Say hello.'
    """
    now = f"The caller has just been put through. Greet them now, with these words: {greeting}"
    return ResponseCreate(response=ResponseOptions(instructions=f"{instructions}\n\n{now}" if instructions else now))
