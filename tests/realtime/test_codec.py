"""Realtime text, in and out: whole events as the service writes them and as it accepts them."""

import json

import pytest

from opusagent.errors import INVALID_PAYLOAD, PROTOCOL_ERROR, RemoteProtocolError
from opusagent.realtime.codec import parse_client_event, parse_server_event, render, render_append
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ClientEvent,
    ContentPart,
    ConversationItemCreate,
    ConversationItemTruncate,
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferAppend,
    InputTokens,
    Item,
    OutputTokens,
    Reasoning,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    ResponseOptions,
    ResponseOutputAudioDelta,
    RetentionTruncation,
    ServerEvent,
    Session,
    SessionAudio,
    SessionUpdate,
    SessionUpdated,
    StatusDetails,
    TokenLimits,
    Tool,
    Transcription,
    TurnDetection,
    UnknownEvent,
    Usage,
    Voice,
)

FULL_UPDATE = (
    '{"type":"session.update","event_id":"cfg-1","session":{"type":"realtime","output_modalities":["audio"],'
    '"instructions":"You are the front desk of a small clinic.",'
    '"audio":{"input":{"format":{"type":"audio/pcmu"},"noise_reduction":null,'
    '"transcription":{"model":"gpt-transcribe","language":"en"},'
    '"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,'
    '"idle_timeout_ms":15000,"create_response":true,"interrupt_response":true}},'
    '"output":{"format":{"type":"audio/pcmu"},"voice":"marin","speed":1.0}},'
    '"tools":[{"type":"function","name":"lookup_slot","description":"Find a free slot",'
    '"parameters":{"type":"object","properties":{"day":{"type":"string"}},"required":["day"]}}],'
    '"tool_choice":"auto","reasoning":{"effort":"low"},"max_output_tokens":2048,'
    '"truncation":{"type":"retention_ratio","retention_ratio":0.8,"token_limits":{"post_instructions":16000}}}}'
)
MULAW = AudioFormat(type="audio/pcmu")
UPDATE = SessionUpdate(
    event_id="cfg-1",
    session=Session(
        output_modalities=("audio",),
        instructions="You are the front desk of a small clinic.",
        audio=SessionAudio(
            input=AudioInput(
                format=MULAW,
                noise_reduction=None,
                transcription=Transcription(model="gpt-transcribe", language="en"),
                turn_detection=TurnDetection(
                    type="server_vad",
                    threshold=0.5,
                    prefix_padding_ms=300,
                    silence_duration_ms=500,
                    idle_timeout_ms=15000,
                    create_response=True,
                    interrupt_response=True,
                ),
            ),
            output=AudioOutput(format=MULAW, voice="marin", speed=1.0),
        ),
        tools=(
            Tool(
                name="lookup_slot",
                description="Find a free slot",
                parameters={"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
            ),
        ),
        tool_choice="auto",
        reasoning=Reasoning(effort="low"),
        max_output_tokens=2048,
        truncation=RetentionTruncation(retention_ratio=0.8, token_limits=TokenLimits(post_instructions=16000)),
    ),
)


def test_a_complete_update_is_read() -> None:
    """Every setting of the protocol's own example lands in its typed field."""
    assert parse_client_event(FULL_UPDATE) == UPDATE


def test_a_complete_update_is_written_with_nothing_added() -> None:
    """Exactly the keys that were set: the service drops the whole update for one that it does not know."""
    assert json.loads(render(UPDATE)) == json.loads(FULL_UPDATE)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (SessionUpdate(session=Session()), '{"type":"session.update","session":{"type":"realtime"}}'),
        (
            SessionUpdate(
                session=Session(instructions="", tools=(), audio=SessionAudio(input=AudioInput(turn_detection=None)))
            ),
            (
                '{"type":"session.update","session":{"type":"realtime","instructions":"",'
                '"audio":{"input":{"turn_detection":null}},"tools":[]}}'
            ),
        ),
        (
            ConversationItemTruncate(item_id="item_1", audio_end_ms=1234),
            '{"type":"conversation.item.truncate","item_id":"item_1","audio_end_ms":1234,"content_index":0}',
        ),
        (ResponseCancel(), '{"type":"response.cancel"}'),
        (ResponseCreate(), '{"type":"response.create"}'),
        (
            ResponseCreate(response=ResponseOptions(conversation="none", input=())),
            '{"type":"response.create","response":{"conversation":"none","input":[]}}',
        ),
        (
            ConversationItemCreate(item=Item(type="function_call_output", call_id="call_1", output="{}")),
            (
                '{"type":"conversation.item.create",'
                '"item":{"type":"function_call_output","call_id":"call_1","output":"{}"}}'
            ),
        ),
        (
            ConversationItemCreate(
                item=Item(type="message", role="user", content=(ContentPart(type="input_text", text="5"),))
            ),
            (
                '{"type":"conversation.item.create","item":{"type":"message","role":"user",'
                '"content":[{"type":"input_text","text":"5"}]}}'
            ),
        ),
    ],
    ids=["smallest", "clearing", "truncate", "cancel", "create", "empty context", "tool output", "message"],
)
def test_what_the_bridge_says_is_written_to_the_letter(event: ClientEvent, text: str) -> None:
    """Absent, empty and null each mean something else to the service, and each is written as what it is."""
    assert render(event) == text


def test_appended_audio_is_written_to_the_letter() -> None:
    """The short way and the long way write the same text."""
    text = '{"type":"input_audio_buffer.append","audio":"f/8A"}'
    assert [render_append(b"\x7f\xff\x00"), render(InputAudioBufferAppend(audio=b"\x7f\xff\x00"))] == [text, text]


def test_audio_of_the_model_is_bytes() -> None:
    """Base64 stays outside."""
    text = (
        '{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1",'
        '"output_index":0,"content_index":0,"delta":"AQIDBA=="}'
    )
    delta = ResponseOutputAudioDelta(
        event_id="event_1", response_id="resp_1", item_id="item_1", output_index=0, content_index=0, delta=b"\1\2\3\4"
    )
    assert [parse_server_event(text), render(delta)] == [delta, text]


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            '{"type":"error","event_id":null,"error":{"type":"invalid_request_error","code":null,"message":"no"}}',
            ErrorEvent(error=ErrorDetail(type="invalid_request_error", message="no")),
        ),
        (
            (
                '{"type":"response.done","event_id":"e","response":{"object":"realtime.response","id":"resp_1",'
                '"status":"failed","status_details":{"type":"failed","error":{"type":"x","code":"rate_limit_exceeded"}},'
                '"output":[],"conversation_id":null,"output_modalities":["audio"],"max_output_tokens":"inf","metadata":null,'
                '"usage":{"total_tokens":7,"input_tokens":5,"output_tokens":2,'
                '"input_token_details":{"text_tokens":3,"audio_tokens":2,"cached_tokens":1},'
                '"output_token_details":{"audio_tokens":2}}}}'
            ),
            ResponseDone(
                event_id="e",
                response=Response(
                    id="resp_1",
                    object="realtime.response",
                    status="failed",
                    status_details=StatusDetails(
                        type="failed", error=ErrorDetail(type="x", code="rate_limit_exceeded")
                    ),
                    output_modalities=("audio",),
                    max_output_tokens="inf",
                    usage=Usage(
                        total_tokens=7,
                        input_tokens=5,
                        output_tokens=2,
                        input_token_details=InputTokens(text_tokens=3, audio_tokens=2, cached_tokens=1),
                        output_token_details=OutputTokens(audio_tokens=2),
                    ),
                ),
            ),
        ),
        (
            (
                '{"type":"session.updated","session":{"type":"realtime","tracing":null,"truncation":"auto","include":null,'
                '"tool_choice":{"type":"function","name":"f"},"audio":{"output":{"voice":{"id":"v1"}}},"prompt":null,'
                '"something_new":{"a":[1]}}}'
            ),
            SessionUpdated(
                session=Session(
                    tracing=None,
                    truncation="auto",
                    tool_choice={"type": "function", "name": "f"},
                    audio=SessionAudio(output=AudioOutput(voice=Voice(id="v1"))),
                    prompt=None,
                )
            ),
        ),
        ('{"type":"response.brand_new","x":[]}', UnknownEvent("response.brand_new")),
    ],
    ids=["error with nulls", "failed response", "settings in every form", "unknown"],
)
def test_what_the_service_says_is_read_to_the_letter(text: str, event: ServerEvent | UnknownEvent) -> None:
    """Nulls, alternatives and additions that the service is known or likely to send."""
    assert parse_server_event(text) == event


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            (
                '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","output_index":0,"content_index":0,'
                '"delta":"A"}'
            ),
            INVALID_PAYLOAD,
            "delta: Invalid base64 encoded string",
        ),
        (
            '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","output_index":0,"delta":"AA=="}',
            PROTOCOL_ERROR,
            "the message: Object missing required field `content_index`",
        ),
        (
            '{"type":"response.done","response":{"id":"r","usage":{"input_token_details":{"text_tokens":"3"}}}}',
            PROTOCOL_ERROR,
            "response.usage.input_token_details.text_tokens: Expected `int | null`, got `str`",
        ),
        ("response.done", INVALID_PAYLOAD, "the message is not JSON: invalid character (byte 0)"),
    ],
)
def test_faults_of_the_service_say_what_and_where(text: str, code: int, words: str) -> None:
    """One refusal, with the place of the fault and the close code."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_server_event(text)
    assert (caught.value.close_code, str(caught.value)) == (code, words)
