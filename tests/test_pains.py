"""The map from what callers suffer elsewhere to the tests that say it does not happen here."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\| [a-z].*\|$", (ROOT / "tests/calls/README.md").read_text(), re.MULTILINE)[1:]


def test_every_pain_has_tests_and_they_are_there() -> None:
    """All twenty-nine."""
    named = [re.findall(r"`(.+?\.py)`", row) for row in ROWS]
    assert len(named) == 29
    assert [row for row, paths in zip(ROWS, named, strict=True) if not paths] == []
    assert [path for paths in named for path in paths if "def test_" not in _text(path)] == []


def _text(path: str) -> str:
    file = ROOT / path
    text = file.read_text() if file.is_file() else ""
    return text if "TestCase" not in text else "def test_"
