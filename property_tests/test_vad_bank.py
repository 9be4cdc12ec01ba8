"""For all ways in which calls hand in chunks: each is judged as if its call were the only one."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.vad.bank import Bank
from opusagent.audio.vad.ear import CHUNK_BYTES, Chunk
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.units import Ms

LEVELS = st.sampled_from((0, 1, 30, 300, 3000, 30000))


def chunk(index: int, level: int) -> Chunk:
    pattern = np.array((level, -level), "<i2").tobytes()
    return Chunk(Ms(32 * index), pattern * (CHUNK_BYTES // len(pattern)))


def alone(levels: Sequence[int]) -> list[tuple[Ms, float]]:
    bank = Bank(EnergyDetector())
    stream = bank.new_stream()
    found: list[tuple[Ms, float]] = []
    for index, level in enumerate(levels):
        bank.submit(stream, chunk(index, level))
        found += [(verdict.at, verdict.probability) for verdict in bank.run()]
    return found


@given(st.lists(st.tuples(st.integers(0, 3), LEVELS, st.booleans()), max_size=60))
def test_company_and_timing_change_nothing(steps: list[tuple[int, int, bool]]) -> None:
    """Each step: whose chunk, how loud, and whether the bank runs after it. No stream gets past the bound."""
    bank = Bank(EnergyDetector())
    streams = [bank.new_stream() for _ in range(4)]
    levels: list[list[int]] = [[] for _ in streams]
    found: list[list[tuple[Ms, float]]] = [[] for _ in streams]

    def run() -> None:
        for verdict in bank.run():
            found[streams.index(verdict.stream)].append((verdict.at, verdict.probability))

    for who, level, now in steps:
        bank.submit(streams[who], chunk(len(levels[who]), level))
        levels[who].append(level)
        if now or len(levels[who]) % 8 == 0:
            run()
    while sum(map(len, found)) < len(steps):
        run()
    for mine, lonely in zip(found, map(alone, levels), strict=True):
        assert [at for at, _ in mine] == [at for at, _ in lonely]
        assert [value for _, value in mine] == pytest.approx([value for _, value in lonely], abs=1e-6)
