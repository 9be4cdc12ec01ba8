"""The strategies say what they promise, and reach the corners that the laws are about."""

import math

import numpy as np
from hypothesis import find, given
from hypothesis import strategies as st

from opusagent.audio.media import Encoding, MediaFormat
from opusagent.audio.pcm import samples_of
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz
from property_tests.strategies_audio import (
    DIRECTIONS,
    LOUDEST,
    MOST_SAMPLES,
    band_limited,
    codes,
    directions,
    media_formats,
    packed,
    pcm,
    pieces,
    rates,
)


def test_packing_is_little_endian_two_s_complement() -> None:
    """1 and -2 are 01 00 and fe ff."""
    assert packed([1, -2]) == bytes.fromhex("0100feff")


def test_there_are_six_directions() -> None:
    """Three rates have six ordered pairs."""
    assert set(DIRECTIONS) == {
        (HZ_8K, HZ_16K),
        (HZ_8K, HZ_24K),
        (HZ_16K, HZ_8K),
        (HZ_16K, HZ_24K),
        (HZ_24K, HZ_8K),
        (HZ_24K, HZ_16K),
    }


@given(directions(), rates())
def test_directions_change_the_rate(direction: tuple[Hz, Hz], rate: Hz) -> None:
    """A direction never leads to where it began."""
    source, target = direction
    assert source != target
    assert rate in (HZ_8K, HZ_16K, HZ_24K)


def test_every_encoding_is_met() -> None:
    """The formats include A-law at 24 kHz, which nobody speaks."""
    unusual = MediaFormat(Encoding.ALAW, HZ_24K)
    assert find(media_formats(), lambda media: media == unusual) == unusual


@given(pcm())
def test_pcm_is_whole_samples_and_bounded(sound: bytes) -> None:
    """Never half a sample, never longer than promised."""
    assert len(sound) % 2 == 0
    assert len(sound) <= 2 * MOST_SAMPLES


def test_pcm_reaches_silence_and_both_extremes() -> None:
    """Nothing at all, one quiet sample, and a long stretch at full scale are all drawn."""
    assert find(pcm(), lambda sound: not sound) == b""
    assert find(pcm(), lambda sound: sound == b"\x00\x00") == b"\x00\x00"
    extremes = find(pcm(), lambda sound: len(sound) > 200 and {-32768, 32767} == {*samples_of(sound).tolist()})
    assert len(extremes) > 200


@given(st.data(), codes(), st.integers(1, 3))
def test_pieces_are_the_whole(data: st.DataObject, whole: bytes, unit: int) -> None:
    """Joined they are what was cut, and no unit is split but the incomplete last one."""
    cut = data.draw(pieces(whole, unit))
    assert b"".join(cut) == whole
    assert all(len(piece) % unit == 0 for piece in cut[:-1])


def test_pieces_reach_the_corners() -> None:
    """Empty pieces, all in one piece, and byte by byte."""
    assert find(pieces(b"abc"), lambda cut: b"" in cut[1:-1])
    assert find(pieces(b"abc"), lambda cut: cut == [b"abc"]) == [b"abc"]
    assert [piece for piece in find(pieces(b"abc"), lambda cut: {b"a", b"b", b"c"} <= {*cut}) if piece]


@given(band_limited(HZ_8K, 3000))
def test_band_limited_sound_is_band_limited(sound: bytes) -> None:
    """Above the band, a windowed transform finds a ten-thousandth of full scale at most."""
    samples = samples_of(sound).astype(np.float64)
    assert np.abs(samples).max() <= LOUDEST
    places = np.arange(len(samples))
    window = np.sin(np.pi * (places + 0.5) / len(samples)) ** 4
    for hertz in (3300, 3600, 3990):
        turns = 2 * np.pi * hertz / HZ_8K * places
        level = math.hypot(float(samples * window @ np.sin(turns)), float(samples * window @ np.cos(turns)))
        assert level / window.sum() < 32768 / 10_000
