"""Silero VAD as a few matrix products over a batch of streams.

The network (Silero Team, Silero VAD v6, https://github.com/snakers4/silero-vad, MIT): 64 samples of context and a
chunk of 512, mirrored at the end, become four magnitude spectra of 256 points; four convolutions over three frames
with ReLU reduce them to one vector of 128; an LSTM cell remembers; one neuron and a sigmoid decide.

**One pattern carries all of it.** Rows hold frames side by side, so three neighbouring frames are one stretch of
memory, and a convolution is: take overlapping stretches, multiply. The spectra are the same with frames of one sample.
What the layers pad is zeros, one frame on either side.

**Sigmoids.** sigmoid(x) = (1 + tanh(x / 2)) / 2. The weights of the three gates that need it are halved once when they
are loaded, so that a step takes one tanh over all four.
"""

from typing import Final

import attrs
import numpy as np

from opusagent.audio.vad.detector import CHUNK_SAMPLES, Floats, sigmoid
from opusagent.audio.vad.weights import Layer, Weights, load_weights

_CONTEXT: Final = 64  # samples of the chunk before; without them the network works, and much worse
_MIRRORED: Final = 64
_FRAME: Final = 256
_HOP: Final = 128
_BINS: Final = _FRAME // 2 + 1
_HIDDEN: Final = 128

# The state of one stream, a row: hidden, cell, context.
_CELL: Final = slice(_HIDDEN, 2 * _HIDDEN)
_RECENT: Final = slice(2 * _HIDDEN, 2 * _HIDDEN + _CONTEXT)


@attrs.frozen
class SpeechNet:
    """The network with its weights. Stateless and shared: every stream's state is a row that the caller owns."""

    weights: Weights = attrs.field(factory=load_weights, repr=False, eq=False)

    @property
    def width(self) -> int:
        """Hidden 128, cell 128, context 64.

        >>> SpeechNet().width
        320
        """
        return _RECENT.stop

    def step(self, chunks: Floats, rows: Floats) -> Floats:
        """The probability of speech in each chunk: (streams, 512) and (streams, 320), updated, to (streams,)."""
        weights = self.weights
        features = _spectra(weights, _extended(chunks, rows))
        for layer in weights.layers:
            features = _convolved(layer, features)
        self.pass_over(chunks, rows)
        return _decided(weights, _remembered(weights, features[:, 0], rows))

    def pass_over(self, chunks: Floats, rows: Floats) -> None:
        """Keep the end of each chunk as the next one's context. What the cell remembers stays as it is.

        Chunks are passed over only after silence was stepped through for a while, and then the cell has come to rest:
        `Gate` holds long enough. Clearing it would be a state that the network meets at no time but the beginning.
        """
        rows[:, _RECENT] = chunks[:, -_CONTEXT:]


def _extended(chunks: Floats, rows: Floats) -> Floats:
    """Context, chunk and the mirrored end: (streams, 640). The last sample itself is not mirrored."""
    body = slice(_CONTEXT, _CONTEXT + CHUNK_SAMPLES)
    extended = np.empty((len(chunks), body.stop + _MIRRORED), np.float32)
    extended[:, : body.start] = rows[:, _RECENT]
    extended[:, body] = chunks
    extended[:, body.stop :] = chunks[:, -2 : -2 - _MIRRORED : -1]
    return extended


def _spectra(weights: Weights, extended: Floats) -> Floats:
    """Four magnitude spectra of each row: (streams, 4, 129)."""
    parts: Floats = _stretches(extended, _FRAME, _HOP) @ weights.stft
    power: Floats = np.square(parts[:, :_BINS])
    power += np.square(parts[:, _BINS:])
    return np.sqrt(power, out=power).reshape(len(extended), -1, _BINS)


def _convolved(layer: Layer, features: Floats) -> Floats:
    """(streams, frames, inputs) to (streams, fewer or equal frames, outputs)."""
    streams, frames, inputs = features.shape
    padded = np.zeros((streams, frames + 2, inputs), np.float32)
    padded[:, 1:-1] = features
    sums = _stretches(padded.reshape(streams, -1), 3 * inputs, layer.stride * inputs) @ layer.matrix
    sums += layer.bias
    np.maximum(sums, 0, out=sums)
    return sums.reshape(streams, -1, len(layer.bias))


def _stretches(rows: Floats, length: int, hop: int) -> Floats:
    """Every stretch of `length` numbers of each row, `hop` apart, below each other: (rows * stretches, length)."""
    count = (rows.shape[1] - length) // hop + 1
    step = rows.itemsize
    overlapping = np.ndarray((len(rows), count, length), np.float32, rows, strides=(rows.strides[0], hop * step, step))
    return overlapping.reshape(-1, length)


def _remembered(weights: Weights, features: Floats, rows: Floats) -> Floats:
    """One step of the LSTM cell (Hochreiter and Schmidhuber 1997; gates in PyTorch's order): the new hidden state."""
    hidden, cell = rows[:, :_HIDDEN], rows[:, _CELL]
    gates = np.concatenate((features, hidden), axis=1) @ weights.lstm
    gates += weights.lstm_bias
    np.tanh(gates, out=gates)
    enter, forget, candidate, leave = (gates[:, at : at + _HIDDEN] for at in range(0, 4 * _HIDDEN, _HIDDEN))
    cell[:] = ((1 + forget) * cell + (1 + enter) * candidate) / 2
    hidden[:] = (1 + leave) * np.tanh(cell) / 2
    return hidden


def _decided(weights: Weights, hidden: Floats) -> Floats:
    return sigmoid(np.maximum(hidden, 0) @ weights.out + weights.out_bias)
