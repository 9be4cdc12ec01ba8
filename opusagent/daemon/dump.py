"""What every task is doing, as text: for the log of a daemon that somebody has asked how it is (SIGUSR1)."""

from collections.abc import Iterator

import trio

MOST_LINES = 2000
"""Of a dump. A tree that is larger has a leak in it, and shows it on less."""


def task_tree() -> list[str]:
    """One line a task, indented by nursery: its name, and the line of our code, or whose ever, where it waits."""
    root = trio.lowlevel.current_root_task()
    if root is None:
        return []
    lines = list(_lines(root, 0))
    return [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else lines


def _lines(task: trio.lowlevel.Task, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{task.name} {_place(task)}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _lines(child, depth + 1)


def _place(task: trio.lowlevel.Task) -> str:
    """The innermost line of this program where `task` waits."""
    places = [
        f"{frame.f_code.co_filename.rpartition('opusagent/')[2]}:{line} {frame.f_code.co_name}"
        for frame, line in task.iter_await_frames()
        if "opusagent/" in frame.f_code.co_filename
    ]
    return f"at {places[-1]}" if places else ""
