"""Every event of the protocol has its class: the lists below are the protocol document's, sections 3 and 4."""

from typing import get_args

import pytest

from opusagent.realtime import events
from opusagent.realtime.codec import parse_client_event, parse_server_event, render
from opusagent.realtime.events import ClientEvent, ServerEvent
from opusagent.wire import TypeTag, tag_of

SERVER: tuple[type[ServerEvent], ...] = get_args(ServerEvent)
CLIENT: tuple[type[ClientEvent], ...] = get_args(ClientEvent)

IDS = '"response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0'
CALL = '"response_id":"resp_1","item_id":"item_1","output_index":0'
ITEM = (
    '"item":{"id":"item_1","object":"realtime.item","type":"message","status":"completed","role":"user","content":[]}'
)
SESSION = '"session":{"type":"realtime","object":"realtime.session","id":"sess_1","model":"m","expires_at":1790000000}'
RESPONSE = (
    '"response":{"object":"realtime.response","id":"resp_1","status":"in_progress","status_details":null,"output":[]}'
)
HEARD = "conversation.item.input_audio_transcription"

SERVER_EVENTS = {
    "session.created": SESSION,
    "session.updated": SESSION,
    "conversation.created": '"conversation":{"id":"conv_1","object":"realtime.conversation"}',
    "conversation.item.added": f'"previous_item_id":null,{ITEM}',
    "conversation.item.done": f'"previous_item_id":"item_0",{ITEM}',
    "conversation.item.created": ITEM,
    "conversation.item.retrieved": ITEM,
    "conversation.item.truncated": '"item_id":"item_1","content_index":0,"audio_end_ms":1500',
    "conversation.item.deleted": '"item_id":"item_1"',
    f"{HEARD}.delta": '"item_id":"item_1","content_index":0,"delta":"hel","logprobs":null',
    f"{HEARD}.completed": '"item_id":"i","content_index":0,"transcript":"","usage":{"type":"tokens","input_tokens":3}',
    f"{HEARD}.segment": (
        '"item_id":"item_1","content_index":0,"id":"seg_1","speaker":"A","start":0.5,"end":1,"text":"hello"'
    ),
    f"{HEARD}.failed": (
        '"item_id":"item_1","content_index":0,"error":{"type":"server_error","code":"x","message":"no","param":null}'
    ),
    "input_audio_buffer.committed": '"item_id":"item_1","previous_item_id":null',
    "input_audio_buffer.cleared": "",
    "input_audio_buffer.speech_started": '"item_id":"item_1","audio_start_ms":820',
    "input_audio_buffer.speech_stopped": '"item_id":"item_1","audio_end_ms":1820',
    "input_audio_buffer.timeout_triggered": '"item_id":"item_1","audio_start_ms":0,"audio_end_ms":6000',
    "input_audio_buffer.dtmf_event_received": '"event":"5","received_at":1790000000',
    "response.created": RESPONSE,
    "response.done": RESPONSE,
    "response.output_item.added": f'"response_id":"resp_1","output_index":0,{ITEM}',
    "response.output_item.done": f'"response_id":"resp_1","output_index":0,{ITEM}',
    "response.content_part.added": f'{IDS},"part":{{"type":"audio","transcript":""}}',
    "response.content_part.done": f'{IDS},"part":{{"type":"text","text":"hi"}}',
    "response.output_audio.delta": f'{IDS},"delta":"//79"',
    "response.output_audio.done": IDS,
    "response.output_audio_transcript.delta": f'{IDS},"delta":"hi"',
    "response.output_audio_transcript.done": f'{IDS},"transcript":"hi"',
    "response.output_text.delta": f'{IDS},"delta":"hi"',
    "response.output_text.done": f'{IDS},"text":"hi"',
    "response.function_call_arguments.delta": f'{CALL},"call_id":"call_1","delta":"{{"',
    "response.function_call_arguments.done": f'{CALL},"call_id":"call_1","name":"f","arguments":"{{}}"',
    "response.mcp_call_arguments.delta": f'{CALL},"delta":"{{","obfuscation":"x"',
    "response.mcp_call_arguments.done": f'{CALL},"arguments":"{{}}"',
    "response.mcp_call.in_progress": '"item_id":"item_1","output_index":0',
    "response.mcp_call.completed": '"item_id":"item_1","output_index":0',
    "response.mcp_call.failed": '"item_id":"item_1","output_index":0',
    "mcp_list_tools.in_progress": '"item_id":"item_1"',
    "mcp_list_tools.completed": '"item_id":"item_1"',
    "mcp_list_tools.failed": '"item_id":"item_1"',
    "rate_limits.updated": '"rate_limits":[{"name":"tokens","limit":9,"remaining":8,"reset_seconds":0.5}]',
    "error": '"error":{"type":"invalid_request_error","code":"invalid_value","message":"","param":null,"event_id":"e"}',
    "output_audio_buffer.started": '"response_id":"resp_1"',
    "output_audio_buffer.stopped": '"response_id":"resp_1"',
    "output_audio_buffer.cleared": '"response_id":"resp_1"',
}

CLIENT_EVENTS = {
    "session.update": '"session":{"type":"realtime","instructions":""}',
    "input_audio_buffer.append": '"audio":"//79"',
    "input_audio_buffer.commit": "",
    "input_audio_buffer.clear": "",
    "conversation.item.create": f'"previous_item_id":"root",{ITEM}',
    "conversation.item.retrieve": '"item_id":"item_1"',
    "conversation.item.truncate": '"item_id":"item_1","content_index":0,"audio_end_ms":1500',
    "conversation.item.delete": '"item_id":"item_1"',
    "response.create": '"response":{"conversation":"none","input":[],"metadata":{"task":"classify"}}',
    "response.cancel": '"response_id":"resp_1"',
    "output_audio_buffer.clear": "",
    "session.close": "",
    "transcription_session.update": '"session":{"input_audio_format":"pcm16"}',
}


def class_name(kind: str) -> str:
    """The name that the class of events of type `kind` has."""
    return "ErrorEvent" if kind == "error" else "".join(word.capitalize() for word in kind.replace(".", "_").split("_"))


def message(kind: str, members: str) -> str:
    return f'{{"event_id":"event_1","type":"{kind}"' + (f",{members}" if members else "") + "}"


@pytest.mark.parametrize("kind", SERVER_EVENTS)
def test_every_server_event_parses_to_its_class(kind: str) -> None:
    """The class is named after the type, holds the envelope, and reads back what it writes."""
    event = parse_server_event(message(kind, SERVER_EVENTS[kind]))
    assert isinstance(event, SERVER)
    assert (type(event).__name__, event.type, event.event_id) == (class_name(kind), kind, "event_1")
    assert parse_server_event(render(event)) == event


@pytest.mark.parametrize("kind", CLIENT_EVENTS)
def test_every_client_event_parses_to_its_class(kind: str) -> None:
    """The class is named after the type, holds the envelope, and reads back what it writes."""
    event = parse_client_event(message(kind, CLIENT_EVENTS[kind]))
    assert isinstance(event, CLIENT)
    assert (type(event).__name__, event.type, event.event_id) == (class_name(kind), kind, "event_1")
    assert parse_client_event(render(event)) == event


def test_the_unions_hold_these_events_and_no_others() -> None:
    """46 events of the service and 13 of a bridge."""
    assert [{tag_of(cls, TypeTag) for cls in union} for union in (SERVER, CLIENT)] == [
        SERVER_EVENTS.keys(),
        CLIENT_EVENTS.keys(),
    ]
    assert (len(SERVER), len(CLIENT)) == (46, 13)


@pytest.mark.parametrize("cls", [*SERVER, *CLIENT], ids=lambda cls: cls.__name__)
def test_every_class_is_offered_by_the_vocabulary(cls: type[ServerEvent | ClientEvent]) -> None:
    """`opusagent.realtime.events` is the one place to import events from."""
    assert cls.__name__ in events.__all__


@pytest.mark.parametrize(
    "kind", ["response.audio.delta", "response.audio_transcript.delta", "response.text.done", "response.audio.done"]
)
def test_names_of_the_beta_are_unknown(kind: str) -> None:
    """The beta protocol is switched off: its names are counted as any other stranger's."""
    assert parse_server_event(message(kind, f'{IDS},"delta":"//79"')) == events.UnknownEvent(kind)
