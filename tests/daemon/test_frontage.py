"""The port while configurations come and go: who is let in by which of them."""

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.call.seat import CallerSeat
from opusagent.daemon.admission import COMPLAINT_SECONDS, Refusal, Rules, Slot
from opusagent.daemon.config import AudioCodes, Config, Limits, Secret, Server, Twilio
from opusagent.daemon.frontage import Frontage
from opusagent.daemon.observer import Observer
from opusagent.daemon.roster import Roster
from opusagent.net.auth import BearerTokens
from opusagent.net.http import Request, Response, Upgrade
from opusagent.platforms.audiocodes import SessionError, SessionInitiate, SessionResume, parse_bridge_message, render
from opusagent.testing.memory import memory_pair
from opusagent.units import LoopTime
from tests.daemon.generations import generation
from tests.daemon.test_roster import conversation

OLD, NEW = "the-old-token", "the-new-token"
BEFORE = Config(audiocodes=AudioCodes(tokens=(Secret(OLD),)), twilio=Twilio(insecure=True))
AFTER = attrs.evolve(BEFORE, audiocodes=AudioCodes(tokens=(Secret(NEW),), path="/elsewhere"))


def dialled(path: str, token: str = "", conversation: str | None = None) -> Request:
    headers = (("upgrade", "websocket"), ("authorization", f"Bearer {token}"))
    named = () if conversation is None else (("ac-conversation-id", conversation),)
    return Request("GET", path, headers=(*headers, *named))


async def front(*, ready: bool = True) -> tuple[Frontage, Roster]:
    roster = Roster()
    return Frontage(await generation(1, BEFORE), roster, Observer(), lambda: ready), roster


async def status(frontage: Frontage, request: Request) -> int:
    answer = await frontage.answer(request)
    return answer.status if isinstance(answer, Response) else 101


async def test_readiness_is_yes_or_no_and_tells_nothing_else() -> None:
    ready, _ = await front()
    draining, _ = await front(ready=False)
    asked = Request("GET", "/readyz")
    assert await ready.answer(asked) == Response(200, b"ready\n")
    assert await draining.answer(asked) == Response(503, b"not ready\n")


@pytest.mark.parametrize("path", ["/twilio/media", "/audiocodes"])
async def test_a_web_page_may_not_call_where_nothing_has_to_be_shown(path: str) -> None:
    """Somebody's browser on this machine reaches the loopback address, and says for which page it asks."""
    config = Config(audiocodes=AudioCodes(insecure=True), twilio=Twilio(insecure=True))
    roster = Roster()
    frontage = Frontage(await generation(1, config), roster, Observer(), lambda: True)
    page = Request("GET", path, headers=(("upgrade", "websocket"), ("origin", "https://example.net")))
    assert await frontage.answer(page) == Response(403, b"web pages may not call\n")
    assert (await status(frontage, dialled(path)), roster.admission.refusals()[Refusal.WEB_PAGE]) == (101, 1)


async def test_a_closed_door_refuses_streams_with_503_and_when_to_come_again() -> None:
    frontage, roster = await front()
    assert await status(frontage, dialled("/twilio/media")) == 101
    roster.close_door()
    assert await frontage.answer(dialled("/twilio/media")) == Response(
        503, b"draining: no new calls\n", headers=(("retry-after", "5"),)
    )


async def test_tokens_and_paths_are_those_of_the_generation_in_force() -> None:
    frontage, _ = await front()
    assert [await status(frontage, dialled("/audiocodes", token)) for token in (OLD, NEW)] == [101, 401]
    frontage.follow(await generation(2, AFTER))
    assert frontage.generation.number == 2
    assert [await status(frontage, dialled("/elsewhere", token)) for token in (OLD, NEW)] == [401, 101]
    assert await status(frontage, dialled("/audiocodes", OLD)) == 404


async def test_a_running_call_is_resumed_as_it_came_and_nobody_else_comes_in_by_that() -> None:
    """The token was taken back and the path moved: its call goes on, a new one with it is sent away."""
    frontage, roster = await front()
    ours, _ = memory_pair()
    call = conversation("a", generation=1)
    name = BearerTokens([OLD]).recognise(f"Bearer {OLD}")
    assert name is not None
    seat = CallerSeat(ours)
    with roster.seats.kept((name, "conversation-1"), seat), roster.listed(call):
        frontage.follow(await generation(2, AFTER))
        assert await status(frontage, dialled("/audiocodes", "another-token")) == 404
        back = await frontage.answer(dialled("/audiocodes", OLD))
        new = await frontage.answer(dialled("/audiocodes", OLD))
        assert isinstance(back, Upgrade)
        assert isinstance(new, Upgrade)
        with trio.fail_after(20):
            await _resume(back, seat)
            await _is_sent_away(new)
    assert await status(frontage, dialled("/audiocodes", OLD)) == 404


async def _resume(granted: Upgrade, seat: CallerSeat) -> None:
    platform, ours = memory_pair()
    await platform.send(render(SessionResume(conversationId="conversation-1")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(granted.serve, ours)
        await seat.newcomer()
        seat.vacate()


async def _is_sent_away(granted: Upgrade) -> None:
    platform, ours = memory_pair()
    initiate = SessionInitiate(conversationId="conversation-2", supportedMediaFormats=("raw/lpcm16",))
    await platform.send(render(initiate))
    await granted.serve(ours)
    assert "not by these credentials any more" in repr(parse_bridge_message(await platform.receive()))


async def test_the_room_is_that_of_the_generation_in_force_for_the_calls_of_all() -> None:
    frontage, roster = await front()
    for _ in range(2):
        assert isinstance(roster.reserve("192.0.2.1", Rules(2), LoopTime(0.0)), Slot)
    assert await status(frontage, dialled("/twilio/media")) == 101
    frontage.follow(await generation(2, attrs.evolve(BEFORE, server=Server(max_calls=3))))
    assert await frontage.answer(dialled("/twilio/media")) == Response(
        503, b"all 3 calls are taken\n", headers=(("retry-after", "5"),)
    )
    assert roster.admission.refusals()[Refusal.FULL] == 1


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (Limits(calls_per_source=1), 429),
        (Limits(calls_per_second=0.1), 503),
        (Limits(calls_per_second_per_source=0.1), 429),
    ],
)
async def test_who_comes_back_for_a_call_is_bound_by_no_limit_on_calls_that_begin(limits: Limits, refused: int) -> None:
    """Only by the call's own name with the call's own token: whatever else is dialled counts as a new call."""
    tokens = (Secret(OLD), Secret(NEW))
    config = attrs.evolve(BEFORE, audiocodes=AudioCodes(tokens=tokens), limits=limits)
    roster = Roster()
    frontage = Frontage(await generation(1, config), roster, Observer(), lambda: True)
    assert await status(frontage, dialled("/audiocodes", OLD, "conversation-1")) == 101
    ours, _ = memory_pair()
    name = BearerTokens([OLD]).recognise(f"Bearer {OLD}")
    assert name is not None
    seat = CallerSeat(ours)
    with roster.seats.kept((name, "conversation-1"), seat), trio.fail_after(20):
        for _ in range(3):
            assert await status(frontage, dialled("/audiocodes", OLD, "conversation-1")) == 101
        back = await frontage.answer(dialled("/audiocodes", OLD, "conversation-1"))
        assert isinstance(back, Upgrade)
        await _resume(back, seat)
        assert roster.connections == 1
        others = [(OLD, "conversation-2"), (NEW, "conversation-1"), (OLD, None), ("nobody's", "conversation-1")]
        told = [await status(frontage, dialled("/audiocodes", token, named)) for token, named in others]
        assert told == [refused, refused, refused, 401]


async def test_who_names_a_call_and_begins_another_has_no_place() -> None:
    """The name in the upgrade lets a socket past the limits; what it says behind that is held to it."""
    frontage, roster = await front()
    ours, _ = memory_pair()
    name = BearerTokens([OLD]).recognise(f"Bearer {OLD}")
    assert name is not None
    with roster.seats.kept((name, "conversation-1"), CallerSeat(ours)):
        granted = await frontage.answer(dialled("/audiocodes", OLD, "conversation-1"))
        assert isinstance(granted, Upgrade)
        platform, theirs = memory_pair()
        await platform.send(
            render(SessionInitiate(conversationId="conversation-2", supportedMediaFormats=("raw/lpcm16",)))
        )
        with trio.fail_after(20):
            await granted.serve(theirs)
            assert "no room for a further call" in repr(parse_bridge_message(await platform.receive()))
    assert (roster.connections, roster.admission.refusals()[Refusal.FULL]) == (0, 1)


@pytest.mark.parametrize(
    ("limits", "why", "told"),
    [
        (Limits(calls_per_source=1), "source_full", b"all calls of this address are taken\n"),
        (Limits(calls_per_second=0.01), "too_fast", b"too many calls in a second\n"),
        (
            Limits(calls_per_second_per_source=0.01),
            "source_too_fast",
            b"too many calls in a second from this address\n",
        ),
    ],
)
async def test_who_is_refused_by_a_limit_is_told_which_and_the_log_tells_in_ten_seconds_once(
    limits: Limits, why: str, told: bytes, autojump_clock: MockClock
) -> None:
    roster = Roster()
    frontage = Frontage(await generation(1, attrs.evolve(BEFORE, limits=limits)), roster, Observer(), lambda: True)
    assert await status(frontage, dialled("/twilio/media")) == 101
    with capture_logs() as logs:
        for wait in (0, 0, 0, COMPLAINT_SECONDS):
            await trio.sleep(wait)
            answer = await frontage.answer(dialled("/twilio/media"))
            assert isinstance(answer, Response)
            assert answer.body == told
    assert [(line["event"], line["why"], line["times"], "peer" in line) for line in logs] == [
        ("refused", why, 1, True),
        ("refused", why, 3, True),
    ]
    assert roster.admission.refusals()[Refusal(why)] == 4


async def test_who_comes_back_for_a_call_that_ends_reads_that_it_is_over() -> None:
    """A mere close is a broken line by the protocol: the platform would dial once more."""
    frontage, roster = await front()
    ours, _ = memory_pair()
    name = BearerTokens([OLD]).recognise(f"Bearer {OLD}")
    assert name is not None
    seat = CallerSeat(ours)
    with roster.seats.kept((name, "conversation-1"), seat):
        granted = await frontage.answer(dialled("/audiocodes", OLD, "conversation-1"))
        assert isinstance(granted, Upgrade)
        seat.vacate()
        platform, theirs = memory_pair()
        await platform.send(render(SessionResume(conversationId="conversation-1")))
        with trio.fail_after(20):
            await granted.serve(theirs)
            assert parse_bridge_message(await platform.receive()) == SessionError(reason="the call is over")
