"""A process that nears its memory's limit takes no new calls, and takes them again when it has room."""

from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from opusagent.daemon.admission import Refusal, Rules, Slot
from opusagent.daemon.memory import LOOK_SECONDS, Use, control_groups, memory_use, mind_memory
from opusagent.daemon.roster import Roster
from opusagent.units import LoopTime

OWN = "system.slice/opusagent.service"


def groups_of(directory: Path, limits: dict[str, str], held: dict[str, str] | None = None) -> tuple[Path, ...]:
    """The control groups of a process in `OWN`, from the files that the kernel shows."""
    (directory / "cgroup").write_text(f"1:name=systemd:/elsewhere\n0::/{OWN}\n")
    for name, text in limits.items():
        place = directory / "groups" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "memory.max").write_text(f"{text}\n")
        (place / "memory.stat").write_text((held or {}).get(name, "anon 600\n"))
    return control_groups(directory / "cgroup", directory / "groups")


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({OWN: "1000"}, Use(600, 1000)),
        ({OWN: "1000", "system.slice": "900"}, Use(600, 900)),
        ({OWN: "800", "system.slice": "900"}, Use(600, 800)),
        ({OWN: "max", "system.slice": "900"}, Use(600, 900)),
        ({OWN: "max"}, None),
        ({OWN: "0"}, Use(600, 0)),
        ({}, None),
    ],
)
def test_what_counts_is_the_group_that_has_least_left(
    tmp_path: Path, limits: dict[str, str], found: Use | None
) -> None:
    assert memory_use(groups_of(tmp_path, limits)) == found


def test_a_group_above_may_be_full_of_others(tmp_path: Path) -> None:
    held = {OWN: "anon 10\n", "system.slice": "anon 850\n"}
    assert memory_use(groups_of(tmp_path, {OWN: "1000", "system.slice": "900"}, held)) == Use(850, 900)


def test_files_that_the_kernel_keeps_as_long_as_there_is_room_do_not_count(tmp_path: Path) -> None:
    """Recordings fill the page cache of the group up to its limit, and nobody dies of it."""
    stat = "anon 100\nfile 890\nkernel_stack 4\nsock 20\nshmem 3\nslab_reclaimable 50\nslab_unreclaimable 1\n"
    assert memory_use(groups_of(tmp_path, {OWN: "1000"}, {OWN: stat})) == Use(124, 1000)


@pytest.mark.parametrize("stat", ["", "anon\n", "anon much\n"])
def test_what_cannot_be_read_refuses_nobody(tmp_path: Path, stat: str) -> None:
    use = memory_use(groups_of(tmp_path, {OWN: "1000"}, {OWN: stat}))
    assert use is None or not use.is_short(before=False)


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert control_groups(tmp_path / "nothing", tmp_path) == ()
    (tmp_path / "cgroup").write_text("4:memory:/elsewhere\n")
    assert control_groups(tmp_path / "cgroup", tmp_path) == ()
    assert memory_use(()) is None


def test_calls_that_there_are_keep_their_places_while_memory_is_short() -> None:
    roster, rules = Roster(), Rules(10)
    assert isinstance(roster.reserve("192.0.2.1", rules, LoopTime(0.0)), Slot)
    roster.is_short_of_memory = True
    assert (roster.vacancy(rules), roster.reserve("192.0.2.1", rules, LoopTime(1.0))) == (Refusal.MEMORY,) * 2
    assert (roster.connections, roster.admission.refusals()[Refusal.MEMORY]) == (1, 1)
    roster.is_short_of_memory = False
    assert roster.vacancy(rules) is None
    assert isinstance(roster.reserve("192.0.2.1", rules, LoopTime(2.0)), Slot)


def test_a_process_without_calls_takes_one_however_short_memory_is() -> None:
    """There is nobody to protect, and an interpreter gives back little of what it has had: it would refuse for ever."""
    roster, rules = Roster(), Rules(10)
    roster.is_short_of_memory = True
    assert roster.vacancy(rules) is None
    slot = roster.reserve("192.0.2.1", rules, LoopTime(0.0))
    assert isinstance(slot, Slot)
    assert (roster.vacancy(rules), roster.reserve("192.0.2.2", rules, LoopTime(0.0))) == (Refusal.MEMORY,) * 2
    roster.release(slot)
    assert roster.vacancy(rules) is None


async def test_memory_is_looked_at_every_second_and_the_log_hears_of_changes_only(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It grows past 70 %, hangs about there, and falls below 65 %. Then the limit is taken away while it is short."""
    roster = Roster()
    groups = groups_of(tmp_path, {OWN: "1000"})
    found: list[bool] = []
    with capture_logs() as logs:
        async with trio.open_nursery() as house:
            house.start_soon(mind_memory, roster, groups)
            for held in (690, 700, 690, 710, 660, 640, 690, 900):
                (groups[0] / "memory.stat").write_text(f"anon {held}\nfile 300\n")
                await trio.sleep(1.5 * LOOK_SECONDS)
                found.append(roster.is_short_of_memory)
            (groups[0] / "memory.max").write_text("max\n")
            await trio.sleep(1.5 * LOOK_SECONDS)
            house.cancel_scope.cancel()
    assert found == [False, True, True, True, True, False, False, True]
    assert [(line["log_level"], line["short"]) for line in logs] == [
        ("warning", True),
        ("info", False),
        ("warning", True),
        ("info", False),
    ]
    assert not roster.is_short_of_memory
