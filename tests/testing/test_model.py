"""The scripted model says what it is told, keeps what it hears, and explains what it misses."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.audio.media import MULAW_8K
from opusagent.errors import PeerGone, RemoteProtocolError
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.realtime.codec import parse_server_event, render, render_append
from opusagent.realtime.events import (
    ErrorDetail,
    ErrorEvent,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferSpeechStarted,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    ResponseOutputAudioDelta,
    Session,
    SessionUpdate,
    UnknownEvent,
)
from opusagent.testing.memory import memory_pair
from opusagent.testing.model import Heard, NotSaid, ScriptedModel
from opusagent.units import LoopTime


@asynccontextmanager
async def a_model() -> AsyncGenerator[tuple[ScriptedModel, MessageSocket]]:
    """A model that listens, and the bridge's end of its socket."""
    bridge, service = memory_pair(MODEL)
    model = ScriptedModel(service)
    with trio.fail_after(60):
        async with trio.open_nursery() as stage:
            stage.start_soon(model.listen)
            yield model, bridge
            await bridge.close()


async def told(bridge: MessageSocket, count: int) -> list[str]:
    return [parse_server_event(await bridge.receive()).type for _ in range(count)]


async def test_it_opens_as_the_service_does(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge), trio.open_nursery() as stage:
        stage.start_soon(_configure, bridge)
        update = await model.opening()
        assert update == SessionUpdate(event_id="u", session=Session(instructions="hi"))


async def _configure(bridge: MessageSocket) -> None:
    assert await told(bridge, 1) == ["session.created"]
    await bridge.send(render(SessionUpdate(event_id="u", session=Session(instructions="hi"))))
    assert await told(bridge, 1) == ["session.updated"]


async def test_it_keeps_everything_with_its_time_and_joins_the_audio(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        begin = trio.current_time()
        await bridge.send(render_append(b"ab"))
        await trio.sleep(2)
        await bridge.send(render_append(b"cd"), '{"type":"new.event"}')
        assert await model.expect_audio(4) == b"abcd"
        await wait_all_tasks_blocked()
        assert model.heard == [
            Heard(LoopTime(begin), InputAudioBufferAppend(audio=b"ab")),
            Heard(LoopTime(begin + 2), InputAudioBufferAppend(audio=b"cd")),
            Heard(LoopTime(begin + 2), UnknownEvent("new.event")),
        ]
        assert model.said(InputAudioBufferAppend) == [
            InputAudioBufferAppend(audio=b"ab"),
            InputAudioBufferAppend(audio=b"cd"),
        ]


async def test_expecting_goes_forward_through_what_was_said(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        await bridge.send(*[render(ResponseCreate(event_id=name)) for name in "ab"], render(ResponseCancel()))
        assert await model.expect(ResponseCreate) == ResponseCreate(event_id="a")
        assert await model.expect(ResponseCancel) == ResponseCancel()
        with pytest.raises(NotSaid):
            await model.expect(ResponseCreate)


async def test_what_is_missed_is_explained_in_bounded_time(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        await bridge.send(render_append(b"ab"), render_append(b"ab"), render(InputAudioBufferCommit()))
        begin = trio.current_time()
        with pytest.raises(NotSaid) as missed:
            await model.expect(ResponseCreate, within=3)
        assert trio.current_time() - begin == 3
        assert str(missed.value) == (
            "ResponseCreate did not come within 3 s. Since the last event that was expected the bridge said: "
            "2 x input_audio_buffer.append, 1 x input_audio_buffer.commit."
        )
        with pytest.raises(NotSaid, match=r"^4 of 5 bytes of audio came\."):
            await model.expect_audio(5)


async def test_a_bridge_that_left_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        await bridge.close(1000, "done")
        begin = trio.current_time()
        with pytest.raises(NotSaid, match=r"ResponseCreate never came: the connection was closed with 1000: done"):
            await model.expect(ResponseCreate)
        assert isinstance(model.left, PeerGone)
        assert trio.current_time() == begin


async def test_saying_something_is_a_whole_response_with_its_pauses(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        begin = trio.current_time()
        audio = bytes(range(200)) * 16
        await model.say("item_1", audio, response_id="resp_1", chunk_ms=100, pause=0.5, transcript="hi", media=MULAW_8K)
        assert trio.current_time() - begin == 1.5
        events = [parse_server_event(await bridge.receive()) for _ in range(15)]
        assert [event.type for event in events] == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            *["response.output_audio.delta"] * 4,
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        deltas = [event.delta for event in events if isinstance(event, ResponseOutputAudioDelta)]
        assert deltas == [audio[start : start + 800] for start in range(0, 3200, 800)]
        assert len({event.event_id for event in events if not isinstance(event, UnknownEvent)}) == 15


async def test_it_hears_the_caller_and_cancels_on_command(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        await model.speech_started("item_7", at_ms=1200)
        await model.response_done("resp_1", status="cancelled", reason="turn_detected")
        await model.speech_stopped("item_7", at_ms=2000)
        started, done = [parse_server_event(await bridge.receive()) for _ in range(2)]
        assert started == InputAudioBufferSpeechStarted(event_id="event_0000", item_id="item_7", audio_start_ms=1200)
        assert isinstance(done, ResponseDone)
        assert done.response.status == "cancelled"
        assert await told(bridge, 4) == [
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ]


async def test_it_misbehaves_on_command(autojump_clock: MockClock) -> None:
    async with a_model() as (model, bridge):
        await model.send_text("garbage")
        assert await bridge.receive() == "garbage"
        await model.error("response_cancel_not_active", "no", event_id="c")
        detail = ErrorDetail(
            type="invalid_request_error", code="response_cancel_not_active", message="no", event_id="c"
        )
        assert parse_server_event(await bridge.receive()) == ErrorEvent(event_id="event_0000", error=detail)
        await model.hang_up(1011, "oops")
        with pytest.raises(PeerGone, match="oops") as left:
            await bridge.receive()
        assert left.value.code == 1011


async def test_a_bridge_that_says_what_is_no_event_fails_the_script() -> None:
    bridge, service = memory_pair(MODEL)
    await bridge.send("garbage")
    with pytest.raises(RemoteProtocolError):
        await ScriptedModel(service).listen()
