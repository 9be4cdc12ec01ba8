"""Law: what is rendered parses to what was rendered, for every class of every union of the wire."""

from typing import get_args

import pytest
from attrs import AttrsInstance
from hypothesis import given, settings
from hypothesis import strategies as st

from opusagent.platforms import audiocodes, twilio
from opusagent.realtime import codec
from opusagent.realtime.events import ClientEvent, InputAudioBufferAppend, ServerEvent
from property_tests.strategies_wire import messages

SERVER: tuple[type[ServerEvent], ...] = get_args(ServerEvent)
CLIENT: tuple[type[ClientEvent], ...] = get_args(ClientEvent)
PLATFORM: tuple[type[twilio.PlatformMessage], ...] = get_args(twilio.PlatformMessage)
BRIDGE: tuple[type[twilio.BridgeMessage], ...] = get_args(twilio.BridgeMessage)

AC_PLATFORM: tuple[type[audiocodes.PlatformMessage], ...] = get_args(audiocodes.PlatformMessage)
AC_BRIDGE: tuple[type[audiocodes.BridgeMessage], ...] = get_args(audiocodes.BridgeMessage)


def name_of(cls: type[AttrsInstance]) -> str:
    return cls.__name__


@pytest.mark.parametrize("cls", SERVER, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_server_events(cls: type[ServerEvent], data: st.DataObject) -> None:
    """Every event of the service survives the way to text and back."""
    event = data.draw(messages(cls))
    assert codec.parse_server_event(codec.render(event)) == event


@pytest.mark.parametrize("cls", CLIENT, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_client_events(cls: type[ClientEvent], data: st.DataObject) -> None:
    """Every event of a bridge survives the way to text and back."""
    event = data.draw(messages(cls))
    assert codec.parse_client_event(codec.render(event)) == event


@pytest.mark.parametrize("cls", PLATFORM, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_twilio_platform_messages(cls: type[twilio.PlatformMessage], data: st.DataObject) -> None:
    """Every message of Twilio survives the way to text and back."""
    message = data.draw(messages(cls))
    assert twilio.parse_platform_message(twilio.render(message)) == message


@pytest.mark.parametrize("cls", BRIDGE, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_twilio_bridge_messages(cls: type[twilio.BridgeMessage], data: st.DataObject) -> None:
    """Every message to Twilio survives the way to text and back."""
    message = data.draw(messages(cls))
    assert twilio.parse_bridge_message(twilio.render(message)) == message


@pytest.mark.parametrize("cls", AC_PLATFORM, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_audiocodes_platform_messages(cls: type[audiocodes.PlatformMessage], data: st.DataObject) -> None:
    """Every message of AudioCodes survives the way to text and back."""
    message = data.draw(messages(cls))
    assert audiocodes.parse_platform_message(audiocodes.render(message)) == message


@pytest.mark.parametrize("cls", AC_BRIDGE, ids=name_of)
@given(data=st.data())
@settings(max_examples=20)
def test_audiocodes_bridge_messages(cls: type[audiocodes.BridgeMessage], data: st.DataObject) -> None:
    """Every message to AudioCodes survives the way to text and back."""
    message = data.draw(messages(cls))
    assert audiocodes.parse_bridge_message(audiocodes.render(message)) == message


@given(st.binary(max_size=2000))
def test_appended_audio(audio: bytes) -> None:
    """The short way of writing an append means what the long way means."""
    event = InputAudioBufferAppend(audio=audio)
    assert [event, event] == [
        codec.parse_client_event(text) for text in (codec.render_append(audio), codec.render(event))
    ]
