"""The energy detector fires on telephone speech, soon, and on nothing that a quiet line carries."""

import math

import numpy as np
import pytest

from opusagent.local.vad import FRAME, SpeechBegan, SpeechDetector, SpeechEnded, frame_levels
from opusagent.units import HZ_8K, HZ_24K, Hz, Ms, Pcm16, samples_of_ms

RATES = [HZ_8K, HZ_24K]


def noise(dbov: float, ms: int, rate: Hz, seed: int = 1) -> Pcm16:
    deviation = 32768 * 10 ** (dbov / 20)
    samples = np.random.default_rng(seed).normal(0, deviation, samples_of_ms(Ms(ms), rate))
    return Pcm16(np.clip(samples, -32768, 32767).astype("<i2").tobytes())


def silence(ms: int, rate: Hz) -> Pcm16:
    return Pcm16(bytes(2 * samples_of_ms(Ms(ms), rate)))


def voiced(dbov: float, ms: int, rate: Hz) -> Pcm16:
    """A 150 Hz buzz under a 4 Hz syllable rhythm, like a vowel-heavy talker, at the level given."""
    time = np.arange(samples_of_ms(Ms(ms), rate)) / rate
    buzz = np.sign(np.sin(2 * np.pi * 150 * time)) * (0.6 - 0.4 * np.cos(2 * np.pi * 4 * time))
    scaled = buzz / np.sqrt(np.mean(buzz**2)) * 32768 * 10 ** (dbov / 20)
    return Pcm16(scaled.astype("<i2").tobytes())


def pieces(audio: Pcm16, size: int) -> list[Pcm16]:
    return [Pcm16(audio[start : start + size]) for start in range(0, len(audio), size)]


@pytest.mark.parametrize("rate", RATES)
def test_it_never_fires_on_silence_or_on_comfort_noise_at_50_below(rate: Hz) -> None:
    quiet = silence(3000, rate) + noise(-50, 60_000, rate)
    assert SpeechDetector(rate).push(Pcm16(quiet)) == []


def test_it_never_fires_on_the_smallest_values_that_mulaw_silence_and_idle_noise_decode_to() -> None:
    idle = np.random.default_rng(3).choice([-24, -16, -8, 0, 8, 16, 24], 8000 * 20).astype("<i2")
    assert SpeechDetector(HZ_8K).push(Pcm16(idle.tobytes())) == []


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [-30, -23, -15])
def test_it_fires_within_100_ms_of_the_first_word(rate: Hz, level: float) -> None:
    detector = SpeechDetector(rate)
    detector.push(noise(-60, 1000, rate))
    speech = voiced(level, 100, rate)
    assert detector.push(speech) in ([SpeechBegan(Ms(1000))], [SpeechBegan(Ms(1020))], [SpeechBegan(Ms(1040))])


@pytest.mark.parametrize("rate", RATES)
def test_a_turn_ends_when_the_silence_asked_for_is_complete(rate: Hz) -> None:
    detector = SpeechDetector(rate, silence=Ms(300))
    heard = detector.push(Pcm16(noise(-23, 1000, rate) + silence(1000, rate)))
    assert heard == [SpeechBegan(Ms(0)), SpeechEnded(Ms(1300))]


def test_a_pause_shorter_than_the_silence_does_not_end_the_turn() -> None:
    words = noise(-23, 400, HZ_8K) + silence(480, HZ_8K) + noise(-23, 400, HZ_8K)
    assert SpeechDetector(HZ_8K).push(Pcm16(words)) == [SpeechBegan(Ms(0))]


def test_the_soft_end_of_a_word_holds_a_turn_that_it_would_not_have_begun() -> None:
    soft = noise(-43, 2000, HZ_8K)
    assert SpeechDetector(HZ_8K).push(soft) == []
    begun = SpeechDetector(HZ_8K)
    assert begun.push(Pcm16(noise(-23, 200, HZ_8K) + soft)) == [SpeechBegan(Ms(0))]


def test_a_click_begins_nothing() -> None:
    clicks = (noise(-10, 40, HZ_8K) + silence(200, HZ_8K)) * 20
    assert SpeechDetector(HZ_8K).push(Pcm16(clicks)) == []


@pytest.mark.parametrize(("threshold", "fires"), [(0.0, True), (0.5, False), (1.0, False)])
def test_a_lower_threshold_hears_softer_speech(threshold: float, fires: bool) -> None:  # noqa: FBT001 - a row of it
    detector = SpeechDetector(HZ_8K, threshold=threshold)
    assert (detector.push(noise(-50, 500, HZ_8K)) != []) is fires


@pytest.mark.parametrize("size", [2, 160, 318, 320, 1000])
def test_the_cuts_between_pushes_do_not_matter(size: int) -> None:
    audio = Pcm16(noise(-60, 130, HZ_8K) + noise(-23, 700, HZ_8K) + silence(900, HZ_8K))
    detector = SpeechDetector(HZ_8K)
    assert [change for piece in pieces(audio, size) for change in detector.push(piece)] == SpeechDetector(HZ_8K).push(
        audio
    )


def test_the_clock_starts_where_it_is_told() -> None:
    detector = SpeechDetector(HZ_8K, heard=Ms(5000))
    assert detector.push(noise(-23, 100, HZ_8K)) == [SpeechBegan(Ms(5000))]


def test_a_full_scale_sine_is_3_db_below_overload() -> None:
    sine = (32767 * np.sin(2 * math.pi * 1000 * np.arange(160) / 8000)).astype("<i2").tobytes()
    assert [round(level, 2) for level in frame_levels(Pcm16(sine), HZ_8K)] == [-3.01]
    assert frame_levels(Pcm16(sine[:-2]), HZ_8K) == []
    assert FRAME == 20
