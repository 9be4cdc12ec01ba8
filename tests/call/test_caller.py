"""Whom a caller has dialled, where a platform says it only when it has been told that the call is taken."""

import attrs
import pytest
import trio

from opusagent.call.caller import NAMED_SECONDS, PART_SECONDS, Caller, answer, hear_whom, part
from opusagent.errors import PeerGone
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    BridgeMessage,
    SessionAccepted,
    SessionEnd,
    SessionInitiate,
    UserStreamStart,
    UserStreamStarted,
    parse_bridge_message,
    render,
)
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.platforms.dialect import Unknown
from opusagent.testing.memory import MemorySocket, memory_pair

ID = "conversation-1"
START = Activities(
    conversationId=ID,
    activities=(Activity(type="event", name="start", parameters={"caller": "+1", "callee": "+15550199", "x": "y"}),),
)
SOUND = UserStreamStart(conversationId=ID)
END = SessionEnd(conversationId=ID, reason="gone")


async def put_through() -> tuple[MemorySocket, Caller]:
    """A platform that has put a caller through, and the caller."""
    platform, ours = memory_pair()
    await platform.send(
        render(
            SessionInitiate(conversationId=ID, botName="b", caller="+15550100", supportedMediaFormats=("raw/mulaw",))
        )
    )
    caller = await answer(ours, AudioCodesDialect())
    assert isinstance(caller, Caller)
    return platform, caller


async def next_said(platform: MemorySocket) -> BridgeMessage | Unknown:
    """What the bridge says next, within a second."""
    with trio.fail_after(1):
        return parse_bridge_message(await platform.receive())


@pytest.mark.parametrize("order", [(START,), (SOUND, START)])
async def test_it_is_told_of_once_the_call_is_taken_and_sound_waits_for_it(
    order: tuple[Activities | UserStreamStart, ...], autojump_clock: trio.testing.MockClock
) -> None:
    platform, caller = await put_through()
    await platform.send(*map(render, order))
    named = await hear_whom(caller)
    assert named.started == attrs.evolve(caller.started, callee="+15550199", parameters={"x": "y"}, is_listening=True)
    said = [await next_said(platform) for _ in order]
    assert said == [SessionAccepted(mediaFormat="raw/mulaw"), UserStreamStarted()][: len(order)]
    assert named.dialect.accept() == []
    assert autojump_clock.current_time() < NAMED_SECONDS


async def test_who_is_not_named_in_time_is_nobody_in_particular(autojump_clock: trio.testing.MockClock) -> None:
    _, caller = await put_through()
    began = autojump_clock.current_time()
    named = await hear_whom(caller)
    assert (named.started.callee, named.started.is_listening) == ("", True)
    assert autojump_clock.current_time() - began == pytest.approx(NAMED_SECONDS)


async def test_a_caller_who_leaves_meanwhile_has_left(autojump_clock: trio.testing.MockClock) -> None:
    platform, caller = await put_through()
    await platform.send(render(END))
    with pytest.raises(PeerGone, match="before it was said whom they dialled: gone"):
        await hear_whom(caller)
    assert autojump_clock.current_time() < NAMED_SECONDS


async def test_a_refusal_behind_the_taking_is_a_hang_up_that_the_platform_agrees_to(
    autojump_clock: trio.testing.MockClock,
) -> None:
    platform, caller = await put_through()
    await platform.send(render(START), render(SOUND), render(END))
    named = await hear_whom(caller)
    began = autojump_clock.current_time()
    await part(named.seat.line.socket, named.dialect, "no agent")
    said = [await next_said(platform) for _ in range(2)]
    hangup = Activity(type="event", name="hangup", activityParams={"hangupReason": "no agent"})
    assert said[1] == Activities(activities=(hangup,))
    assert autojump_clock.current_time() - began < PART_SECONDS
