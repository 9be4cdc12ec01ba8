"""The picture of latencies: a document that opens, with every curve where its figures are."""

import re
from xml.etree import ElementTree as ET

import pytest

from opusagent.call.turns import Turn
from opusagent.reports.latency import stage_times
from opusagent.reports.plot import BOTTOM, LEFT, RIGHT, TOP, plot
from tests.reports.filing import TURN

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*turns: Turn, threshold: float = 500.0) -> ET.Element:
    return ET.fromstring(plot(stage_times(turns), threshold))  # noqa: S314 - it is our own text


def curves(picture: ET.Element) -> list[str]:
    """The paths of the curves; their neighbours are the grid and the key to the colours."""
    paths = [path.get("d", "") for path in picture.iter(f"{SVG}path") if path.get("stroke-width") == "2"]
    return [path for path in paths if "h18" not in path]


def test_it_is_svg_with_a_curve_for_every_stage_that_has_turns() -> None:
    assert len(curves(drawn(TURN))) == 4
    assert len(curves(drawn(Turn(first_delta=1.0, first_sent=1.1)))) == 1
    assert curves(drawn()) == []


def test_a_curve_goes_up_where_its_turns_are() -> None:
    """Two turns from mouth to ear, of 250 and 500 ms on an axis to 500."""
    turns = [Turn(stopped=1.0, first_heard=1.0 + ms / 1000) for ms in (250, 500)]
    (curve,) = curves(drawn(*turns))
    middle = (LEFT + RIGHT) / 2
    half = (TOP + BOTTOM) / 2
    assert curve == f"M{LEFT} {BOTTOM}H{middle}V{half}H{RIGHT}.0V{TOP}.0H{RIGHT}".replace("380.0 ", "380 ")


@pytest.mark.parametrize("longest", [0.0, 0.003, 0.499, 0.5, 0.501, 7.0, 1234.5])
def test_everything_lies_within_the_frame(longest: float) -> None:
    picture = drawn(TURN, Turn(stopped=0.0, first_heard=longest))
    for curve in curves(picture):
        across = [float(number) for number in re.findall(r"[MH]([\d.]+)", curve)]
        up = [float(number) for number in re.findall(r"V([\d.]+)", curve)]
        assert across == sorted(across)
        assert up == sorted(up, reverse=True)
        assert (across[0], across[-1]) == (LEFT, RIGHT)
        assert up[-1] == TOP


def test_the_axis_is_marked_to_beyond_the_slowest_turn() -> None:
    texts = [text.text or "" for text in drawn(Turn(stopped=0.0, first_heard=1.3)).iter(f"{SVG}text")]
    assert [text for text in texts if text.isdigit()] == ["0", "500", "1000", "1500"]
    assert "caller stopped -> first heard" in texts
