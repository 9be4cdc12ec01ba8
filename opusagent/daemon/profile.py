"""Who answers, made of the configuration: the session's settings, and how its conversation is held."""

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

import attrs
import msgspec
from msgspec import UNSET

from opusagent.audio.media import MULAW_8K, MediaFormat
from opusagent.audio.vad.detector import CHUNK
from opusagent.call.clips import NO_SOUNDS, Sounds
from opusagent.call.digits import DigitRules
from opusagent.call.exchange import Profile
from opusagent.call.hands import HandsFor
from opusagent.call.policy import SILENCE, Budget, Doubt, Interrupt, Patience, Policy, TurnPolicy
from opusagent.call.usage import Prices
from opusagent.daemon.config_tables import Agent, Config, NamedAgent, Realtime
from opusagent.daemon.config_talk import LocalTurns, Retention, SemanticVad, ServerVad, TokenPrices, Transcribing
from opusagent.daemon.routing import DEFAULT_AGENT
from opusagent.realtime.events import (
    AudioInput,
    AudioOutput,
    NoiseReduction,
    Reasoning,
    RetentionTruncation,
    SessionAudio,
    SessionUpdate,
    TokenLimits,
    Transcription,
    TurnDetection,
)
from opusagent.realtime.sessions import SessionAndMore, Tool
from opusagent.realtime.settings import model_format, session_update
from opusagent.tools.built_in import END_CALL
from opusagent.tools.declared import built_ins
from opusagent.units import Ms
from opusagent.wire import is_object, to_text

DOUBTS: Final[Mapping[str, Doubt]] = {"off": Doubt.OFF, "resume": Doubt.RESUME, "continue": Doubt.GO_ON}

EAGERNESS_SECONDS: Final[Mapping[str, float]] = {"low": 8.0, "medium": 4.0, "auto": 4.0, "high": 2.0}
"""How long the service waits at most for more words (`semantic_vad`)."""


def profile_of(
    config: Config, leg: MediaFormat, tools: tuple[Tool, ...], hands: HandsFor, sounds: Sounds = NO_SOUNDS
) -> Profile:
    """The profile of a call whose caller speaks `leg`."""
    media = model_format(config.realtime.audio, leg)
    policy = attrs.evolve(policy_of(config), clips=sounds.clips(media))
    agent = config.agent.name if isinstance(config.agent, NamedAgent) else DEFAULT_AGENT
    return Profile(opening_of(config, leg, tools), policy, media, hands, agent)


def policy_of(config: Config) -> Policy:
    """How its conversation is held."""
    agent = config.agent
    digits, budget = agent.digits, agent.budget
    return Policy(
        instructions=instructions_of(agent),
        greeting=agent.greeting,
        turns=turns_of(config),
        digits=DigitRules(digits.collect, digits.terminator, digits.pause_seconds, digits.most),
        mask_digits=agent.mask_digits,
        mute_tones=agent.mute_tones,
        keys=agent.keys.actions,
        filler=agent.filler,
        filler_seconds=agent.filler_after_seconds,
        goodbye_seconds=agent.goodbye_seconds,
        patience=Patience(config.limits.dead_air_seconds, config.limits.fallback, config.limits.no_audio_seconds),
        budget=Budget(budget.tokens, budget.dollars, prices_of(agent.prices)),
        may_end=END_CALL in built_ins(config.tools),
    )


def instructions_of(agent: Agent) -> str:
    r"""What the model is told: the configuration's words, and the language if they come with one.

    >>> instructions_of(Agent("Be kind.", language="es"))
    'Be kind.\n\nSpeak es (BCP 47), unless the caller wants another language.'
    """
    if agent.language is None:
        return agent.instructions
    return f"{agent.instructions}\n\nSpeak {agent.language} (BCP 47), unless the caller wants another language."


def turns_of(config: Config) -> TurnPolicy:
    """Who may interrupt whom, and who decides."""
    agent = config.agent
    return TurnPolicy(
        interrupt=Interrupt(agent.interrupt),
        after=Ms(agent.interrupt_after_ms),
        greeting_interruptible=agent.greeting_interruptible,
        doubt=DOUBTS[agent.false_interruption],
        shortest=Ms(agent.shortest_speech_ms),
        lag=lag_of(config),
        longest_lag=longest_lag_of(config),
        local=isinstance(config.realtime.turn_detection, LocalTurns),
    )


def lag_of(config: Config) -> float:
    """Seconds by which the end of speech is known late: the silence that it takes, and a chunk of our own ears'."""
    match config.realtime.turn_detection:
        case ServerVad() as vad:
            return vad.silence_duration_ms / 1000
        case SemanticVad():
            return SILENCE  # it depends on the words, and the service does not say on what else
        case LocalTurns():
            return (config.vad.stop_frames + 1) * CHUNK / 1000
    assert_never(config.realtime.turn_detection)


def longest_lag_of(config: Config) -> float:
    """The same at most: what a service that listens to the words waits, by its eagerness (its reference)."""
    detection = config.realtime.turn_detection
    return EAGERNESS_SECONDS[detection.eagerness] if isinstance(detection, SemanticVad) else lag_of(config)


def prices_of(prices: TokenPrices) -> Prices:
    """What tokens cost."""
    return Prices(
        text_in=prices.text_in,
        text_cached=prices.text_cached,
        text_out=prices.text_out,
        audio_in=prices.audio_in,
        audio_cached=prices.audio_cached,
        audio_out=prices.audio_out,
        transcribed_in=prices.transcribed_in,
        transcribed_out=prices.transcribed_out,
        transcribed_minute=prices.transcribed_minute,
        as_of=prices.as_of,
    )


def opening_of(config: Config, leg: MediaFormat, tools: tuple[Tool, ...]) -> SessionUpdate:
    """The settings of its session."""
    agent, realtime = config.agent, config.realtime
    plain = session_update(
        instructions=instructions_of(agent),
        voice=agent.voice,
        audio=realtime.audio,
        caller=leg,
        turn_detection=detection_of(config),
    )
    return SessionUpdate(
        session=SessionAndMore(
            output_modalities=plain.session.output_modalities,
            instructions=plain.session.instructions,
            audio=_tuned_audio(plain.session.audio or SessionAudio(), realtime, agent.language),
            tools=tools or None,
            tool_choice=realtime.tool_choice,
            parallel_tool_calls=realtime.parallel_tool_calls,
            reasoning=None if realtime.reasoning_effort is None else Reasoning(effort=realtime.reasoning_effort),
            max_output_tokens=realtime.max_output_tokens,
            truncation=_truncation(realtime),
            beside=realtime.session.fields,
        )
    )


def detection_of(config: Config) -> TurnDetection | None:
    """Who finds the ends of turns at the service; None if nobody does.

    Where the turns are ours the service only tells: it neither answers nor interrupts by itself. Where the caller may
    never interrupt, nothing that the service hears ends a response.
    """
    turns = turns_of(config)
    answers, interrupts = not turns.is_ours, not turns.is_ours and turns.interrupt is not Interrupt.NEVER
    match config.realtime.turn_detection:
        case ServerVad() as vad:
            return TurnDetection(
                type=vad.type,
                threshold=vad.threshold,
                prefix_padding_ms=vad.prefix_padding_ms,
                silence_duration_ms=vad.silence_duration_ms,
                idle_timeout_ms=vad.idle_timeout_ms,
                create_response=answers,
                interrupt_response=interrupts,
            )
        case SemanticVad() as vad:
            return TurnDetection(
                type=vad.type, eagerness=vad.eagerness, create_response=answers, interrupt_response=interrupts
            )
        case LocalTurns():
            return None
    assert_never(config.realtime.turn_detection)


def session_problems(config: Config) -> list[str]:
    """What of `[realtime.session]` has a key elsewhere that says something else, or the same."""
    ours: object = msgspec.json.decode(to_text(opening_of(_without_fields(config), MULAW_8K, ())))
    session = ours.get("session") if is_object(ours) else None
    return [
        f"`{path}` is set by a key of its own in [agent] or [realtime], and must not be set here, at realtime.session"
        for path in _collisions(session, config.realtime.session.fields)
    ]


def _without_fields(config: Config) -> Config:
    return attrs.evolve(config, realtime=attrs.evolve(config.realtime, session=Realtime().session))


def _collisions(ours: object, theirs: object, path: str = "") -> Iterator[str]:
    if not is_object(ours) or not is_object(theirs):
        yield path
        return
    for key in ours.keys() & theirs.keys():
        yield from _collisions(ours[key], theirs[key], f"{path}.{key}" if path else key)


def _tuned_audio(audio: SessionAudio, realtime: Realtime, language: str | None) -> SessionAudio:
    heard, said = audio.input or AudioInput(), audio.output or AudioOutput()
    return SessionAudio(
        input=attrs.evolve(
            heard,
            noise_reduction=UNSET
            if realtime.noise_reduction is None
            else NoiseReduction(type=realtime.noise_reduction),
            transcription=UNSET if realtime.transcription is None else _transcription(realtime.transcription, language),
        ),
        output=attrs.evolve(said, speed=realtime.speed),
    )


def _transcription(wanted: Transcribing, language: str | None) -> Transcription:
    """An agent's language stands before the settings'; the service takes its first part (ISO 639)."""
    return Transcription(
        model=wanted.model,
        language=wanted.language if language is None else language.partition("-")[0],
        languages=wanted.languages or None if language is None else None,
        keywords=wanted.keywords or None,
        prompt=wanted.prompt,
        delay=wanted.delay,
    )


def _truncation(realtime: Realtime) -> str | RetentionTruncation | None:
    match realtime.truncation:
        case Retention(retention_ratio=ratio, post_instructions=limit):
            limits = None if limit is None else TokenLimits(post_instructions=limit)
            return RetentionTruncation(retention_ratio=ratio, token_limits=limits)
        case choice:
            return choice
