"""Blocking work in few trips to threads: together, in order, each with its own failure, and nothing half known of."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing

from opusagent.call.disk import MOST_TOGETHER, SharedDisk


def held(gate: threading.Event) -> None:
    """A disk that hangs until the gate opens."""
    assert gate.wait(10)


def noting(done: list[int], number: int) -> Callable[[], None]:
    return lambda: done.append(number)


async def test_what_is_wanted_at_one_moment_goes_together() -> None:
    """Twenty calls, one trip, away from the loop."""
    disk, done = SharedDisk(), list[tuple[int, bool]]()
    loop = threading.get_ident()

    def note(number: int) -> None:
        done.append((number, threading.get_ident() != loop))

    async with trio.open_nursery() as calls:
        for number in range(20):
            calls.start_soon(disk, partial(note, number))
    assert sorted(done) == [(number, True) for number in range(20)]
    assert disk.trips == 1


async def test_a_failure_belongs_to_its_piece_alone() -> None:
    disk, done = SharedDisk(), list[int]()

    async def fails() -> None:
        with pytest.raises(ZeroDivisionError):
            await disk(lambda: done.append(1 // 0))
        done.append(-1)

    async with trio.open_nursery() as calls:
        calls.start_soon(disk, lambda: done.append(1))
        calls.start_soon(fails)
        calls.start_soon(disk, lambda: done.append(2))
    assert sorted(done) == [-1, 1, 2]
    assert disk.trips == 1


async def test_no_more_trips_than_threads_and_what_waits_goes_in_the_next() -> None:
    """One thread, held: what comes meanwhile leaves together when it is back."""
    disk, gate, done = SharedDisk(threads=1), threading.Event(), list[int]()
    with trio.fail_after(10):
        async with trio.open_nursery() as calls:
            calls.start_soon(disk, lambda: held(gate))
            await trio.testing.wait_all_tasks_blocked()
            for number in range(5):
                calls.start_soon(disk, noting(done, number))
            await trio.testing.wait_all_tasks_blocked()
            assert (disk.trips, done) == (1, [])
            gate.set()
    assert (disk.trips, sorted(done)) == (2, [0, 1, 2, 3, 4])


async def test_a_thread_that_is_held_holds_no_other() -> None:
    disk, gate, done = SharedDisk(threads=2), threading.Event(), list[int]()
    with trio.fail_after(10):
        async with trio.open_nursery() as calls:
            calls.start_soon(disk, lambda: held(gate))
            await trio.testing.wait_all_tasks_blocked()
            await disk(lambda: done.append(1))
            assert done == [1]
            gate.set()


async def test_a_trip_has_a_bound() -> None:
    disk = SharedDisk()
    with trio.fail_after(10):
        async with trio.open_nursery() as calls:
            for _ in range(MOST_TOGETHER + 1):
                calls.start_soon(disk, lambda: None)
    assert disk.trips == 2


async def test_what_has_not_left_is_taken_back_and_what_has_is_waited_for() -> None:
    """Cancelled while the only thread is held: the second piece is never done, the first is done when it returns."""
    disk, gate, done = SharedDisk(threads=1), threading.Event(), list[str]()

    def first() -> None:
        held(gate)
        done.append("first")

    async def ask(scope: trio.CancelScope, work: str) -> None:
        with scope:
            await disk(first if work == "first" else lambda: done.append(work))
            done.append(f"{work} returned")

    scopes = trio.CancelScope(), trio.CancelScope()
    with trio.fail_after(10):
        async with trio.open_nursery() as calls:
            for scope, work in zip(scopes, ("first", "second"), strict=True):
                calls.start_soon(ask, scope, work)
                await trio.testing.wait_all_tasks_blocked()
            for scope in scopes:
                scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert done == []
            gate.set()
    assert done == ["first", "first returned"]


async def test_whoever_is_cancelled_asks_for_nothing() -> None:
    disk = SharedDisk()
    with trio.CancelScope() as scope:
        scope.cancel()
        await disk(lambda: None)
    assert scope.cancelled_caught
    assert disk.trips == 0


async def test_what_is_on_its_way_can_be_abandoned_and_is_done_all_the_same() -> None:
    """The thread is held, whoever waited is free at once, and what shares the trip is waited for by who still waits."""
    disk, gate, done = SharedDisk(abandon_on_cancel=True), threading.Event(), list[str]()

    async def wait_for(work: str) -> None:
        await disk(lambda: done.append(work))
        done.append(f"{work} returned")

    with trio.fail_after(10):
        async with trio.open_nursery() as calls:
            with trio.CancelScope() as scope:
                calls.start_soon(wait_for, "second")
                async with trio.open_nursery() as impatient:
                    impatient.start_soon(disk, lambda: held(gate))
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            assert (scope.cancelled_caught, disk.trips) == (True, 1)
            assert "second returned" not in done
            gate.set()
    assert done == ["second", "second returned"]


def test_a_disk_that_hangs_for_longer_than_the_program_runs_is_no_fault() -> None:
    """The thread comes back to a loop that is over, and says nothing."""
    gate, came_back = threading.Event(), threading.Event()

    def hang() -> None:
        held(gate)

    async def run() -> None:
        disk = SharedDisk(abandon_on_cancel=True)
        with trio.move_on_after(0.05):
            await disk(hang)

    trio.run(run)
    gate.set()
    trio.run(trio.to_thread.run_sync, came_back.set)
    assert came_back.is_set()
