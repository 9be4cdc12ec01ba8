"""The general streaming resamplers that one would otherwise take, as plain functions from bytes to bytes."""

import warnings

import numpy as np

from opusagent.audio.pcm import BYTES_PER_SAMPLE, pcm_of, samples_of
from opusagent.bench.figures import Push
from opusagent.units import Hz

with warnings.catch_warnings():
    # As in `opusagent.audio.g711`: announced by PEP 594 and provided for.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop


def ratecv(source: Hz, target: Hz) -> Push:
    """`audioop.ratecv`: straight lines between samples, no filter."""
    _, state = audioop.ratecv(b"", BYTES_PER_SAMPLE, 1, source, target, None)

    def push(pcm: bytes) -> bytes:
        nonlocal state
        out, state = audioop.ratecv(pcm, BYTES_PER_SAMPLE, 1, source, target, state)
        return out

    return push


def soxr_hq(source: Hz, target: Hz) -> Push | None:
    """A soxr stream of int16 at its default quality; None where soxr is not installed."""
    try:
        import soxr  # noqa: PLC0415 (a development package: without it the table says so)
    except ImportError:
        return None
    stream = soxr.ResampleStream(source, target, 1, dtype=np.dtype(np.int16).name, quality="HQ")
    return lambda pcm: pcm_of(stream.resample_chunk(samples_of(pcm)))
