"""What a model is told of a tool that did its work and says nothing, or that did not do it. Pure."""

import re
from typing import Final

import msgspec

from opusagent.tools.spec import ToolResult

DONE: Final = '{"ok": true}'
"""What is told of a built-in tool that did what was asked."""

MOST_WORDS: Final = 1000
"""Characters of a refusal."""

_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""The control characters but tab, line feed and carriage return."""


def refusal(why: str) -> ToolResult:
    """What the model is told of something that did not work.

    >>> refusal("that slot is taken")
    ToolResult(output='{"error":"that slot is taken"}', ok=False)
    """
    return ToolResult(msgspec.json.encode({"error": clean(why[:MOST_WORDS])}).decode(), ok=False)


def clean(text: str) -> str:
    """Without control characters; lone surrogates, which no JSON can carry, become question marks."""
    return _CONTROLS.sub("", text).encode(errors="replace").decode()
