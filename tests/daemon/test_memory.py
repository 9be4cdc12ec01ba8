"""A process that nears its memory's limit takes no new calls, and takes them again when it has room."""

from pathlib import Path

import pytest

from opusagent.daemon.admission import Refusal, Rules, Slot
from opusagent.daemon.memory import memory_held, memory_limit
from opusagent.daemon.roster import Roster
from opusagent.units import LoopTime


def group(directory: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """The files that the kernel shows, for a process in the group `own`."""
    (directory / "cgroup").write_text(f"1:name=systemd:/elsewhere\n0::{own}\n")
    for name, text in limits.items():
        place = directory / "groups" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "memory.max").write_text(f"{text}\n")
    return directory / "cgroup", directory / "groups"


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"system.slice/opusagent.service": "1000"}, 1000),
        ({"system.slice/opusagent.service": "1000", "system.slice": "900"}, 900),
        ({"system.slice/opusagent.service": "max", "system.slice": "900"}, 900),
        ({"system.slice/opusagent.service": "max"}, None),
        ({}, None),
    ],
)
def test_the_limit_is_the_least_of_the_groups_above(tmp_path: Path, limits: dict[str, str], found: int | None) -> None:
    assert memory_limit(*group(tmp_path, "/system.slice/opusagent.service", limits)) == found


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "nothing", tmp_path) is None
    assert memory_limit(*group(tmp_path, "", {})) is None


def test_a_process_knows_what_it_holds() -> None:
    """A Python with numpy holds some ten megabytes, and not some gigabytes."""
    assert 2**23 < memory_held() < 2**33


def test_calls_that_there_are_keep_their_places_while_memory_is_short() -> None:
    roster, rules = Roster(), Rules(10)
    assert isinstance(roster.reserve("192.0.2.1", rules, LoopTime(0.0)), Slot)
    roster.is_short_of_memory = True
    assert (roster.vacancy(rules), roster.reserve("192.0.2.1", rules, LoopTime(1.0))) == (Refusal.MEMORY,) * 2
    assert (roster.connections, roster.admission.refusals()[Refusal.MEMORY]) == (1, 1)
    roster.is_short_of_memory = False
    assert roster.vacancy(rules) is None
    assert isinstance(roster.reserve("192.0.2.1", rules, LoopTime(2.0)), Slot)
