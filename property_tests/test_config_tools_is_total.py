"""Whatever stands under `[[tools]]`: the tools, or what is wrong with them."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from opusagent.daemon.config import parse
from opusagent.errors import ConfigError

KEYS = (
    "function",
    "webhook",
    "mcp",
    "built_in",
    "name",
    "description",
    "timeout_seconds",
    "parameters",
    "parameters.a",
    "secret_file",
    "authorization_file",
    "allow_private",
    "allowed_tools",
    "targets",
    "nmae",
)

VALUES = (
    '"os:getcwd"',
    '"os:sep"',
    '"no_such_module_here:f"',
    '"pathlib:Path.exists"',
    '"https://a.example/"',
    '"http://127.0.0.1:9/"',
    '"http://[::1"',
    '"end_call"',
    '"transfer_call"',
    '"a"',
    '""',
    "1",
    "0.5",
    "nan",
    "true",
    "[]",
    '["a"]',
    "[[1]]",
    "{}",
    '{ a = "+15550142" }',
    '{ a = { type = "integer", list = true } }',
    '{ a = { type = "string", choices = ["x", "x"] } }',
    '{ a = { type = [] } }',
    '{ type = "number" }',
    "2026-01-01",
)  # fmt: skip

entries = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=5).map(
    lambda table: "[[tools]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
)


@given(st.lists(entries, max_size=3).map("".join))
def test_any_tools_are_tools_or_their_problems(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert len(parse(f"[twilio]\ninsecure = true\n{text}", {}, source="x").tools) == text.count("[[tools]]")
