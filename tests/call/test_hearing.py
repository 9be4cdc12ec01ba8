"""The daemon's own ears: a chunk is judged within 32 ms of the arrival of its last sample, however the audio comes."""

from collections.abc import Sequence
from typing import Final

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.audio.vad.detector import CHUNK
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.audio.vad.hysteresis import SpeechEvent
from opusagent.call.hearing import TICK, Hearing
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz, Ms, Pcm16, samples_of_ms

ADDED: Final = 0.032
"""Seconds that a verdict may take, on a machine that takes no time itself."""


def turn_a_deaf_ear(event: SpeechEvent) -> None:
    """What was decided is not the matter here."""
    del event


def pcm(ms: int, rate: Hz) -> Pcm16:
    """Loud enough that no gate spares the work."""
    return Pcm16(b"\x00\x10" * samples_of_ms(Ms(ms), rate))


@attrs.frozen
class Line:
    """A caller whose audio at `rate` comes in pieces of `pieces` ms, each when its last sample is said."""

    rate: Hz
    pieces: Sequence[int]
    begins: float = 0.0

    async def speak(self, hearing: Hearing, late: list[tuple[int, int]]) -> None:
        """Say it all. `late` gets whatever is not judged in time: milliseconds said, and of them judged."""
        tap = hearing.new_tap(self.rate, turn_a_deaf_ear)
        said = 0

        async def look(ready: int) -> None:
            await trio.sleep(ADDED + 1e-6)
            if tap.statistics().audio < ready:
                late.append((ready, tap.statistics().audio))

        await trio.sleep(self.begins)
        with hearing.attend(tap):
            async with trio.open_nursery() as looks:
                for piece in self.pieces:
                    await trio.sleep(piece / 1000)
                    tap.hear(pcm(piece, self.rate))
                    said += piece
                    looks.start_soon(look, said - said % CHUNK)


LINES: Final = {
    "twilio": Line(HZ_8K, [20] * 200),
    "telephones of 30 ms": Line(HZ_8K, [30] * 133),
    "audiocodes": Line(HZ_16K, [100] * 40, begins=0.0123),
    "wide": Line(HZ_24K, [20] * 200, begins=0.0301),
    "crumbs": Line(HZ_24K, [1, 3, 7, 13] * 160),
    "stalls": Line(HZ_16K, [20, 20, 960, 500, 20] * 4),
}


@pytest.mark.parametrize("name", LINES)
async def test_a_chunk_is_judged_within_32_ms_of_its_last_sample(name: str, autojump_clock: MockClock) -> None:
    """Alone on the daemon, whatever the pieces, and out of a stall of most of a second as well."""
    late: list[tuple[int, int]] = []
    async with trio.open_nursery() as ears:
        hearing = Hearing(EnergyDetector())
        ears.start_soon(hearing.listen)
        await LINES[name].speak(hearing, late)
        ears.cancel_scope.cancel()
    assert late == []


async def test_calls_that_come_at_any_moment_are_judged_in_time_and_together(autojump_clock: MockClock) -> None:
    """None of them in the very instant of a batch: which of the two comes first there is anybody's guess."""
    late: list[tuple[int, int]] = []
    async with trio.open_nursery() as ears:
        hearing = Hearing(EnergyDetector())
        ears.start_soon(hearing.listen)
        async with trio.open_nursery() as calls:
            for number in range(20):
                calls.start_soon(attrs.evolve(LINES["twilio"], begins=(number + 0.5) * 0.0037).speak, hearing, late)
        ears.cancel_scope.cancel()
    assert late == []
    counts = hearing.statistics()
    assert (counts.evaluated, counts.dropped) == (20 * 4000 // CHUNK, 0)
    assert counts.batches <= 4.1 / TICK
