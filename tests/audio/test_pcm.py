"""Where sample bytes and arrays meet."""

import numpy as np
import pytest

from opusagent.audio.pcm import check_whole, pcm_of, samples_of
from opusagent.errors import LocalProtocolError


def test_samples_are_little_endian_and_signed() -> None:
    """Low byte first, two's complement."""
    assert samples_of(bytes.fromhex("0001ffff")).tolist() == [256, -1]


def test_samples_are_a_view_that_cannot_be_written() -> None:
    """Bytes do not change, so neither may their samples."""
    assert not samples_of(b"\x00\x00").flags.writeable


def test_no_bytes_are_no_samples() -> None:
    """Nothing there and back."""
    assert pcm_of(samples_of(b"")) == b""


def test_bytes_are_little_endian_whatever_the_array_is() -> None:
    """An array in the other byte order gives the same wire."""
    assert pcm_of(np.arange(2, dtype=np.int16).astype(np.dtype(np.int16).newbyteorder(">"))) == b"\x00\x00\x01\x00"


def test_half_a_sample_is_refused_with_the_way_out() -> None:
    """The message says how many bytes came and what carries split samples."""
    check_whole(b"\x00\x00")
    with pytest.raises(LocalProtocolError, match=r"^3 bytes are not whole PCM16 samples; .*WholeSamples$"):
        check_whole(b"\x00\x00\x00")
    with pytest.raises(LocalProtocolError):
        samples_of(b"\x00")
