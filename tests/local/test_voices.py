"""The parrot says what it heard, and rings where there was nothing to hear."""

import numpy as np

from opusagent.local.vad import SpeechBegan, SpeechDetector
from opusagent.local.voices import Cue, Parrot, Reply, Utterance, chime, trimmed
from opusagent.units import HZ_24K, Ms, Pcm16, samples_of_ms


def words(ms: int) -> Pcm16:
    samples = np.random.default_rng(2).normal(0, 2300, samples_of_ms(Ms(ms), HZ_24K))
    return Pcm16(samples.astype("<i2").tobytes())


def silence(ms: int) -> bytes:
    return bytes(2 * samples_of_ms(Ms(ms), HZ_24K))


def test_the_parrot_repeats_the_words_without_the_quiet_around_them() -> None:
    said = words(1000)
    cue = Cue(Pcm16(silence(300) + said + silence(500)), "Be kind.")
    expected = Reply(Utterance(Pcm16(silence(60) + said + silence(60)), "(the caller's own words, 1.1 s)"))
    assert Parrot().answer(cue) == expected


def test_quiet_between_words_stays() -> None:
    said = words(200) + silence(700) + words(200)
    assert trimmed(Pcm16(silence(20) + said)) == silence(20) + said


def test_without_words_the_parrot_rings_and_writes_what_it_was_told() -> None:
    for heard in (b"", silence(2000)):
        assert Parrot().answer(Cue(Pcm16(heard), "Say hello.")) == Reply(
            Utterance(chime(), "(a chime, in place of: Say hello.)")
        )


def test_the_chime_is_six_tenths_of_a_second_and_loud_enough_to_be_taken_for_speech() -> None:
    assert len(chime()) == 2 * samples_of_ms(Ms(600), HZ_24K)
    assert SpeechDetector(HZ_24K).push(chime()) == [SpeechBegan(Ms(0))]


def test_the_chime_is_two_tones_a_third_apart() -> None:
    samples = np.array(memoryview(chime()).cast("h"), dtype=np.float64)
    for half, tone in zip(np.split(samples, 2), (659.26, 523.25), strict=True):
        spectrum = np.abs(np.fft.rfft(half, 24000))
        assert abs(int(np.argmax(spectrum)) - tone) <= 1


def test_the_chime_does_not_click() -> None:
    samples = np.array(memoryview(chime()).cast("h"), dtype=np.float64)
    assert np.abs(np.diff(samples)).max() < 1500
    assert np.abs(samples).max() < 8192
