"""A picture of latencies, as SVG and by hand: for every stage, which share of the turns took how long at most.

A cumulative curve shows each percentile where it is, needs no bins, and hides no tail.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from opusagent.reports.latency import STAGES

WIDTH: Final = 800
HEIGHT: Final = 440
LEFT: Final = 60
RIGHT: Final = 780
TOP: Final = 40
BOTTOM: Final = 380
LINES_AT: Final = (0.5, 0.9, 0.99)

_COLOURS: Final = ("#1b7837", "#d95f02", "#7570b3", "#222222")


def plot(times: Mapping[str, Sequence[float]], threshold_ms: float) -> str:
    """The picture of sorted `times` by stage, in milliseconds, with a line at `threshold_ms`. One SVG document."""
    most = max([threshold_ms, *(each[-1] for each in times.values() if each)])
    step = tick(most)
    end = math.ceil(most / step) * step
    text = 'font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {text} fill="none">',
        "<title>Latency of turns: the share of turns that took at most so long</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_grid(end, step),
        _vertical(threshold_ms / end, "#cc0000", "4 3"),
        *_curves(times, end),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def tick(most: float) -> float:
    """The distance of marks on an axis that reaches to `most`: 1, 2 or 5 times a power of ten, about six of them.

    >>> [tick(most) for most in (5, 100, 640, 3000)]
    [1.0, 20.0, 200.0, 500.0]
    """
    rough = most / 6
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough)


def _grid(end: float, step: float) -> Iterator[str]:
    for place in range(round(end / step) + 1):
        x = _x(place * step / end)
        yield _vertical(place * step / end, "#dddddd", "")
        yield f'<text x="{x}" y="{BOTTOM + 18}" fill="#444444" text-anchor="middle">{place * step:g}</text>'
    for share in (0.0, *LINES_AT, 1.0):
        y = _y(share)
        yield f'<path d="M{LEFT} {y}H{RIGHT}" stroke="#dddddd"/>'
        if share != 1.0:  # 99 and 100 would stand on each other
            yield f'<text x="{LEFT - 6}" y="{y + 4}" fill="#444444" text-anchor="end">{share * 100:g} %</text>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 40}" fill="#444444" text-anchor="end">milliseconds</text>'


def _vertical(share: float, colour: str, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M{_x(share)} {TOP}V{BOTTOM}" stroke="{colour}"{dashed}/>'


def _curves(times: Mapping[str, Sequence[float]], end: float) -> Iterator[str]:
    for number, (name, colour) in enumerate(zip(STAGES, _COLOURS, strict=True)):
        ordered = times.get(name, ())
        if ordered:
            yield f'<path d="{_steps(ordered, end)}" stroke="{colour}" stroke-width="2"/>'
        x = LEFT + 184 * number
        yield f'<path d="M{x} 22h18" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 24}" y="26" fill="#222222">{STAGES[name].replace(">", "&gt;")}</text>'


def _steps(ordered: Sequence[float], end: float) -> str:
    """The curve: up by one turn's share at each turn's time, then level to the end."""
    corners = (f"H{_x(max(0.0, ms) / end)}V{_y(place / len(ordered))}" for place, ms in enumerate(ordered, start=1))
    return f"M{LEFT} {BOTTOM}{''.join(corners)}H{RIGHT}"


def _x(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _y(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)
