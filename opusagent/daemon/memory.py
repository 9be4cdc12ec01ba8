"""Whether the process nears the memory that it may have: then it takes no new calls, so that those it has live.

The bound is that of the control group (`MemoryMax=` of a unit; cgroups(7), version 2), where going beyond it is death.
What counts against it is what all processes of the group hold together: while one takes over from another there are two
of them, and either may be killed for what both hold. What of files the kernel keeps while there is room does not count.
"""

from pathlib import Path
from typing import Final

import attrs
import structlog
import trio
from structlog.typing import FilteringBoundLogger

from opusagent.daemon.roster import Roster

SHARE: Final = 0.7
"""Of what the group may have: the rest is for the calls that there are, and for what the kernel keeps for us."""

ROOM: Final = 0.65
"""The share below which there is room again."""

LOOK_SECONDS: Final = 1.0

KEPT: Final = frozenset({"anon", "shmem", "sock", "slab_unreclaimable"})
"""What the kernel cannot take back, as `memory.stat` names it."""

_GROUPS: Final = Path("/sys/fs/cgroup")

log: FilteringBoundLogger = structlog.get_logger()


@attrs.frozen
class Use:
    """The bytes that a control group holds, of those that it may."""

    held: int
    limit: int

    def is_short(self, *, before: bool) -> bool:
        """Whether that leaves too little; `before`: whether it did when that was asked last.

        >>> [Use(held, 1000).is_short(before=before) for held, before in ((690, False), (700, False), (690, True))]
        [False, True, True]
        """
        return self.held >= (ROOM if before else SHARE) * self.limit


def control_groups(own: Path = Path("/proc/self/cgroup"), groups: Path = _GROUPS) -> tuple[Path, ...]:
    """This process's control group and those above it. None where there are none of version 2."""
    try:
        line = next(line for line in own.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, StopIteration):
        return ()
    group = groups / line.removeprefix("0::/")
    return tuple(each for each in (group, *group.parents) if each.is_relative_to(groups))


def memory_use(groups: tuple[Path, ...]) -> Use | None:
    """That of the group that has least left, of those that are limited; None if none is."""
    uses = [use for use in map(_use, groups) if use is not None]
    return max(uses, key=lambda use: use.held / max(1, use.limit), default=None)


async def mind_memory(roster: Roster, groups: tuple[Path, ...] | None = None) -> None:
    """Look at it every second, for ever, if there are control groups. New calls are refused while it is short."""
    watched = control_groups() if groups is None else groups
    while watched:
        use = memory_use(watched)
        is_short = use is not None and use.is_short(before=roster.is_short_of_memory)
        if is_short != roster.is_short_of_memory:
            roster.is_short_of_memory = is_short
            held, limit = (0, 0) if use is None else (use.held >> 20, use.limit >> 20)
            (log.warning if is_short else log.info)("memory", short=is_short, held_mb=held, limit_mb=limit)
        await trio.sleep(LOOK_SECONDS)
    await trio.lowlevel.checkpoint()


def _use(group: Path) -> Use | None:
    try:
        limit = (group / "memory.max").read_text().strip()
        if not limit.isdecimal():
            return None
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return Use(sum(int(stat.get(name, "0")) for name in KEPT), int(limit))
    except (OSError, ValueError):
        return None
