"""Whether the process nears the memory that it may have: then it takes no new calls, so that those it has live.

The bound is the control group's (`MemoryMax=` of a unit; cgroups(7), version 2), where going beyond it is death.
"""

import os
from pathlib import Path
from typing import Final

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.daemon.roster import Roster

SHARE: Final = 0.7
"""Of what the process may have: the rest is for the calls that there are, and for what the kernel keeps for us."""

LOOK_SECONDS: Final = 1.0
_GROUPS: Final = Path("/sys/fs/cgroup")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

log: FilteringBoundLogger = structlog.get_logger()


def is_short(held: int, limit: int | None) -> bool:
    """Whether `held` bytes leave too little of `limit`, None: no limit.

    >>> is_short(600, 1000), is_short(700, 1000), is_short(10**12, None)
    (False, True, False)
    """
    return limit is not None and held >= SHARE * limit


def memory_limit(own: Path = Path("/proc/self/cgroup"), groups: Path = _GROUPS) -> int | None:
    """What this process may have, in bytes: the least of its control group and of those above it. None without one."""
    try:
        line = next(line for line in own.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, StopIteration):
        return None
    group = groups / line.removeprefix("0::/")
    limits = [_limit_in(each / "memory.max") for each in (group, *group.parents) if each.is_relative_to(groups)]
    return min((each for each in limits if each is not None), default=None)


def memory_held(statm: Path = Path("/proc/self/statm")) -> int:
    """The bytes that this process holds (proc(5), resident)."""
    return int(statm.read_text().split()[1]) * _PAGE


async def mind_memory(roster: Roster) -> None:
    """Look at it every second, for ever, if there is a limit. New calls are refused while it is short."""
    limit = memory_limit()
    while limit is not None:
        held = memory_held()
        if is_short(held, limit) != roster.is_short_of_memory:
            roster.is_short_of_memory = not roster.is_short_of_memory
            say = log.warning if roster.is_short_of_memory else log.info
            say("memory", short=roster.is_short_of_memory, held_mb=held >> 20, limit_mb=limit >> 20)
        await trio.sleep(LOOK_SECONDS)
    await trio.lowlevel.checkpoint()


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
