"""What the loop's instrument tells: how evenly it turns, and which task held it. On a clock that tests turn."""

import attrs
import trio

from opusagent.daemon.loop_watch import BOUNDS, WINDOW_SECONDS, LoopWatch, Step


@attrs.define
class Clock:
    """A clock that goes when somebody works."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def work(clock: Clock, *seconds: float) -> None:
    """A task that keeps all others waiting for so long, each time that it runs."""
    for each in seconds:
        clock.now += each
        await trio.lowlevel.checkpoint()


async def rest(clock: Clock) -> None:
    await work(clock, 0.0, 0.0)


def watched(clock: Clock, watch: LoopWatch, *seconds: float) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rest, clock)
            nursery.start_soon(work, clock, *seconds)

    trio.run(main, instruments=[watch])


def test_the_task_that_held_the_loop_longest_is_named() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watched(clock, watch, 0.003, 0.25, 0.007)
    assert watch.longest() == Step(0.25, f"{__name__}.work")


def test_every_turn_is_counted_by_how_long_others_waited() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watched(clock, watch, 0.003, 0.25, 9.0)
    turns = watch.turns()
    slow = {bound: count for bound, count in zip((*BOUNDS, 99.0), turns.counts, strict=True) if count and bound > 0.001}
    assert slow == {0.005: 1, 0.5: 1, 99.0: 1}
    assert round(turns.seconds, 6) == 9.253


def test_a_long_step_is_forgotten_after_two_windows_and_not_before_one() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watched(clock, watch, 0.5)
    held = Step(0.5, f"{__name__}.work")
    clock.now += WINDOW_SECONDS
    watched(clock, watch, 0.1)
    assert watch.longest() == held
    clock.now += WINDOW_SECONDS
    watched(clock, watch, 0.01)
    assert watch.longest().seconds < 0.5


def test_on_the_computers_clock_the_watch_sees_a_task_that_blocks() -> None:
    """A real loop, held for as long as the watch itself says."""
    watch = LoopWatch()

    async def blocks() -> None:
        begun = watch.clock()
        while watch.clock() - begun < 0.05:
            pass
        await trio.lowlevel.checkpoint()

    trio.run(blocks, instruments=[watch])
    longest = watch.longest()
    assert longest.seconds >= 0.05
    assert longest.task.endswith("blocks")
