"""The strategies for the embedded backend make what they say."""

from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, find, given, settings

from opusagent.audio.g711 import decode
from opusagent.audio.media import ALAW_8K, MULAW_8K, PCM16_24K, MediaFormat
from opusagent.local.vad import SpeechBegan, SpeechDetector
from opusagent.realtime.events import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    SessionUpdate,
    UnknownEvent,
)
from opusagent.units import Ms
from property_tests.strategies_local import client_events, quiet, sensible_events, words


@pytest.mark.parametrize("media", [PCM16_24K, MULAW_8K, ALAW_8K])
def test_words_are_speech_and_quiet_is_not_in_every_format(media: MediaFormat) -> None:
    assert SpeechDetector(media.rate).push(decode(media, words(200, media))) == [SpeechBegan(Ms(0))]
    assert SpeechDetector(media.rate).push(decode(media, quiet(5000, media))) == []
    assert media.ms_of(len(words(230, media))) == media.ms_of(len(quiet(230, media))) == 230


@given(st.lists(sensible_events(), max_size=3))
def test_a_bridge_says_client_events(events: list[ClientEvent]) -> None:
    assert all(isinstance(event, get_args(ClientEvent)) for event in events)


@pytest.mark.parametrize("kind", [InputAudioBufferAppend, SessionUpdate, ConversationItemCreate, UnknownEvent])
def test_any_kind_of_event_may_come(kind: type[ClientEvent | UnknownEvent]) -> None:
    quick = settings(phases=[Phase.generate], max_examples=5000)
    assert isinstance(find(client_events(), lambda event: isinstance(event, kind), settings=quick), kind)
