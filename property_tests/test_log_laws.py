"""Whatever a peer puts into an event of the log, it is one line of printable characters, and says what was said."""

import json

import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.test_logs import logged

HOSTILE: st.SearchStrategy[str] = st.text(st.characters(), max_size=20) | st.sampled_from([
    'x"}\n{"event": "forged"}',
    "\r\n<0>forged",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m\x7f\x85",
    "\u2028\u202e\ufeff",
    "half \ud800",
    "x event=forged level=info",
])  # fmt: skip


@given(HOSTILE)
def test_an_event_is_one_printable_line_of_json_and_means_what_was_said(value: str) -> None:
    with logged("json") as said:
        structlog.get_logger().warning("call started", call="a1", caller=value, nested={"deep": [value]})
    line = said.getvalue().removesuffix("\n")
    assert line.isprintable()
    told = json.loads(line)
    assert (told["call"], told["caller"], told["nested"], told["level"]) == ("a1", value, {"deep": [value]}, "warning")


@given(HOSTILE)
def test_an_event_is_one_printable_line_of_text(value: str) -> None:
    with logged("text") as said:
        structlog.get_logger().warning("call started", call="a1", caller=value)
    line = said.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert said.getvalue().endswith("\n")
