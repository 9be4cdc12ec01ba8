"""Which recordings go, and what never does."""

import fcntl
import os
from datetime import date
from pathlib import Path

import pytest

from opusagent.call.retention import (
    FRESH,
    KeptCall,
    Rules,
    calls_of,
    days_in,
    remove,
    remove_empty_days,
    surplus,
)

NOW = 2_000_000_000.0
DAY = 86_400.0
ON = ("2030", "01", "02")


def kept(name: str, age: float, size: int = 100) -> KeptCall:
    return KeptCall(ON, name, size, NOW - age, frozenset({"call.wav"}))


def put(directory: Path, name: str, day: tuple[str, str, str] = ON, size: int = 100) -> Path:
    """A call's folder with a recording and a report."""
    folder = directory.joinpath(*day, name)
    folder.mkdir(parents=True)
    (folder / "call.wav").write_bytes(bytes(size))
    (folder / "report.json").write_bytes(b"{}")
    return folder


def names(calls: list[KeptCall]) -> list[str]:
    return [call.name for call in calls]


# -- what has to go ----------------------------------------------------------------------------------------------


def test_without_rules_nothing_goes() -> None:
    assert surplus([kept("a", 1000 * DAY)], Rules(), NOW) == []


def test_what_is_older_than_the_rule_goes() -> None:
    calls = [kept("young", 29.9 * DAY), kept("old", 30.1 * DAY), kept("older", 31 * DAY)]
    assert names(surplus(calls, Rules(days=30), NOW)) == ["older", "old"]


def test_the_oldest_go_until_the_rest_fits() -> None:
    calls = [kept("third", 3000), kept("first", 9000), kept("second", 6000)]
    assert names(surplus(calls, Rules(size=300), NOW)) == []
    assert names(surplus(calls, Rules(size=299), NOW)) == ["first"]
    assert names(surplus(calls, Rules(size=100), NOW)) == ["first", "second"]
    assert names(surplus(calls, Rules(size=0), NOW)) == ["first", "second", "third"]


def test_both_rules_count_what_the_other_removes() -> None:
    """What is too old makes room; no more goes than has to."""
    calls = [kept("old", 40 * DAY), kept("a", 9000), kept("b", 6000)]
    assert names(surplus(calls, Rules(days=30, size=200), NOW)) == ["old"]


def test_what_has_just_changed_stays_whatever_the_rules() -> None:
    """It may be a call that goes on. Its size counts all the same."""
    calls = [kept("now", FRESH - 1), kept("old", FRESH + 1)]
    assert names(surplus(calls, Rules(days=0, size=0), NOW)) == ["old"]


# -- what is there -----------------------------------------------------------------------------------------------


def test_calls_are_found_with_their_size_and_age(tmp_path: Path) -> None:
    folder = put(tmp_path, "abc")
    os.utime(folder / "call.wav", (5, 5))
    os.utime(folder / "report.json", (7, 7))
    put(tmp_path, "def", ("2029", "12", "31"))
    assert days_in(tmp_path) == [("2029", "12", "31"), ON]
    (found,) = calls_of(tmp_path, ON)
    assert found == KeptCall(ON, "abc", 102, 7.0, frozenset({"call.wav", "report.json"}))
    assert found.folder(tmp_path) == folder


def test_what_is_not_a_call_is_not_looked_at(tmp_path: Path) -> None:
    """Other directories, other depths, names that no call has, folders without a file of ours."""
    for path in ("notes", "2030/notes", "2030/01/notes", "2030/01/02/has space", "2030/01/02/empty", "20301/01/02/x"):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    (tmp_path / "2030/01/02/has space/call.wav").write_bytes(b"")
    (tmp_path / "20301/01/02/x/call.wav").write_bytes(b"")
    (tmp_path / "2030/01/02/file").write_bytes(b"")
    (tmp_path / "2030/01/02/empty/photo.jpeg").write_bytes(b"")
    assert days_in(tmp_path) == [ON]
    assert calls_of(tmp_path, ON) == []
    assert days_in(tmp_path / "nowhere") == []


# -- links -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["2030", "2030/01", "2030/01/02", "2030/01/02/abc"])
def test_no_link_is_followed_when_looking(tmp_path: Path, level: str) -> None:
    """Whatever level it stands at: what is behind it is not there."""
    put(tmp_path / "elsewhere", "abc")
    link = tmp_path / "recordings" / level
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere" / level)
    found = [call for day in days_in(tmp_path / "recordings") for call in calls_of(tmp_path / "recordings", day)]
    assert found == []


@pytest.mark.parametrize("level", ["2030", "2030/01", "2030/01/02", "2030/01/02/abc"])
def test_no_link_is_followed_when_removing(tmp_path: Path, level: str) -> None:
    """A level that becomes a link after it was looked at: nothing behind it is removed."""
    precious = put(tmp_path / "elsewhere", "abc")
    folder = put(tmp_path / "recordings", "abc")
    (found,) = calls_of(tmp_path / "recordings", ON)
    place = tmp_path / "recordings" / level
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "elsewhere" / level)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        remove(tmp_path / "recordings", found)
    assert (precious / "call.wav").exists()
    assert folder.exists()


def test_a_link_in_a_calls_folder_is_removed_and_not_what_it_names(tmp_path: Path) -> None:
    folder = put(tmp_path / "recordings", "abc")
    (tmp_path / "precious").write_bytes(b"1")
    (folder / "link").symlink_to(tmp_path / "precious")
    (folder / "call.wav").unlink()
    (folder / "call.wav").symlink_to(tmp_path / "precious")
    (found,) = calls_of(tmp_path / "recordings", ON)
    assert remove(tmp_path / "recordings", found)
    assert not folder.exists()
    assert (tmp_path / "precious").read_bytes() == b"1"


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    """That is the operator's choice."""
    put(tmp_path / "disk", "abc")
    (tmp_path / "recordings").symlink_to(tmp_path / "disk")
    assert days_in(tmp_path / "recordings") == [ON]


# -- removing ----------------------------------------------------------------------------------------------------


def test_a_call_goes_whole_and_its_neighbours_stay(tmp_path: Path) -> None:
    folder, other = put(tmp_path, "abc"), put(tmp_path, "abd")
    (folder / "notes.txt").write_bytes(b"by hand")
    found = {call.name: call for call in calls_of(tmp_path, ON)}
    assert remove(tmp_path, found["abc"])
    assert not folder.exists()
    assert (other / "call.wav").exists()


def test_a_call_that_is_being_recorded_stays(tmp_path: Path) -> None:
    """By this process or any other: its recording is locked."""
    folder = put(tmp_path, "abc")
    (found,) = calls_of(tmp_path, ON)
    with (folder / "call.wav").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not remove(tmp_path, found)
        assert (folder / "call.wav").exists()
    assert remove(tmp_path, found)


def test_what_is_gone_already_is_an_error_and_not_a_success(tmp_path: Path) -> None:
    put(tmp_path, "abc")
    (found,) = calls_of(tmp_path, ON)
    assert remove(tmp_path, found)
    with pytest.raises(FileNotFoundError):
        remove(tmp_path, found)


def test_days_that_are_empty_go_and_others_stay(tmp_path: Path) -> None:
    """Upwards as far as nothing is left; what is not ours keeps its directories; a new call may need today's."""
    days = [
        ("2029", "12", "31"),
        ("2030", "01", "02"),
        ("2030", "01", "03"),
        ("2030", "02", "05"),
        ("2030", "02", "06"),
    ]
    for day in days:
        tmp_path.joinpath(*day).mkdir(parents=True)
    (tmp_path / "2030/01/02/notes").mkdir()
    remove_empty_days(tmp_path, days, date(2030, 2, 6))
    assert not (tmp_path / "2029").exists()
    assert days_in(tmp_path) == [("2030", "01", "02"), ("2030", "02", "05"), ("2030", "02", "06")]
