"""The embedded backend on sockets: a whole conversation in virtual time, and the same one on a real port."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import get_args

import pytest
import trio
from trio.testing import MockClock

from opusagent.audio.media import PCM16_24K
from opusagent.errors import GOING_AWAY, NORMAL_CLOSURE, PeerGone, PeerRefused
from opusagent.local.answers import Pace
from opusagent.local.server import LIMITS, new_session, run_session, serve_local
from opusagent.local.session import EXPIRED
from opusagent.local.voices import Parrot, chime
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.realtime.codec import parse_server_event, render, render_append
from opusagent.realtime.events import (
    ErrorEvent,
    InputAudioBufferSpeechStarted,
    ResponseCreate,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    Session,
    SessionClose,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    UnknownEvent,
)
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.units import Ms
from property_tests.strategies_local import quiet, words

PACE = Pace(thinking=0.01, speed=50.0)


async def heard(socket: MessageSocket) -> ServerEvent:
    event = parse_server_event(await socket.receive())
    assert not isinstance(event, UnknownEvent)
    return event


async def heard_until(socket: MessageSocket, kind: type[ServerEvent]) -> list[ServerEvent]:
    assert kind in get_args(ServerEvent)
    events = [await heard(socket)]
    while not isinstance(events[-1], kind):
        events.append(await heard(socket))
    return events


def sound(events: Sequence[ServerEvent]) -> bytes:
    return b"".join(event.delta for event in events if isinstance(event, ResponseOutputAudioDelta))


def appends(audio: bytes) -> list[str]:
    size = PCM16_24K.bytes_of(Ms(40))
    return [render_append(audio[start : start + size]) for start in range(0, len(audio), size)]


async def converse(socket: MessageSocket) -> None:
    """Open, be greeted, be answered, be refused, and leave."""
    assert isinstance(await heard(socket), SessionCreated)
    await socket.send(render(SessionUpdate(session=Session(instructions="Be brief."))))
    updated = await heard(socket)
    assert isinstance(updated, SessionUpdated)
    assert updated.session.instructions == "Be brief."
    await socket.send(render(ResponseCreate()))
    assert sound(await heard_until(socket, ResponseDone)) == chime()
    for message in appends(words(1000) + quiet(600)):
        await socket.send(message)
    answer = await heard_until(socket, ResponseDone)
    assert isinstance(answer[0], InputAudioBufferSpeechStarted)
    assert sound(answer) == words(1000) + quiet(60)
    await socket.send("no event")
    assert isinstance(await heard(socket), ErrorEvent)
    await socket.send(render(SessionClose()))
    with pytest.raises(PeerGone) as left:
        await heard(socket)
    assert left.value.code == NORMAL_CLOSURE


@asynccontextmanager
async def a_session() -> AsyncGenerator[MemorySocket]:
    """A client's socket, on whose other end a session runs; it has ended when this ends."""
    client, server = memory_pair(MODEL)
    with trio.fail_after(7200):
        async with trio.open_nursery() as service:
            service.start_soon(run_session, server, new_session("m", Parrot(), PACE))
            yield client


@asynccontextmanager
async def a_port() -> AsyncGenerator[tuple[str, trio.Nursery]]:
    """The URL of a real port, and where a client's plumbing may live."""
    with trio.fail_after(10):
        async with trio.open_nursery() as world:
            yield str(await world.start(partial(serve_local, pace=PACE))), world
            world.cancel_scope.cancel()


async def test_a_conversation_in_memory_and_in_virtual_time(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        await converse(client)


async def test_the_same_conversation_on_a_real_port() -> None:
    async with a_port() as (url, world):
        await converse(await connect(world, f"{url}?model=m", [("authorization", "Bearer any")], MODEL))


async def test_two_sessions_of_one_port_do_not_share_anything() -> None:
    async with a_port() as (url, world):
        first, second = [await connect(world, f"{url}?model=m", [], MODEL) for _ in range(2)]
        created = [await heard(first), await heard(second)]
        ids = {event.session.id for event in created if isinstance(event, SessionCreated)}
        assert len(ids) == 2
        async with trio.open_nursery() as clients:
            for socket in (first, second):
                clients.start_soon(_be_greeted, socket)


async def _be_greeted(socket: MessageSocket) -> None:
    await socket.send(render(ResponseCreate()))
    assert sound(await heard_until(socket, ResponseDone)) == chime()
    await socket.close()


async def test_deltas_come_when_they_are_due(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        await heard(client)
        begin = trio.current_time()
        await client.send(render(ResponseCreate()))
        await heard_until(client, ResponseDone)
        assert trio.current_time() - begin == pytest.approx(0.01 + 0.6 / 50)
        await client.close()


async def test_a_client_that_leaves_in_the_middle_of_an_answer_ends_its_session(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        await client.send(render(ResponseCreate()))
        await heard_until(client, ResponseOutputAudioDelta)
        client.vanish()


async def test_a_client_that_does_not_read_ends_its_session(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        client.stall()


async def test_a_client_that_asks_without_reading_ends_its_session(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        with pytest.raises(PeerGone):
            await _ask_for_ever(client)


async def _ask_for_ever(client: MessageSocket) -> None:
    while True:
        await client.send("no event")


async def test_after_an_hour_the_socket_is_closed_with_a_reason(autojump_clock: MockClock) -> None:
    async with a_session() as client:
        await heard_until(client, ErrorEvent)
        with pytest.raises(PeerGone, match=EXPIRED) as left:
            await client.receive()
        assert left.value.code == GOING_AWAY


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("", [], "missing_model"),
        ("?model=", [], "missing_model"),
        ("?model=m", [("openai-beta", "realtime=v1")], "beta_api_shape_disabled"),
    ],
)
async def test_who_asks_for_no_session_is_told_so_and_closed_with_4000(
    query: str, headers: list[tuple[str, str]], code: str
) -> None:
    async with a_port() as (url, world):
        socket = await connect(world, url + query, headers, MODEL)
        refusal = await heard(socket)
        assert isinstance(refusal, ErrorEvent)
        assert refusal.error.code == code
        with pytest.raises(PeerGone) as left:
            await socket.receive()
        assert left.value.code == 4000


async def test_another_path_is_not_found() -> None:
    async with a_port() as (url, world):
        with pytest.raises(PeerRefused) as refused:
            await connect(world, url + "/sessions?model=m", [], MODEL)
        assert refused.value.status == 404


async def test_a_plain_request_is_asked_to_upgrade() -> None:
    async with a_port() as (url, _):
        host, port = url.removeprefix("ws://").partition("/")[0].split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            await stream.send_all(b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await stream.receive_some(64)).startswith(b"HTTP/1.1 426 ")


async def test_an_append_may_hold_15_mib() -> None:
    assert LIMITS.message_bytes > len(render_append(bytes(15 * 1024 * 1024)))
    await trio.lowlevel.checkpoint()
