"""One detector for all calls: chunks are collected as they come and evaluated together, a batch per tick.

A level gate stands before the detector. A chunk below -60 dBFS, 37 dB below usual speech, is not worth a step once the
last eight chunks were as quiet: its probability is 0. A line with silence in its pauses costs a third less for it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np

from opusagent.audio.pcm import SAMPLE
from opusagent.audio.vad.detector import CHUNK_SAMPLES, Detector, Floats
from opusagent.audio.vad.ear import Chunk
from opusagent.units import Ms

GATE_DBFS: Final = -60.0
HOLD: Final = 8
"""How many quiet chunks are still evaluated: 256 ms in which the network comes to rest."""

MOST_WAITING: Final = 32
"""Chunks of one stream that may wait: 1 s. The oldest loses and is counted."""
MOST_ROUNDS: Final = 8
"""Chunks of one stream in one run, so that a burst cannot hold the event loop. What is left comes in the next run."""

_GATE_ENERGY: Final = CHUNK_SAMPLES * 10 ** (GATE_DBFS / 10)
_FULL_SCALE: Final = np.float32(32768)


@attrs.define(eq=False)
class StreamState:
    """What one stream is to the bank; the call owns it, and it is compared by identity."""

    row: Floats
    hold: int = 0
    """How many more quiet chunks are evaluated."""


@attrs.frozen(eq=False)
class Verdict:
    """The probability of speech in the chunk of `stream` that began at media time `at`."""

    stream: StreamState
    at: Ms
    probability: float


@attrs.frozen
class BankStatistics:
    """Chunks by what became of them, and the batches: how many, and the most streams in one."""

    evaluated: int = 0
    gated: int = 0
    dropped: int = 0
    batches: int = 0
    widest: int = 0


@attrs.define(eq=False)
class Bank:
    """The chunks that wait, and the one detector that they wait for. Pure: whoever owns the clock calls `run`."""

    detector: Detector
    _waiting: dict[StreamState, deque[Chunk]] = attrs.field(init=False, factory=dict[StreamState, deque[Chunk]])
    _counts: BankStatistics = attrs.field(init=False, factory=BankStatistics)

    def new_stream(self) -> StreamState:
        """The state of a stream that has heard nothing."""
        return StreamState(np.zeros(self.detector.width, np.float32))

    def submit(self, stream: StreamState, chunk: Chunk) -> None:
        """Let `chunk` wait for the next run, behind the others of its stream. Past `MOST_WAITING` the oldest goes."""
        queue = self._waiting.setdefault(stream, deque())
        if len(queue) == MOST_WAITING:
            queue.popleft()
            self._counts = attrs.evolve(self._counts, dropped=self._counts.dropped + 1)
        queue.append(chunk)

    def withdraw(self, stream: StreamState) -> None:
        """Forget what waits for `stream`: its call is over. Does nothing for a stream that has nothing waiting."""
        self._waiting.pop(stream, None)

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for the next run."""
        return bool(self._waiting)

    def run(self) -> list[Verdict]:
        """Evaluate the oldest chunk of every stream in one batch, and so on until none waits or `MOST_ROUNDS` is up.

        Verdicts of one stream come in its order.
        """
        verdicts: list[Verdict] = []
        for _ in range(MOST_ROUNDS):
            if not self._waiting:
                break
            verdicts += self._round()
        return verdicts

    def statistics(self) -> BankStatistics:
        """The counts so far."""
        return self._counts

    def _round(self) -> list[Verdict]:
        ready = [(stream, queue.popleft()) for stream, queue in self._waiting.items()]
        self._waiting = {stream: queue for stream, queue in self._waiting.items() if queue}
        streams = [stream for stream, _ in ready]
        probabilities = self._evaluated(streams, _as_floats([chunk.pcm for _, chunk in ready]))
        return [
            Verdict(stream, chunk.at, probability)
            for (stream, chunk), probability in zip(ready, probabilities, strict=True)
        ]

    def _evaluated(self, streams: Sequence[StreamState], chunks: Floats) -> list[float]:
        """Step the streams that are worth it, pass over the others, and write the rows back."""
        loud: list[bool] = (np.einsum("ij,ij->i", chunks, chunks) >= _GATE_ENERGY).tolist()
        awake = [_awake(stream, loud=each) for stream, each in zip(streams, loud, strict=True)]
        stepped = [place for place, each in enumerate(awake) if each]
        passed = [place for place, each in enumerate(awake) if not each]
        found = [0.0] * len(streams)
        if stepped:
            rows = np.stack([streams[place].row for place in stepped])
            probabilities: list[float] = self.detector.step(chunks[stepped] if passed else chunks, rows).tolist()
            for place, row, probability in zip(stepped, rows, probabilities, strict=True):
                streams[place].row[:] = row
                found[place] = probability
        for place in passed:
            self.detector.pass_over(chunks[place : place + 1], streams[place].row[np.newaxis])
        self._count(len(stepped), len(passed))
        return found

    def _count(self, stepped: int, passed: int) -> None:
        counts = self._counts
        self._counts = attrs.evolve(
            counts,
            evaluated=counts.evaluated + stepped,
            gated=counts.gated + passed,
            batches=counts.batches + bool(stepped),
            widest=max(counts.widest, stepped),
        )


def _as_floats(pcm: Sequence[bytes]) -> Floats:
    """(streams, 512), full scale 1.0."""
    samples = np.frombuffer(b"".join(pcm), SAMPLE).reshape(len(pcm), -1)
    return samples.astype(np.float32) / _FULL_SCALE


def _awake(stream: StreamState, *, loud: bool) -> bool:
    """Whether the stream's chunk is evaluated: it is loud, or one of the `HOLD` after the last that was."""
    if loud:
        stream.hold = HOLD
        return True
    stream.hold -= 1
    if stream.hold >= 0:
        return True
    stream.hold = 0
    return False
