"""The same picture as PNG: what `plot` has drawn as SVG, stroke by stroke, with Pillow (the extra `plot`).

Only what `plot` makes use of is understood: a ground, paths of M, h, H and V, and words.
"""

import io
import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from PIL import Image, ImageDraw, ImageFont

from opusagent.reports.plot import HEIGHT, WIDTH

SCALE: Final = 2
"""Pixels for each unit of the picture."""

_SVG: Final = "{http://www.w3.org/2000/svg}"
_STEP: Final = re.compile(r"([MhHV])(-?[\d.]+)(?: (-?[\d.]+))?")
_DASH: Final = 4
_ANCHORS: Final = {"middle": "ms", "end": "rs"}

Point = tuple[float, float]


def rasterised(svg: str) -> bytes:
    """A picture of `plot` as a PNG file of 1600 by 880 pixels."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(11 * SCALE)
    for part in ET.fromstring(svg):  # noqa: S314 - it is our own text
        if part.tag == f"{_SVG}path":
            _draw(canvas, part)
        elif part.tag == f"{_SVG}text":
            place = (SCALE * float(part.get("x", "0")), SCALE * float(part.get("y", "0")))
            anchor = _ANCHORS.get(part.get("text-anchor", ""), "ls")
            canvas.text(place, part.text or "", part.get("fill", "black"), font, anchor)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _draw(canvas: ImageDraw.ImageDraw, path: ET.Element) -> None:
    width = round(SCALE * float(path.get("stroke-width", "1")))
    points = list(_corners(path.get("d", "")))
    strokes = _dashes(points) if path.get("stroke-dasharray") else [points]
    for stroke in strokes:
        canvas.line(stroke, path.get("stroke"), width)


def _corners(path: str) -> Iterator[Point]:
    """Where a path goes.

    >>> list(_corners("M1 2h3V5"))
    [(2.0, 4.0), (8.0, 4.0), (8.0, 10.0)]
    """
    x = y = 0.0
    for step in _STEP.finditer(path):
        kind, first = step[1], float(step[2])
        match kind:
            case "M":
                x, y = first, float(step[3])
            case "h":
                x += first
            case "H":
                x = first
            case _:
                y = first
        yield (SCALE * x, SCALE * y)


def _dashes(points: list[Point]) -> Iterator[list[Point]]:
    """An upright line in pieces."""
    (x, top), (_, bottom) = points[0], points[-1]
    for start in range(round(top), round(bottom), 2 * _DASH * SCALE):
        yield [(x, start), (x, min(bottom, start + _DASH * SCALE))]
