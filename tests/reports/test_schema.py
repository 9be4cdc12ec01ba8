"""The document of what reports hold is that of the classes."""

import subprocess
import sys
from pathlib import Path

from opusagent.reports.schema import schema

DOCUMENT = Path(__file__).parents[2] / "docs/report.md"


def test_the_document_is_up_to_date() -> None:
    """If not: `python -m opusagent.reports > docs/report.md`."""
    assert DOCUMENT.read_text() == schema()


def test_the_command_that_it_names_writes_it() -> None:
    written = subprocess.run([sys.executable, "-m", "opusagent.reports"], capture_output=True, text=True, check=True)
    assert written.stdout == schema()


def test_fields_have_names_types_and_defaults() -> None:
    document = schema()
    assert "| `turns` | array of Turn |  |\n" in document
    assert "| `heard` | milliseconds or null | `null` |\n" in document
    assert "| `kind` | `keys` | `keys` |\n" in document
    assert "- `caller hung up`\n" in document
