"""Law: any text at all gives a message or one `RemoteProtocolError`, and nothing else, for every parser of the wire."""

from collections.abc import Callable
from typing import get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opusagent.errors import INVALID_PAYLOAD, POLICY_VIOLATION, PROTOCOL_ERROR, UNSUPPORTED_DATA, RemoteProtocolError
from opusagent.platforms import audiocodes, twilio
from opusagent.platforms.dialect import CallerEvent, Unknown
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.platforms.twiml import VoiceRequest
from opusagent.realtime import codec
from opusagent.realtime.events import ClientEvent, ServerEvent, UnknownEvent
from property_tests.strategies_wire import any_of, hostile_texts

SERVER: tuple[type[ServerEvent], ...] = get_args(ServerEvent)
CLIENT: tuple[type[ClientEvent], ...] = get_args(ClientEvent)
PLATFORM: tuple[type[twilio.PlatformMessage], ...] = get_args(twilio.PlatformMessage)
BRIDGE: tuple[type[twilio.BridgeMessage], ...] = get_args(twilio.BridgeMessage)
AC_PLATFORM: tuple[type[audiocodes.PlatformMessage], ...] = get_args(audiocodes.PlatformMessage)
AC_BRIDGE: tuple[type[audiocodes.BridgeMessage], ...] = get_args(audiocodes.BridgeMessage)
NEUTRAL: tuple[type[CallerEvent], ...] = get_args(CallerEvent)

CLOSE_CODES = {INVALID_PAYLOAD, PROTOCOL_ERROR, UNSUPPORTED_DATA, POLICY_VIOLATION}
START = (
    '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1",'
    '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}'
)


def outcome(parse: Callable[[str], object], text: str) -> object:
    """What `parse` gives for `text`, a refusal included; any other exception fails the test."""
    try:
        return parse(text)
    except RemoteProtocolError as refusal:
        return refusal


def answered(outcome: object, kinds: tuple[type[object], ...]) -> bool:
    """Whether `outcome` is one of `kinds`, or a refusal that can be logged and sent as it is."""
    if not isinstance(outcome, RemoteProtocolError):
        return isinstance(outcome, kinds)
    said = str(outcome)
    return outcome.close_code in CLOSE_CODES and 0 < len(said) < 1000 and said.isprintable() and said.isascii()


@given(hostile_texts(any_of(SERVER).map(codec.render)))
def test_server_events(text: str) -> None:
    """Whatever the service says is an event or a refusal."""
    assert answered(
        outcome(codec.parse_server_event, text),
        (
            *SERVER,
            UnknownEvent,
        ),
    )


@given(hostile_texts(any_of(CLIENT).map(codec.render)))
def test_client_events(text: str) -> None:
    """Whatever a bridge says is an event or a refusal."""
    assert answered(
        outcome(codec.parse_client_event, text),
        (
            *CLIENT,
            UnknownEvent,
        ),
    )


@given(hostile_texts(any_of(PLATFORM).map(twilio.render)))
def test_twilio_platform_messages(text: str) -> None:
    """Whatever Twilio says is a message or a refusal."""
    assert answered(
        outcome(twilio.parse_platform_message, text),
        (
            *PLATFORM,
            Unknown,
        ),
    )


@given(hostile_texts(any_of(BRIDGE).map(twilio.render)))
def test_twilio_bridge_messages(text: str) -> None:
    """Whatever is said to Twilio is a message or a refusal."""
    assert answered(
        outcome(twilio.parse_bridge_message, text),
        (
            *BRIDGE,
            Unknown,
        ),
    )


@given(hostile_texts(any_of(AC_PLATFORM).map(audiocodes.render)))
def test_audiocodes_platform_messages(text: str) -> None:
    """Whatever AudioCodes says is a message or a refusal."""
    assert answered(outcome(audiocodes.parse_platform_message, text), (*AC_PLATFORM, Unknown))


@given(hostile_texts(any_of(AC_BRIDGE).map(audiocodes.render)))
def test_audiocodes_bridge_messages(text: str) -> None:
    """Whatever is said to AudioCodes is a message or a refusal."""
    assert answered(outcome(audiocodes.parse_bridge_message, text), (*AC_BRIDGE, Unknown))


@pytest.mark.parametrize("opening", [[], [START]], ids=["before start", "after start"])
@given(data=st.data())
def test_twilio_dialect(opening: list[str], data: st.DataObject) -> None:
    """A sequence of anything at all gives neutral events or refusals, in whatever state the dialect is."""
    dialect = TwilioDialect()
    texts = data.draw(st.lists(hostile_texts(any_of(PLATFORM).map(in_this_stream)), max_size=4))
    for text in [*opening, *texts]:
        assert answered(outcome(dialect.parse, text), NEUTRAL)


def in_this_stream(message: twilio.PlatformMessage) -> str:
    """`message` as the stream of `START` would say it, so that the dialect looks at what it holds."""
    return twilio.render(message if isinstance(message, twilio.Connected) else attrs.evolve(message, streamSid="MZ1"))


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: f"CallSid={text}".encode()))
def test_voice_requests(body: bytes) -> None:
    """Whatever the webhook's form holds is a request or a refusal."""

    def parse(_: str) -> VoiceRequest:
        return VoiceRequest.from_form(body)

    assert answered(outcome(parse, ""), (VoiceRequest,))
