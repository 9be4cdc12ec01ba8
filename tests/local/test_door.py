"""The door reads a client as strictly as the service: one foreign key, and the whole event is refused."""

import json

import pytest

from opusagent.local.door import read_client
from opusagent.realtime.codec import render
from opusagent.realtime.events import (
    AudioInput,
    ErrorDetail,
    InputAudioBufferAppend,
    RetentionTruncation,
    Session,
    SessionAudio,
    SessionUpdate,
    TokenLimits,
    Tool,
)

Json = dict[str, object]


def refused(message: Json | str) -> tuple[str | None, str | None, str | None]:
    """The code, the parameter and the echoed id of a refusal."""
    answer = read_client(message if isinstance(message, str) else json.dumps(message))
    assert isinstance(answer, ErrorDetail)
    assert answer.type == "invalid_request_error"
    assert answer.message
    return answer.code, answer.param, answer.event_id


def update(session: Json) -> Json:
    return {"type": "session.update", "event_id": "cfg-1", "session": session}


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "realtime", "temperature": 0.8}, "session.temperature"),
        ({"type": "realtime", "turn_detection": None}, "session.turn_detection"),
        ({"type": "realtime", "audio": {"input": {"codec": 1}}}, "session.audio.input.codec"),
        ({"type": "realtime", "tools": [{"name": "a"}, {"function": 1}]}, "session.tools[1].function"),
        ({"type": "realtime", "id": "sess_1"}, "session.id"),
    ],
)
def test_a_foreign_key_refuses_the_whole_update(session: Json, param: str) -> None:
    assert refused(update(session)) == ("unknown_parameter", param, "cfg-1")


def test_an_update_without_a_session_type_is_refused_even_a_partial_one() -> None:
    assert refused(update({"instructions": "hi"})) == ("missing_required_parameter", "session.type", "cfg-1")


def test_what_is_required_is_named() -> None:
    assert refused({"type": "session.update"}) == ("missing_required_parameter", "session", None)
    truncate: Json = {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0}
    assert refused(truncate) == ("missing_required_parameter", "audio_end_ms", None)


@pytest.mark.parametrize("kind", ["response.hum", "output_audio_buffer.clear", "session.created"])
def test_an_unknown_type_is_an_invalid_value_and_its_id_is_echoed(kind: str) -> None:
    assert refused({"type": kind, "event_id": "e9"}) == ("invalid_value", "type", "e9")


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"type": "input_audio_buffer.append", "audio": "@@"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "audio"),
        ({"type": 5}, "type"),
        (update({"type": "realtime", "audio": {"output": {"speed": "fast"}}}), "session.audio.output.speed"),
    ],
)
def test_a_wrong_type_is_an_invalid_value_at_its_place(message: Json, param: str) -> None:
    code, place, _ = refused(message)
    assert (code, place) == ("invalid_value", param)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"x"', "[" * 100_000, '{"type":"\\ud800"}', "{}"])
def test_what_is_no_event_is_an_invalid_event(text: str) -> None:
    assert refused(text) == ("invalid_event", None, None)


def test_what_the_codec_skips_over_is_read_all_the_same() -> None:
    assert refused('{"type":"input_audio_buffer.clear","x":"\\ud800"}')[0] in {"invalid_event", "unknown_parameter"}


def test_everything_a_session_may_hold_comes_in() -> None:
    wanted = SessionUpdate(
        event_id="a",
        session=Session(
            audio=SessionAudio(input=AudioInput(turn_detection=None)),
            tools=(Tool(name="look", parameters={"type": "object", "anything": {"at": "all"}}),),
            tool_choice={"type": "function", "name": "look"},
            truncation=RetentionTruncation(retention_ratio=0.8, token_limits=TokenLimits(post_instructions=1000)),
        ),
    )
    assert read_client(render(wanted)) == wanted


def test_audio_is_read_and_not_held_against_anything() -> None:
    text = '{"type":"input_audio_buffer.append","audio":"AAA=","stray":1}'
    assert read_client(text) == InputAudioBufferAppend(audio=b"\0\0")
