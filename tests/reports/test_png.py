"""The picture as PNG: what the SVG draws is where the SVG draws it."""

import io

from PIL import Image

from opusagent.call.turns import Turn
from opusagent.reports.latency import stage_times
from opusagent.reports.plot import BOTTOM, LEFT, TOP, plot
from opusagent.reports.png import SCALE, rasterised


def test_curves_threshold_and_grid_are_where_the_svg_has_them() -> None:
    """Two turns from mouth to ear, of 250 and 500 ms on an axis to 500, and a threshold in the middle."""
    turns = [Turn(stopped=1.0, first_heard=1.0 + ms / 1000) for ms in (250, 500)]
    with Image.open(io.BytesIO(rasterised(plot(stage_times(turns), 375.0)))) as picture:
        pixels = {
            "curve": picture.getpixel((SCALE * (LEFT + 540), SCALE * (TOP + BOTTOM) // 2)),
            "threshold": picture.getpixel((SCALE * (LEFT + 540), SCALE * TOP + 3)),
            "between its dashes": picture.getpixel((SCALE * (LEFT + 540), SCALE * TOP + 12)),
            "grid": picture.getpixel((SCALE * (LEFT + 100), SCALE * round(BOTTOM - 0.9 * (BOTTOM - TOP)))),
            "ground": picture.getpixel((SCALE * (LEFT + 100), SCALE * (TOP + 100))),
        }
    assert pixels == {
        "curve": (0x22, 0x22, 0x22),
        "threshold": (0xCC, 0, 0),
        "between its dashes": (255, 255, 255),
        "grid": (0xDD, 0xDD, 0xDD),
        "ground": (255, 255, 255),
    }
