"""What the documents point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests/calls/README.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    """By its path, or by the name of its file alone."""
    named = set(re.findall(r"`((?:[a-z_]+/)*test_\w+\.py)", document.read_text()))
    missing = [each for each in named if not (ROOT / each).is_file() and ("/" in each or not _is_somewhere(each))]
    assert missing == []


def _is_somewhere(name: str) -> bool:
    return any(next((ROOT / room).rglob(name), None) for room in ("tests", "property_tests"))
