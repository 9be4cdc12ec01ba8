"""Law: framing loses, repeats and invents nothing."""

from hypothesis import given
from hypothesis import strategies as st

from opusagent.audio.framing import Framer, WholeSamples
from property_tests.strategies_audio import codes, pieces


@given(st.data(), codes(), st.integers(1, 200))
def test_every_byte_comes_out_in_order(data: st.DataObject, sound: bytes, frame_bytes: int) -> None:
    """For all cuts: exact frames only, after each piece all that are complete, and the padded tail at the end."""
    framer = Framer(frame_bytes)
    frames: list[bytes] = []
    taken = 0
    for piece in data.draw(pieces(sound)):
        frames += framer.push(piece)
        taken += len(piece)
        assert (len(frames), framer.held) == divmod(taken, frame_bytes)
    tail = framer.flush(b"\xff")
    frames += [tail] if tail else []
    assert {len(frame) for frame in frames} <= {frame_bytes}
    assert b"".join(frames) == sound + b"\xff" * (-len(sound) % frame_bytes)
    assert framer.flush(b"\xff") is None


@given(st.data(), codes(), st.integers(1, 8))
def test_whole_samples_carry_the_split_one(data: st.DataObject, sound: bytes, bytes_per_sample: int) -> None:
    """For all cuts: whole samples only, and what came out plus what is held is what went in."""
    carry = WholeSamples(bytes_per_sample)
    out = b""
    taken = 0
    for piece in data.draw(pieces(sound)):
        whole = carry.push(piece)
        assert len(whole) % bytes_per_sample == 0
        out += whole
        taken += len(piece)
        assert carry.held == taken % bytes_per_sample
    assert out == sound[: len(sound) - carry.held]
