"""The embedded backend misbehaves on request: in memory and in virtual time, and the same on a real port."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.errors import GOING_AWAY, PeerGone, PeerRefused, PeerStalled, RemoteProtocolError
from opusagent.local.answers import Pace
from opusagent.local.faults import GARBAGE, MOST_GARBAGE, At, Err, Fault, Mischief, Misdeed, Mishap, ShutDoor
from opusagent.local.server import Trouble, new_session, run_session, serve_local
from opusagent.local.voices import Parrot
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.realtime.codec import parse_server_event, render
from opusagent.realtime.events import (
    ErrorDetail,
    ErrorEvent,
    ResponseCreate,
    ResponseDone,
    SessionCreated,
)
from opusagent.testing.memory import memory_pair
from opusagent.units import LoopTime

PACE = Pace(thinking=0.01, speed=50.0)
IMPATIENT = attrs.evolve(MODEL, ping_seconds=0.3, pong_seconds=0.3, close_seconds=0.3)
T0 = LoopTime(100.0)

Backend = Callable[[Sequence[Fault], list[str]], AbstractAsyncContextManager[MessageSocket]]


# -- deciding ---------------------------------------------------------------------------------------------------------


def test_a_door_is_shut_for_some_dials_behind_some() -> None:
    shut = ShutDoor(429, 2, after=1, times=2)
    mischief = Mischief((shut,))
    assert [mischief.on_dial() for _ in range(5)] == [None, shut, shut, None, None]


def test_a_door_that_is_shut_for_good_stays_shut() -> None:
    shut = ShutDoor(503, times=None)
    mischief = Mischief((shut,))
    assert [mischief.on_dial() for _ in range(100)] == [shut] * 100


def test_doors_are_shut_one_after_the_other() -> None:
    first, then = ShutDoor(429), ShutDoor(500, after=1)
    mischief = Mischief((first, then))
    assert [mischief.on_dial() for _ in range(3)] == [first, then, None]


def test_a_deed_is_due_some_seconds_after_the_nth_event_of_a_kind() -> None:
    prank = Mischief((Mishap(Misdeed.STALL, At("error", nth=2, seconds=1.5)),)).session()
    error = ErrorEvent(error=ErrorDetail(type="error"))
    dues: list[LoopTime | None] = []
    for _ in range(2):
        prank.notice([error], T0)
        dues.append(prank.next_due)
    assert dues == [None, LoopTime(T0 + 1.5)]
    assert [prank.take(LoopTime(T0 + late)) for late in (0, 1.5, 3)] == [None, Misdeed.STALL, None]


def test_a_deed_is_done_in_as_many_sessions_as_were_asked_for() -> None:
    error = [ErrorEvent(error=ErrorDetail(type="error"))]
    for times, expected in ((1, 1), (2, 2), (None, 3)):
        mischief, done = Mischief((Mishap(Misdeed.VANISH, At("error"), times),)), 0
        for _ in range(3):
            prank = mischief.session()
            prank.notice(error, T0)
            done += prank.take(T0) is Misdeed.VANISH
        assert done == expected


def test_the_first_sessions_may_be_spared() -> None:
    error = [ErrorEvent(error=ErrorDetail(type="error"))]
    mischief = Mischief((Mishap(Misdeed.FREEZE, At("error"), after=1),))
    pranks = [mischief.session() for _ in range(2)]
    for prank in pranks:
        prank.notice(error, T0)
    assert [prank.take(T0) for prank in pranks] == [None, Misdeed.FREEZE]


def test_nothing_of_the_garbage_can_be_read() -> None:
    for text in GARBAGE:
        with pytest.raises(RemoteProtocolError):
            parse_server_event(text)


# -- performing -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def in_memory(faults: Sequence[Fault], told: list[str]) -> AsyncGenerator[MessageSocket]:
    """A client of a session that these faults befall."""
    client, server = memory_pair(MODEL)
    trouble = Trouble(Mischief(faults).session(), server, told.append)
    with trio.fail_after(3600):
        async with trio.open_nursery() as service:
            service.start_soon(run_session, server, new_session("m", Parrot(), PACE), trouble)
            yield client
            await client.close()
            service.cancel_scope.cancel()


@asynccontextmanager
async def on_a_port(faults: Sequence[Fault], told: list[str]) -> AsyncGenerator[MessageSocket]:
    """The same over TCP on loopback, with a backend of its own."""
    serve = partial(serve_local, pace=PACE, mischief=Mischief(faults), tell=told.append)
    with trio.fail_after(30):
        async with trio.open_nursery() as world:
            socket = await connect(world, f"{await world.start(serve)}?model=m", [], IMPATIENT)
            yield socket
            await socket.close()
            world.cancel_scope.cancel()


async def first_words(socket: MessageSocket) -> None:
    """The session begins, and a response is asked for."""
    assert isinstance(parse_server_event(await socket.receive()), SessionCreated)
    await socket.send(render(ResponseCreate()))


async def hear_for_ever(socket: MessageSocket) -> None:
    while True:
        await socket.receive()


async def until_done(socket: MessageSocket) -> list[ErrorEvent]:
    """Hear a response to its end, and what errors came meanwhile."""
    errors: list[ErrorEvent] = []
    while not isinstance(event := parse_server_event(await socket.receive()), ResponseDone):
        errors += [event] if isinstance(event, ErrorEvent) else []
    return errors


IN_AN_ANSWER = At("response.created", seconds=0.01)

LOSSES = [
    (Misdeed.VANISH, PeerGone, 1006),
    (Misdeed.HALF_CLOSE, PeerGone, 1006),
    (Misdeed.FREEZE, PeerStalled, None),
    (Err("session_expired", "over", closes=GOING_AWAY), PeerGone, GOING_AWAY),
    (Err("invalid_api_key", "no", closes=4000), PeerGone, 4000),
]


async def check_loss(backend: Backend, deed: Misdeed | Err, lost: type[Exception], code: int | None) -> None:
    told: list[str] = []
    async with backend([Mishap(deed, IN_AN_ANSWER)], told) as socket:
        await first_words(socket)
        with pytest.raises((PeerGone, PeerStalled)) as error:
            await hear_for_ever(socket)
    found = error.value.code if isinstance(error.value, PeerGone) else None
    assert (type(error.value), found, told) == (lost, code, [deed.value])


@pytest.mark.parametrize(("deed", "lost", "code"), LOSSES)
async def test_a_session_is_lost_in_memory(
    autojump_clock: MockClock, deed: Misdeed | Err, lost: type[Exception], code: int | None
) -> None:
    await check_loss(in_memory, deed, lost, code)


@pytest.mark.parametrize(("deed", "lost", "code"), LOSSES)
async def test_a_session_is_lost_on_a_port(deed: Misdeed | Err, lost: type[Exception], code: int | None) -> None:
    await check_loss(on_a_port, deed, lost, code)


@pytest.mark.parametrize("backend", [in_memory, on_a_port])
async def test_garbage_comes_in_the_middle_of_an_answer_and_the_answer_goes_on(backend: Backend) -> None:
    async with backend([Mishap(Misdeed.BABBLE, IN_AN_ANSWER)], []) as socket:
        await first_words(socket)
        garbage = 0
        while (text := await socket.receive()) in GARBAGE or parse_server_event(text).type != "response.done":
            garbage += text in GARBAGE
    assert garbage == MOST_GARBAGE


async def test_a_model_that_stalls_is_silent_and_answers_pings(autojump_clock: MockClock) -> None:
    """In memory a frozen peer is noticed after three seconds; one that stalls is not."""
    async with in_memory([Mishap(Misdeed.STALL, At("response.created"))], []) as socket:
        await first_words(socket)
        with trio.move_on_after(600) as patience:
            while True:
                assert parse_server_event(await socket.receive()).type != "response.output_audio.delta"
        assert patience.cancelled_caught


async def test_a_recoverable_error_is_said_and_the_session_goes_on(autojump_clock: MockClock) -> None:
    error = Err("server_error", "try again")
    async with in_memory([Mishap(error, IN_AN_ANSWER)], []) as socket:
        await first_words(socket)
        assert [event.error for event in await until_done(socket)] == [error.detail]


async def test_a_shut_door_answers_in_http_and_says_when_to_come_again() -> None:
    told: list[str] = []
    serve = partial(serve_local, mischief=Mischief((ShutDoor(429, 7),)), tell=told.append)
    with trio.fail_after(30):
        async with trio.open_nursery() as world:
            url = f"{await world.start(serve)}?model=m"
            with pytest.raises(PeerRefused) as refused:
                await connect(world, url, [], MODEL)
            await (await connect(world, url, [], MODEL)).close()
            world.cancel_scope.cancel()
    refusal = refused.value
    assert (refusal.status, refusal.retry_after, told) == (429, 7.0, ["the model's door answers 429"])
