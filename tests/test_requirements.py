"""What is wanted, what is pinned and what is declared agree, and nothing says where to download it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETS = ("run", "local", "dev")


def wanted(name: str) -> set[str]:
    """The lines of a set's `.in`, with those of the set that it builds on."""
    lines = (ROOT / f"requirements/{name}.in").read_text().splitlines()
    builds_on = [wanted(line.removeprefix("-r ").removesuffix(".in")) for line in lines if line.startswith("-r ")]
    own = {line.replace("'", '"') for line in lines if line and not line.startswith(("#", "-r "))}
    return own.union(*builds_on)


def name_of(requirement: str) -> str:
    """The package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement)[0]).lower()


def pinned(name: str) -> dict[str, str]:
    """The pins of a set: for each package its line and the hashes under it."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    entries = re.findall(r"^[A-Za-z0-9].*(?:\n    .*)*", text, re.MULTILINE)
    return {name_of(entry): entry for entry in entries}


def test_the_daemon_is_pinned_to_what_it_declares() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = {line.replace("'", '"') for line in tomllib.load(file)["project"]["dependencies"]}
    assert declared <= wanted("run")


@pytest.mark.parametrize("name", SETS)
def test_everything_wanted_is_pinned_with_hashes(name: str) -> None:
    pins = pinned(name)
    assert {name_of(line) for line in wanted(name)} <= set(pins)
    assert all(re.match(r"\S+==\S+ .*\\\n    --hash=sha256:[0-9a-f]{64}", entry) for entry in pins.values())


@pytest.mark.parametrize("name", SETS)
def test_no_pin_says_where_to_download(name: str) -> None:
    assert "://" not in (ROOT / f"requirements/{name}.txt").read_text()


def test_a_larger_set_changes_no_pin_of_a_smaller_one() -> None:
    """The same versions; a larger set may need a package on more machines than a smaller one."""
    run, local, dev = ({re.sub(r" ;[^\\]*", " ", pin) for pin in pinned(name).values()} for name in SETS)
    assert run <= local <= dev
