"""The caller's seat: who sits there, who comes next, and who is told that nobody needs him any more."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.call.seat import CallerSeat
from opusagent.errors import LocalProtocolError
from opusagent.testing.memory import MemorySocket, memory_pair


def a_socket() -> MemorySocket:
    return memory_pair()[0]


async def test_a_newcomer_sits_when_the_call_lets_it_and_is_kept_until_it_is_not_needed(
    autojump_clock: MockClock,
) -> None:
    first, second = a_socket(), a_socket()
    seat = CallerSeat(first)
    async with trio.open_nursery() as owners:
        owners.start_soon(seat.occupy, second)
        await seat.newcomer()
        assert seat.line.socket is first
        old = seat.line
        seat.change()
        assert (seat.line.socket, old.released.is_set()) == (second, True)
        seat.vacate()


async def test_of_two_newcomers_the_last_one_sits_and_the_other_is_let_go(autojump_clock: MockClock) -> None:
    seat, second, third = CallerSeat(a_socket()), a_socket(), a_socket()
    async with trio.open_nursery() as owners:
        async with trio.open_nursery() as released:
            released.start_soon(seat.occupy, second)
            await wait_all_tasks_blocked()
            owners.start_soon(seat.occupy, third)
        seat.change()
        assert seat.line.socket is third
        seat.vacate()


async def test_nobody_waits_for_a_call_that_is_over(autojump_clock: MockClock) -> None:
    """Neither who waited already nor who comes while the recording is being finished; both are told that it is over."""
    seat, had_a_call = CallerSeat(a_socket()), list[bool]()

    async def come() -> None:
        had_a_call.append(await seat.occupy(a_socket()))

    async with trio.open_nursery() as owners:
        owners.start_soon(come)
        await wait_all_tasks_blocked()
        seat.vacate()
    with trio.fail_after(1):
        await come()
    assert had_a_call == [False, False]


async def test_who_was_seated_or_gave_way_to_another_had_a_call(autojump_clock: MockClock) -> None:
    """Nobody is told that a call is over which goes on over another socket, or which said so itself."""
    seat, had_a_call = CallerSeat(a_socket()), list[bool]()

    async def come() -> None:
        had_a_call.append(await seat.occupy(a_socket()))

    async with trio.open_nursery() as owners:
        for _ in range(2):
            owners.start_soon(come)
            await wait_all_tasks_blocked()
        assert had_a_call == [True]
        seat.change()
        seat.vacate()
    assert had_a_call == [True, True]


def test_a_seat_cannot_change_without_a_newcomer() -> None:
    with pytest.raises(LocalProtocolError):
        CallerSeat(a_socket()).change()
