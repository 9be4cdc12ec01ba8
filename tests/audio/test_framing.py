"""Exact frames out of any pieces, and the split sample carried over."""

import attrs
import pytest

from opusagent.audio.framing import Framer, WholeSamples
from opusagent.errors import LocalProtocolError


def test_frames_come_when_they_are_complete() -> None:
    """Nothing early, nothing late, and the rest is held."""
    framer = Framer(4)
    assert framer.push(b"abc") == []
    assert framer.push(b"defghi") == [b"abcd", b"efgh"]
    assert framer.held == 1
    assert framer.push(b"") == []
    assert framer.push(b"jkl") == [b"ijkl"]
    assert framer.held == 0


def test_the_tail_is_filled_with_silence_once() -> None:
    """The last partial frame is padded with the codec's silence; then there is nothing."""
    framer = Framer(4)
    framer.push(b"abcde")
    assert framer.flush(b"\xff") == b"e\xff\xff\xff"
    assert framer.held == 0
    assert framer.flush(b"\xff") is None


def test_nothing_held_is_no_frame_of_silence() -> None:
    """A stream that ended on a frame needs no padding, so no silence is played for it."""
    framer = Framer(4)
    framer.push(b"abcd")
    assert framer.flush(b"\xff") is None


@pytest.mark.parametrize("silence", [b"", b"\x00\x00"])
def test_silence_that_does_not_fit_is_refused_and_nothing_is_lost(silence: bytes) -> None:
    """Three bytes are missing: neither nothing nor two-byte samples fill them."""
    framer = Framer(4)
    framer.push(b"a")
    with pytest.raises(LocalProtocolError, match=f"3 missing bytes .* silence of {len(silence)} bytes"):
        framer.flush(silence)
    assert framer.flush(b"-") == b"a---"


def test_clear_forgets_the_rest() -> None:
    """After a barge-in no byte of the old answer leads the new one."""
    framer = Framer(4)
    framer.push(b"old")
    framer.clear()
    assert framer.push(b"anew") == [b"anew"]


def test_split_samples_are_carried_over() -> None:
    """A sample cut in two comes out whole with its second half."""
    carry = WholeSamples(2)
    assert carry.push(b"abc") == b"ab"
    assert carry.held == 1
    assert carry.push(b"") == b""
    assert carry.push(b"d") == b"cd"
    assert carry.held == 0


def test_whole_pieces_pass_untouched() -> None:
    """Nothing split, nothing copied."""
    piece = bytes(range(10))
    assert WholeSamples(2).push(piece) is piece
    assert WholeSamples(1).push(piece) is piece


def test_clear_forgets_the_half_sample() -> None:
    """A new stream begins on a sample."""
    carry = WholeSamples(2)
    carry.push(b"x")
    carry.clear()
    assert carry.push(b"ab") == b"ab"


@pytest.mark.parametrize("size", [0, -160])
def test_sizes_are_at_least_one(size: int) -> None:
    """Frames of nothing would never end."""
    with pytest.raises(LocalProtocolError, match=f"frame_bytes is {size}; it must be at least 1"):
        Framer(size)
    with pytest.raises(LocalProtocolError, match=f"bytes_per_sample is {size}"):
        WholeSamples(size)


def test_the_size_of_a_frame_stays() -> None:
    """Changing it in the middle of a stream would break the law, so it cannot be changed."""
    framer = Framer(4)
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        framer.frame_bytes = 5
