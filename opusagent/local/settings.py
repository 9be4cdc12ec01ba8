"""A session's settings: what they are at first, how an update changes them, and which updates are refused.

Present fields are merged, absent ones keep their value, null clears what may be cleared. A refused update changes
nothing at all (seen of the real service).
"""

from typing import Final, TypeVar

import attrs
from msgspec import UNSET, UnsetType

from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.local.refusals import Refusal
from opusagent.local.turns import DEFAULT_PREFIX, TurnRules
from opusagent.local.vad import DEFAULT_SILENCE, DEFAULT_THRESHOLD
from opusagent.realtime.events import AudioFormat, AudioInput, AudioOutput, Session, SessionAudio, TurnDetection
from opusagent.units import Ms

MEDIA: Final = {"audio/pcm": PCM16_24K, "audio/pcmu": MULAW_8K, "audio/pcma": ALAW_8K}
PCM_RATE: Final = 24_000
DEFAULT_VOICE: Final = "marin"
DEFAULT_INSTRUCTIONS: Final = "You are a helpful assistant on the telephone."
MODALITIES: Final = (("audio",), ("text",))
EAGERNESS: Final = ("low", "medium", "high", "auto")

V = TypeVar("V")


def first_settings(session_id: str, model: str, expires_at: int) -> Session:
    """The settings of a session that was just opened; `expires_at` in epoch seconds."""
    pcm = AudioFormat(type="audio/pcm", rate=PCM_RATE)
    detection = completed_detection(TurnDetection(type="server_vad"))
    return Session(
        id=session_id,
        object="realtime.session",
        expires_at=expires_at,
        model=model,
        output_modalities=("audio",),
        instructions=DEFAULT_INSTRUCTIONS,
        audio=SessionAudio(
            input=AudioInput(format=pcm, noise_reduction=None, transcription=None, turn_detection=detection),
            output=AudioOutput(format=pcm, voice=DEFAULT_VOICE, speed=1.0),
        ),
        tools=(),
        tool_choice="auto",
        max_output_tokens="inf",
        truncation="auto",
        tracing=None,
        prompt=None,
    )


def completed_detection(wanted: TurnDetection) -> TurnDetection:
    """`wanted` with the service's defaults where it says nothing."""
    switches = attrs.evolve(
        wanted,
        create_response=wanted.create_response is not False,
        interrupt_response=wanted.interrupt_response is not False,
    )
    if wanted.type == "semantic_vad":
        return attrs.evolve(switches, eagerness=wanted.eagerness or "auto")
    return attrs.evolve(
        switches,
        threshold=_newer(wanted.threshold, DEFAULT_THRESHOLD),
        prefix_padding_ms=_newer(wanted.prefix_padding_ms, DEFAULT_PREFIX),
        silence_duration_ms=_newer(wanted.silence_duration_ms, DEFAULT_SILENCE),
    )


def merged(current: Session, update: Session) -> Session:
    """`current` as `update` changes it. Check the update first: nothing here refuses."""
    return attrs.evolve(
        current,
        output_modalities=_newer(update.output_modalities, current.output_modalities),
        instructions=_newer(update.instructions, current.instructions),
        audio=_merged_audio(current.audio or SessionAudio(), update.audio or SessionAudio()),
        tools=_newer(update.tools, current.tools),
        tool_choice=_newer(update.tool_choice, current.tool_choice),
        parallel_tool_calls=_newer(update.parallel_tool_calls, current.parallel_tool_calls),
        reasoning=_newer(update.reasoning, current.reasoning),
        max_output_tokens=_newer(update.max_output_tokens, current.max_output_tokens),
        truncation=_newer(update.truncation, current.truncation),
        tracing=_said(update.tracing, current.tracing),
        prompt=_said(update.prompt, current.prompt),
        include=_newer(update.include, current.include),
    )


def check_update(current: Session, update: Session, *, voice_used: bool) -> None:
    """Whether `update` may be merged. `voice_used`: audio was already sent, which fixes the voice. Raises `Refusal`."""
    if update.type != "realtime":
        raise Refusal("invalid_value", "A realtime session cannot change its type.", param="session.type")
    if update.model is not None and update.model != current.model:
        raise Refusal("invalid_value", "The model is fixed when the session is opened.", param="session.model")
    check_modalities(update.output_modalities, "session.output_modalities")
    check_token_limit(update.max_output_tokens, "session.max_output_tokens")
    audio = update.audio or SessionAudio()
    if audio.input is not None:
        check_format(audio.input.format, "session.audio.input.format")
        if isinstance(audio.input.turn_detection, TurnDetection):
            _check_detection(audio.input.turn_detection)
    if audio.output is not None:
        check_format(audio.output.format, "session.audio.output.format")
        _check_voice(audio.output, output_of(current), voice_used=voice_used)


def check_format(wanted: AudioFormat | None, path: str) -> None:
    """Whether the service speaks `wanted`: PCM at 24 kHz, or G.711 without a rate. Raises `Refusal`."""
    if wanted is None:
        return
    if wanted.type not in MEDIA:
        raise Refusal("invalid_value", f"Supported formats are {', '.join(MEDIA)}.", param=f"{path}.type")
    if wanted.rate is None:
        return
    if wanted.type != "audio/pcm":
        raise Refusal("unknown_parameter", f"Unknown parameter: '{path}.rate'.", param=f"{path}.rate")
    if wanted.rate < PCM_RATE:
        message = f"Expected a value >= {PCM_RATE}, but got {wanted.rate} instead."
        raise Refusal("integer_below_min_value", message, param=f"{path}.rate")
    if wanted.rate > PCM_RATE:
        message = f"Expected a value <= {PCM_RATE}, but got {wanted.rate} instead."
        raise Refusal("integer_above_max_value", message, param=f"{path}.rate")


def check_modalities(wanted: tuple[str, ...] | None, path: str) -> None:
    """Either audio or text, never both, never neither. Raises `Refusal`."""
    if wanted is not None and wanted not in MODALITIES:
        raise Refusal("invalid_value", "Supported combinations are ['audio'] and ['text'].", param=path)


def check_token_limit(wanted: int | str | None, path: str) -> None:
    """A positive number of tokens, or "inf". Raises `Refusal`."""
    if isinstance(wanted, str) and wanted != "inf":
        raise Refusal("invalid_value", "Expected an integer or 'inf'.", param=path)
    if isinstance(wanted, int) and wanted < 1:
        raise Refusal("integer_below_min_value", f"Expected a value >= 1, but got {wanted} instead.", param=path)


def media_of(wanted: AudioFormat | None) -> MediaFormat:
    """The bytes that a checked format stands for."""
    return PCM16_24K if wanted is None else MEDIA[wanted.type]


def input_of(session: Session) -> AudioInput:
    """The caller's half of the audio settings."""
    return (session.audio and session.audio.input) or AudioInput()


def output_of(session: Session) -> AudioOutput:
    """The model's half of the audio settings."""
    return (session.audio and session.audio.output) or AudioOutput()


def turn_rules(detection: TurnDetection | UnsetType | None) -> TurnRules | None:
    """What the ear is told. Semantic VAD is heard as server VAD with its defaults: this ear knows no meaning."""
    if not isinstance(detection, TurnDetection):
        return None
    idle = detection.idle_timeout_ms
    return TurnRules(
        threshold=_newer(detection.threshold, DEFAULT_THRESHOLD),
        prefix=Ms(_newer(detection.prefix_padding_ms, DEFAULT_PREFIX)),
        silence=Ms(_newer(detection.silence_duration_ms, DEFAULT_SILENCE)),
        create_response=detection.create_response is not False,
        interrupt_response=detection.interrupt_response is not False,
        idle_timeout=None if idle is None else Ms(idle),
    )


def _check_detection(wanted: TurnDetection) -> None:
    path = "session.audio.input.turn_detection"
    if wanted.type not in {"server_vad", "semantic_vad"}:
        raise Refusal("invalid_value", "Supported values are 'server_vad' and 'semantic_vad'.", param=f"{path}.type")
    if wanted.eagerness is not None and wanted.eagerness not in EAGERNESS:
        raise Refusal("invalid_value", f"Supported values are {', '.join(EAGERNESS)}.", param=f"{path}.eagerness")
    if wanted.threshold is not None and not 0.0 <= wanted.threshold <= 1.0:
        raise Refusal("invalid_value", "The threshold is between 0.0 and 1.0.", param=f"{path}.threshold")
    spans = {
        "prefix_padding_ms": (wanted.prefix_padding_ms, 0),
        "silence_duration_ms": (wanted.silence_duration_ms, 0),
        "idle_timeout_ms": (wanted.idle_timeout_ms, 1),
    }
    for name, (value, least) in spans.items():
        if value is not None and value < least:
            message = f"Expected a value >= {least}, but got {value} instead."
            raise Refusal("integer_below_min_value", message, param=f"{path}.{name}")


def _check_voice(wanted: AudioOutput, current: AudioOutput, *, voice_used: bool) -> None:
    if voice_used and wanted.voice is not None and wanted.voice != current.voice:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise Refusal("cannot_update_voice", message, param="session.audio.output.voice")
    if wanted.speed is not None and not 0.25 <= wanted.speed <= 1.5:
        raise Refusal("invalid_value", "The speed is between 0.25 and 1.5.", param="session.audio.output.speed")


def _merged_audio(current: SessionAudio, update: SessionAudio) -> SessionAudio:
    return SessionAudio(
        input=_merged_input(current.input or AudioInput(), update.input or AudioInput()),
        output=_merged_output(current.output or AudioOutput(), update.output or AudioOutput()),
    )


def _merged_input(current: AudioInput, update: AudioInput) -> AudioInput:
    detection = update.turn_detection
    if isinstance(detection, TurnDetection):
        detection = completed_detection(_merged_detection(current.turn_detection, detection))
    return AudioInput(
        format=_newer(update.format, current.format),
        noise_reduction=_said(update.noise_reduction, current.noise_reduction),
        transcription=_said(update.transcription, current.transcription),
        turn_detection=_said(detection, current.turn_detection),
    )


def _merged_detection(current: TurnDetection | UnsetType | None, update: TurnDetection) -> TurnDetection:
    if not isinstance(current, TurnDetection) or current.type != update.type:
        return update
    return TurnDetection(
        type=update.type,
        threshold=_newer(update.threshold, current.threshold),
        prefix_padding_ms=_newer(update.prefix_padding_ms, current.prefix_padding_ms),
        silence_duration_ms=_newer(update.silence_duration_ms, current.silence_duration_ms),
        idle_timeout_ms=_newer(update.idle_timeout_ms, current.idle_timeout_ms),
        eagerness=_newer(update.eagerness, current.eagerness),
        create_response=_newer(update.create_response, current.create_response),
        interrupt_response=_newer(update.interrupt_response, current.interrupt_response),
    )


def _merged_output(current: AudioOutput, update: AudioOutput) -> AudioOutput:
    return AudioOutput(
        format=_newer(update.format, current.format),
        voice=_newer(update.voice, current.voice),
        speed=_newer(update.speed, current.speed),
    )


def _newer(new: V | None, old: V) -> V:
    return old if new is None else new


def _said(new: V | UnsetType | None, old: V | UnsetType | None) -> V | UnsetType | None:
    return old if new is UNSET else new
