"""Sound of a caller, quiet or speaking, and what a client may say to the embedded backend, sense or nonsense."""

from typing import get_args

import hypothesis.strategies as st
import numpy as np

from opusagent.audio.g711 import encode
from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.audio.pcm import pcm_of
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ClientEvent,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
    Session,
    SessionAudio,
    SessionUpdate,
    TurnDetection,
    UnknownEvent,
)
from opusagent.units import Hz, Ms, Pcm16, samples_of_ms
from property_tests.strategies_wire import any_of

TELEPHONE_SPEECH_DBOV = -23.0


def noise(dbov: float, ms: int, rate: Hz, seed: int = 1) -> Pcm16:
    """White noise of `ms` milliseconds, the same for the same seed."""
    deviation = 32768 * 10 ** (dbov / 20)
    samples = np.random.default_rng(seed).normal(0, deviation, samples_of_ms(Ms(ms), rate))
    return pcm_of(np.clip(samples, -32768, 32767).astype(np.int16))


def words(ms: int, media: MediaFormat = PCM16_24K) -> bytes:
    """Something as loud as telephone speech, as `media` writes it."""
    return encode(media, noise(TELEPHONE_SPEECH_DBOV, ms, media.rate))


def quiet(ms: int, media: MediaFormat = PCM16_24K) -> bytes:
    """Digital silence, as `media` writes it."""
    return media.silence * samples_of_ms(Ms(ms), media.rate)


def sounds() -> st.SearchStrategy[bytes]:
    """A stretch of a call in some format: words, quiet, or both."""
    media = st.sampled_from([PCM16_24K, PCM16_24K, PCM16_24K, MULAW_8K, ALAW_8K])
    length = st.sampled_from([20, 120, 600])
    return st.builds(_words_and_quiet, media, length, length)


def _words_and_quiet(media: MediaFormat, loud: int, still: int) -> bytes:
    return words(loud, media) + quiet(still, media)


def sensible_events() -> st.SearchStrategy[ClientEvent]:
    """What a bridge would say, in any order; item and response ids are guesses."""
    ids = st.builds("{}_law_{:04d}".format, st.sampled_from(["item", "resp"]), st.integers(1, 6))
    modalities = st.sampled_from([None, ("audio",), ("text",)])
    options = st.builds(ResponseOptions, conversation=st.sampled_from([None, "none"]), output_modalities=modalities)
    appends = st.builds(InputAudioBufferAppend, audio=sounds())
    about_items = st.one_of(
        st.builds(ConversationItemTruncate, item_id=ids, audio_end_ms=st.integers(0, 500)),
        st.builds(ConversationItemDelete, item_id=ids),
        st.builds(ConversationItemRetrieve, item_id=ids),
    )
    about_audio = st.sampled_from([InputAudioBufferCommit(), InputAudioBufferClear()])
    creates = st.builds(ResponseCreate, response=st.none() | options)
    cancels = st.builds(ResponseCancel, response_id=st.none() | ids)
    return st.one_of(appends, appends, appends, about_items, about_audio, creates, cancels, _updates())


def client_events() -> st.SearchStrategy[ClientEvent | UnknownEvent]:
    """Everything a client can put on the wire: mostly sense, some of it anything that the classes hold."""
    classes: tuple[type[ClientEvent], ...] = get_args(ClientEvent)
    unknown = st.builds(UnknownEvent, type=st.text(max_size=8))
    return st.one_of(sensible_events(), sensible_events(), sensible_events(), any_of(classes) | unknown)


def _updates() -> st.SearchStrategy[ClientEvent]:
    formats = st.none() | st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"]).map(
        lambda kind: AudioFormat(type=kind)
    )
    switches = st.none() | st.booleans()
    detection = st.builds(
        TurnDetection,
        type=st.just("server_vad"),
        silence_duration_ms=st.sampled_from([None, 60, 300]),
        idle_timeout_ms=st.sampled_from([None, 1000, 5000]),
        create_response=switches,
        interrupt_response=switches,
    )
    heard = st.builds(AudioInput, format=formats, turn_detection=st.none() | detection)
    spoken = st.builds(AudioOutput, format=formats)
    audio = st.builds(SessionAudio, input=st.none() | heard, output=st.none() | spoken)
    return st.builds(SessionUpdate, session=st.builds(Session, audio=audio))
