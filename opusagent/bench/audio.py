"""The resampler's table: what it must be, what it is, and what it costs beside what one would otherwise take.

Costs are CPU time of this thread for 20 ms of sound, the least of several rounds in which all take turns, so that a
busy machine disturbs them alike. Read them as ratios within a row.
"""

import sys
import time
from collections.abc import Sequence
from typing import Final

from opusagent.audio.pcm import BYTES_PER_SAMPLE
from opusagent.audio.resample import Resampler
from opusagent.bench.figures import (
    BAND,
    DIRECTIONS,
    LEAST_REJECTION_DB,
    MOST_DELAY_MS,
    MOST_RIPPLE_DB,
    MOST_THDN_DB,
    Figures,
    Push,
    held_ms,
    measure,
    noise,
)
from opusagent.bench.rivals import ratecv, soxr_hq
from opusagent.units import Hz

_ROUNDS: Final = 15
_PUSHES: Final = 60
_SPEECH_PEAK: Final = 8000  # -12 dB of full scale: nothing clips, which would cost some converters extra
_ABSENT: Final = "not installed"


def main() -> int:
    """Print the table; 1 if a bar is missed."""
    measured = [measure(source, target) for source, target in DIRECTIONS]
    _print_table("What it does to sound", _SOUND, [_sound_row(figures) for figures in measured])
    print(
        f"Bars: delay at most {MOST_DELAY_MS} ms and constant, THD+N at most {MOST_THDN_DB} dB, rejection at least "
        f"{LEAST_REJECTION_DB} dB,\npassband within {MOST_RIPPLE_DB} dB up to {BAND} of the lower Nyquist frequency "
        "(3.4 kHz at 8 kHz).\n"
    )
    _print_table("What it costs", _COST, [_cost_row(source, target) for source, target in DIRECTIONS])
    print(
        "CPU in us per 20 ms of sound, pushed in blocks of 20 ms, or of 100 ms where it says so.\n"
        "Held back: sound that went in and is still inside, at worst."
    )
    missed = [words for figures in measured for words in figures.missed()]
    for words in missed:
        print(f"MISSED: {words}", file=sys.stderr)
    return 1 if missed else 0


def costs_us(pushes: Sequence[Push], pcm: bytes, *, rounds: int = _ROUNDS) -> list[float]:
    """The CPU time of one `push(pcm)` of each, in microseconds: taking turns, the least of all rounds."""
    spent = [[_round_us(push, pcm) for push in pushes] for _ in range(rounds)]
    return [min(column) for column in zip(*spent, strict=True)]


def _round_us(push: Push, pcm: bytes) -> float:
    begun = time.thread_time()
    for _ in range(_PUSHES):
        push(pcm)
    return (time.thread_time() - begun) / _PUSHES * 1e6


_SOUND: Final = ("Hz", "delay ms", "moves ms", "THD+N dB", "rejection dB", "passband dB", "same bits", "bars")


def _sound_row(figures: Figures) -> Sequence[str]:
    return (
        f"{figures.source} > {figures.target}",
        f"{figures.delay_ms:.3f}",
        f"{figures.spread_ms:.3f}",
        f"{figures.thdn_db:.1f}",
        f"{figures.rejection_db:.1f}",
        f"{figures.ripple_db:.2f}",
        "yes" if figures.same_bits else "NO",
        "MISSED" if figures.missed() else "met",
    )


_COST: Final = ("Hz", "this", "in 100 ms", "soxr HQ", "ratecv", "held back ms: this", "soxr HQ", "ratecv")


def _cost_row(source: Hz, target: Hz) -> Sequence[str]:
    soxr = soxr_hq(source, target)
    pushes = [Resampler(source, target).push, ratecv(source, target), *([soxr] if soxr else [])]
    sound = noise(source, _SPEECH_PEAK)
    mine, lines, *hq = (f"{cost:.1f}" for cost in costs_us(pushes, sound[: source // 50 * BYTES_PER_SAMPLE]))
    (longer,) = costs_us(pushes[:1], sound[: source // 10 * BYTES_PER_SAMPLE])
    fresh = soxr_hq(source, target)
    return (
        f"{source} > {target}",
        mine,
        f"{longer / 5:.1f}",
        *(hq or [_ABSENT]),
        lines,
        f"{held_ms(Resampler(source, target).push, source, target):.1f}",
        f"{held_ms(fresh, source, target):.1f}" if fresh else _ABSENT,
        f"{held_ms(ratecv(source, target), source, target):.1f}",
    )


def _print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    print(title)
    for row in (heads, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
