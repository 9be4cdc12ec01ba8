"""Silero's weights, loaded once and laid out for batches.

`silero16.npz` holds the float32 parameters of Silero VAD v6, 16 kHz, under the names below (origin, licence and how
they were taken: NOTICE). Half precision would halve the file and move probabilities by up to 0.006, sixty times what
is allowed here.
"""

import functools
import io
from collections.abc import Mapping
from importlib import resources
from typing import Final

import attrs
import numpy as np

from opusagent.audio.vad.detector import Floats

STRIDES: Final = (1, 2, 2, 1)
"""How far each convolution moves between outputs, in frames."""

_NAMES: Final = ("stft", *(f"c{layer}{kind}" for layer in range(len(STRIDES)) for kind in "wb"), "weight_ih")
_TAIL_NAMES: Final = ("weight_hh", "bias_ih", "bias_hh", "fw", "fb")


@attrs.frozen(eq=False)
class Layer:
    """One convolution over three frames: `matrix` is (3 * inputs, outputs), frame by frame; `stride` in frames."""

    matrix: Floats
    bias: Floats
    stride: int


@attrs.frozen(eq=False)
class Weights:
    """Everything the network multiplies by, ready for rows on the left.

    `stft` (256, 258): real parts, then imaginary. `lstm` (256, 512) and `lstm_bias` (512): input above hidden; gates
    input, forget, cell, output, all but the cell's halved (see `silero.SpeechNet`). `out` (128,), `out_bias`: logit.
    """

    stft: Floats
    layers: tuple[Layer, ...]
    lstm: Floats
    lstm_bias: Floats
    out: Floats
    out_bias: Floats


@functools.lru_cache(maxsize=1)
def load_weights() -> Weights:
    """The shipped weights, the same object every time: 1.3 MB, a few milliseconds the first time."""
    archive = (resources.files("opusagent.audio.vad") / "silero16.npz").read_bytes()
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        found: dict[str, Floats] = {name: arrays[name].astype(np.float32) for name in (*_NAMES, *_TAIL_NAMES)}
    return laid_out(found)


def laid_out(arrays: Mapping[str, Floats]) -> Weights:
    """The parameters as PyTorch shapes them, turned into matrices that rows are multiplied by."""
    halves = np.repeat(np.array((0.5, 0.5, 1.0, 0.5), np.float32), arrays["bias_ih"].size // 4)
    joined = np.concatenate((arrays["weight_ih"], arrays["weight_hh"]), axis=1).T
    return Weights(
        stft=np.ascontiguousarray(arrays["stft"][:, 0, :].T),
        layers=tuple(
            Layer(_frame_by_frame(arrays[f"c{layer}w"]), arrays[f"c{layer}b"], stride)
            for layer, stride in enumerate(STRIDES)
        ),
        lstm=np.ascontiguousarray(joined * halves),
        lstm_bias=(arrays["bias_ih"] + arrays["bias_hh"]) * halves,
        out=arrays["fw"].reshape(-1),
        out_bias=arrays["fb"].reshape(-1),
    )


def _frame_by_frame(kernel: Floats) -> Floats:
    """(outputs, inputs, 3) to (3 * inputs, outputs), the first frame's inputs first."""
    outputs = kernel.shape[0]
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, outputs))
