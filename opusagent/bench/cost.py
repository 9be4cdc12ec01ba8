"""What hearing, measuring and recording cost beside the bare call: CPU per second of call, and memory per call.

Twenty calls in real time in one process, over sockets in memory: the caller speaks nearly all the time, the model three
seconds in every five, both with recorded speech. Bare calls and full ones take turns, so that what else happens on
the machine falls on both, and what is told is the difference of the process's CPU time, all threads together. The
scripted caller and model are in both, and so is everything that carries audio. With several cores OpenBLAS must be told
to use one (`OPENBLAS_NUM_THREADS=1`, as the daemon does), or a batch is paid for on all of them.
"""

import gc
import itertools
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio
from structlog.testing import capture_logs

from opusagent.audio.g711 import mulaw_encode
from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.audio.resample import Resampler
from opusagent.audio.vad.silero import SpeechNet
from opusagent.bench import sounds
from opusagent.bench.table import markdown
from opusagent.call.disk import SharedDisk
from opusagent.call.hearing import Hearing
from opusagent.testing.play import BY_TWILIO, Stage
from opusagent.units import HZ_8K, HZ_24K, Mulaw, Pcm16

CALLS: Final = 20
SECONDS: Final = 10.0
ROUNDS: Final = 5
MEMORY_SECONDS: Final = 6.0

MOST_CPU_MS: Final = 4.0
"""Of CPU per second of call, for all three together."""
MOST_MEMORY_MB: Final = 0.5
"""Per call, beyond what all calls share."""

_SPOKEN: Final = 3.0
_EVERY: Final = 5.0
_PIECE: Final = 4000  # half a second of mu-law


@attrs.frozen
class Features:
    """What is done with a call's audio beside carrying it."""

    name: str
    hears: bool = False
    measures: bool = False
    records: bool = False


BARE: Final = Features("bare call")
ALL: Final = Features("all three", hears=True, measures=True, records=True)
KINDS: Final = (
    BARE,
    Features("voice activity", hears=True),
    Features("quality", measures=True),
    Features("recording", records=True),
    ALL,
)


@attrs.frozen
class House:
    """What all calls of a run share."""

    features: Features
    directory: Path
    hearing: Hearing | None
    words: Mulaw
    answer: Pcm16

    @classmethod
    def of(cls, features: Features, directory: Path) -> "House":
        """The house with its ears, and what is said in it."""
        speech = sounds.demo().sound
        backwards = sounds.pcm(speech[::-1][: int(HZ_8K * _SPOKEN)])  # a voice like it, that no echo is made of
        answer = Resampler(HZ_8K, HZ_24K).push(backwards)
        words = Mulaw(mulaw_encode(sounds.pcm(speech)))
        return cls(features, directory, Hearing(SpeechNet()) if features.hears else None, words, answer)


def main() -> int:
    """Print both tables; 1 if a bar is missed."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print("note: OPENBLAS_NUM_THREADS is not 1, so batches wait for other cores\n", file=sys.stderr)
    cpu = cpu_ms(KINDS)
    rows = [(kind.name, f"{min(cpu[kind.name]):.2f}", f"{added_ms(cpu, kind):+.2f}") for kind in KINDS]
    print(f"CPU, ms per second of call, {CALLS} calls of {SECONDS:g} s, the least of {ROUNDS} rounds\n")
    print(markdown(("what", "in all", "beside the bare call"), rows))
    memory = memory_mb(ALL) - memory_mb(BARE)
    print(f"\nMemory, all three: {memory:.3f} MB per call beside the bare call")
    added = added_ms(cpu, ALL)
    missed = [f"{added:.2f} ms of CPU, at most {MOST_CPU_MS:g}"] if added > MOST_CPU_MS else []
    missed += [f"{memory:.3f} MB, at most {MOST_MEMORY_MB:g}"] if memory > MOST_MEMORY_MB else []
    for words in missed:
        print(f"MISSED: {words}", file=sys.stderr)
    return 1 if missed else 0


def added_ms(cpu: Mapping[str, Sequence[float]], kind: Features) -> float:
    """What `kind` took more than the bare call, each at its best: whatever else runs on the machine only adds.

    >>> added_ms({"bare call": [10.0, 20.0, 11.0], "all three": [12.0, 23.5, 13.0]}, ALL)
    2.0
    """
    return min(cpu[kind.name]) - min(cpu[BARE.name])


def cpu_ms(
    kinds: Sequence[Features], calls: int = CALLS, seconds: float = SECONDS, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """CPU per second of call for each kind, a figure for each round; the kinds take turns."""
    found: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for number in range(rounds):
        turn = number % len(kinds)
        for kind in (*kinds[turn:], *kinds[:turn]):
            gc.collect()
            begun = time.process_time()
            run(kind, calls, seconds, _look_away)
            found[kind.name].append((time.process_time() - begun) * 1000 / calls / seconds)
    return found


def memory_mb(features: Features, calls: int = CALLS, seconds: float = MEMORY_SECONDS) -> float:
    """What Python and numpy hold for each call, shortly before its end."""
    held: list[int] = []

    def look() -> None:
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        run(features, calls, seconds, look)
    finally:
        tracemalloc.stop()
    return (held[-1] - held[0]) / calls / 1e6


def run(features: Features, calls: int, seconds: float, look: Callable[[], None]) -> None:
    """So many calls at once, in real time. `look` is called before they begin, and shortly before they end."""
    with tempfile.TemporaryDirectory() as directory, capture_logs():
        trio.run(_run, House.of(features, Path(directory)), calls, seconds, look)


async def _run(house: House, calls: int, seconds: float, look: Callable[[], None]) -> None:
    disk = SharedDisk()
    look()
    async with trio.open_nursery() as ears:
        if house.hearing is not None:
            ears.start_soon(house.hearing.listen)
        async with trio.open_nursery() as lines:
            for number in range(calls):
                theatre = attrs.evolve(
                    BY_TWILIO,
                    directory=house.directory / str(number) if house.features.records else None,
                    disk=disk,
                    hearing=house.hearing,
                    quality=QualityThresholds() if house.features.measures else None,
                )
                lines.start_soon(theatre.perform, partial(_talk, house, number / calls, seconds))
            await trio.sleep(seconds - 0.5)
            look()
        ears.cancel_scope.cancel()


async def _talk(house: House, offset: float, seconds: float, stage: Stage) -> None:
    """One call. They do not begin all at one moment, and do not speak in one voice."""
    await trio.sleep(offset * 0.9)
    model = await stage.answered()
    start = round(offset * len(house.words) / _PIECE)
    with trio.move_on_after(seconds - 0.9):
        async with trio.open_nursery() as talking:
            talking.start_soon(_speak, house, start, stage)
            for number in range(1000):
                await model.say(f"item-{number}", house.answer, response_id=f"response-{number}")
                await trio.sleep(_EVERY)
    await stage.caller.hang_up()


async def _speak(house: House, start: int, stage: Stage) -> None:
    """Piece by piece: what waits to be said is in no account."""
    for number in itertools.count(start):
        place = number * _PIECE % len(house.words)
        await stage.caller.say(Mulaw(house.words[place : place + _PIECE]))


def _look_away() -> None:
    """Nobody looks."""
