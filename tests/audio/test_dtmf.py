"""Key tones: sixteen of them, faint and loud, in noise, in every cut; and speech, which is none."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from opusagent.audio.dtmf import HIGH, LATE, LOW, KeyTones
from opusagent.audio.g711 import decode, encode
from opusagent.audio.media import MULAW_8K, PCM16_24K, MediaFormat
from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.demo.speech import UTTERANCES, load

BEFORE, TONE, AFTER = 60, 100, 80
"""Milliseconds of a test: noise, a key in it, noise."""


def line(media: MediaFormat, low: float, high: float, db: float, twist_db: float, shift: int) -> bytes:
    """A key of `db` below full scale on a line with noise at 55 dB below; `shift` moves it by samples."""
    rate = media.rate
    sound = np.random.default_rng(shift).normal(0, 58, rate * (BEFORE + TONE + AFTER) // 1000)
    time = np.arange(rate * TONE // 1000) / rate
    amplitude = 32768 * 10 ** (db / 20) / 2
    tone = amplitude * (np.sin(2 * np.pi * low * time) + 10 ** (twist_db / 20) * np.sin(2 * np.pi * high * time + 1))
    begin = rate * BEFORE // 1000 + shift
    sound[begin : begin + len(tone)] += tone
    return encode(media, pcm_of(np.clip(np.rint(sound), -32768, 32767).astype(np.int16)))


def loud_ms(media: MediaFormat, audio: bytes, db: float) -> float:
    """From the first sample that is as loud as a tone to the last."""
    samples: NDArray[np.float64] = np.abs(samples_of(decode(media, audio)).astype(np.float64))
    loud = np.flatnonzero(samples > 32768 * 10 ** (db / 20) / 4)
    return 0.0 if len(loud) == 0 else float(loud[-1] - loud[0] + 1) * 1000 / media.rate


@pytest.mark.parametrize("media", [MULAW_8K, PCM16_24K], ids=["mu-law", "24 kHz"])
@pytest.mark.parametrize(("low", "high"), list(itertools.product(LOW, HIGH)))
def test_of_a_key_less_is_left_than_a_receiver_takes_for_one(media: MediaFormat, low: int, high: int) -> None:
    """ITU-T Q.24: 20 ms of it are nobody's key. A stream of 20 ms chunks, the key anywhere in them."""
    for shift, db, twist in ((0, -6.0, 0.0), (77, -20.0, 6.0), (113, -30.0, -6.0)):
        sent, tones = line(media, low, high, db, twist, shift), KeyTones(media)
        size = media.bytes_of(LATE)
        heard = b"".join(tones.push(sent[place : place + size]) for place in range(0, len(sent), size))
        assert len(heard) == len(sent)
        assert loud_ms(media, sent, db) > TONE * 0.9
        assert loud_ms(media, heard, db) < LATE


@pytest.mark.parametrize("drift", [0.985, 0.993, 1.007, 1.015])
@pytest.mark.parametrize(("low", "high"), list(itertools.product(LOW, HIGH)))
def test_a_telephone_may_be_off_by_as_much_as_the_standard_lets_it(low: int, high: int, drift: float) -> None:
    """ITU-T Q.24: 1.5 % either way is a key still, and is silenced as one."""
    sent, tones = line(MULAW_8K, low * drift, high * drift, -10.0, 0.0, 40), KeyTones(MULAW_8K)
    heard = b"".join(tones.push(sent[place : place + 160]) for place in range(0, len(sent), 160))
    assert loud_ms(MULAW_8K, heard, -10.0) < LATE


@pytest.mark.parametrize("name", UTTERANCES)
def test_speech_passes_untouched(name: str) -> None:
    spoken = load(name)
    assert KeyTones(MULAW_8K).push(spoken) == spoken
