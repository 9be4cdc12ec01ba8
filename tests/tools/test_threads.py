"""Threads for plain functions: the calls share them, and none takes more than its share."""

import threading

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.tools.threads import MOST_THREADS, THREADS_OF_A_CALL, ToolThreads
from opusagent.units import CallId

ONE, OTHER = CallId("one"), CallId("other")


def greet() -> str:
    return "hello"


def fail() -> str:
    raise LookupError("nobody")


async def test_what_a_function_returns_or_raises_comes_back() -> None:
    threads = ToolThreads()
    assert await threads.run(ONE, greet) == "hello"
    with pytest.raises(LookupError, match="nobody"):
        await threads.run(ONE, fail)
    with pytest.raises(SystemExit):
        await threads.run(ONE, exit)


async def test_as_many_functions_of_one_call_that_hang_as_there_are_threads_hold_up_no_other_call() -> None:
    """They have the threads of their call, given up or not; the next function of another call runs at once."""
    release, begun = threading.Event(), list[int]()
    threads = ToolThreads()

    def hang() -> str:
        begun.append(1)
        release.wait()
        return ""

    try:
        async with trio.open_nursery() as call:
            for _ in range(MOST_THREADS):
                call.start_soon(threads.run, ONE, hang)
            await wait_all_tasks_blocked()
            with trio.fail_after(5):
                assert await threads.run(OTHER, greet) == "hello"
            call.cancel_scope.cancel()
        with trio.fail_after(5):
            assert await threads.run(OTHER, greet) == "hello"
        assert len(begun) <= THREADS_OF_A_CALL
    finally:
        release.set()


async def test_a_function_that_was_given_up_keeps_its_place_until_it_returns(autojump_clock: MockClock) -> None:
    """And no longer: then the call has its threads again, as many as before."""
    release = threading.Event()
    threads = ToolThreads(most=2, of_a_call=1)

    def hang() -> str:
        release.wait()
        return ""

    try:
        for _ in range(2):  # the second waits for the place of the first
            with trio.move_on_after(1) as patience:
                await threads.run(ONE, hang)
            assert patience.cancelled_caught
        assert await threads.run(OTHER, greet) == "hello"
    finally:
        release.set()
    assert await threads.run(ONE, greet) == "hello"
    assert await threads.run(ONE, greet) == "hello"


async def test_who_waits_for_a_share_of_their_own_holds_up_nobody_else(autojump_clock: MockClock) -> None:
    """Three of one call, of which one runs, leave the second of two threads to others; and of all there are two."""
    release = threading.Event()
    threads = ToolThreads(most=2, of_a_call=1)

    def hang() -> str:
        release.wait()
        return ""

    try:
        async with trio.open_nursery() as calls:
            for call in (ONE, ONE, ONE):
                calls.start_soon(threads.run, call, hang)
            await wait_all_tasks_blocked()
            assert await threads.run(OTHER, greet) == "hello"
            calls.start_soon(threads.run, OTHER, hang)
            await wait_all_tasks_blocked()
            with trio.move_on_after(1) as patience:
                await threads.run(CallId("third"), greet)
            assert patience.cancelled_caught
            calls.cancel_scope.cancel()
    finally:
        release.set()
