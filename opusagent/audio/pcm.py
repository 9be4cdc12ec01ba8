"""PCM16 as numbers: the one place where sample bytes and numpy arrays meet.

PCM16 is little-endian on every wire that this program speaks and in WAV, so the arrays here are little-endian by
type, whatever the machine.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from opusagent.errors import LocalProtocolError
from opusagent.units import Pcm16

SAMPLE: Final[np.dtype[np.int16]] = np.dtype(np.int16).newbyteorder("<")
BYTES_PER_SAMPLE: Final = 2
LOWEST: Final = -32768
HIGHEST: Final = 32767


def check_whole(pcm: bytes) -> None:
    """Refuse half a sample: every later sample would be read across two, which is full-scale noise.

    Raises `LocalProtocolError` on an odd number of bytes. Bytes from a wire that may split a sample go through
    `framing.WholeSamples` first.
    """
    if len(pcm) % BYTES_PER_SAMPLE:
        raise LocalProtocolError(f"{len(pcm)} bytes are not whole PCM16 samples; carry split ones with WholeSamples")


def samples_of(pcm: bytes) -> npt.NDArray[np.int16]:
    """A read-only view of `pcm` as samples, without a copy. Raises `LocalProtocolError` on half a sample.

    >>> samples_of(bytes.fromhex("0100ff7f0080")).tolist()
    [1, 32767, -32768]
    """
    check_whole(pcm)
    return np.ndarray(len(pcm) // BYTES_PER_SAMPLE, SAMPLE, pcm)


def pcm_of(samples: npt.NDArray[np.int16]) -> Pcm16:
    """The bytes of `samples`.

    >>> pcm_of(samples_of(bytes.fromhex("0100ff7f"))).hex()
    '0100ff7f'
    """
    return Pcm16(samples.astype(SAMPLE, copy=False).tobytes())
