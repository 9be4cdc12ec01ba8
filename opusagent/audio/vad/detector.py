"""What every voice activity detector is: a function over rows, one row of state and one chunk for each stream."""

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from opusagent.units import HZ_16K, Ms, ms_of_samples

Floats = npt.NDArray[np.float32]

RATE: Final = HZ_16K
CHUNK_SAMPLES: Final = 512
"""One decision's worth of audio: what Silero was trained on at 16 kHz."""
CHUNK: Final[Ms] = ms_of_samples(CHUNK_SAMPLES, RATE)


class Detector(Protocol):
    """How likely each stream's next chunk is speech. Holds no stream's state: that is a row of `width` numbers.

    `chunks` is (streams, 512) at 16 kHz, full scale 1.0; `rows` is (streams, width), zeros for a new stream, and is
    brought up to date in place. Streams never influence each other.
    """

    @property
    def width(self) -> int:
        """How many numbers the state of a stream has."""
        ...

    def step(self, chunks: Floats, rows: Floats) -> Floats:
        """The probability of speech in each chunk, (streams,), each from 0 to 1."""
        ...

    def pass_over(self, chunks: Floats, rows: Floats) -> None:
        """Take note of chunks that are too quiet to be worth a step."""
        ...


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) by way of tanh, which cannot overflow.

    >>> sigmoid(np.array([-1e9, 0.0, 2.0], np.float32)).round(4).tolist() == [0.0, 0.5, np.float32(0.8808)]
    True
    """
    probabilities: Floats = np.tanh(logits / 2)
    probabilities += 1
    probabilities /= 2
    return probabilities
