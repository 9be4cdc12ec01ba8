"""The sounds are what they say: otherwise every figure made from them is about something else."""

import math

import numpy as np
import pytest

from opusagent.audio.pcm import samples_of
from opusagent.bench import sounds
from opusagent.bench.sounds import FRAME, SPEECH_DB, Sound
from opusagent.units import HZ_8K

SECONDS = 4.0


def level(sound: Sound) -> float:
    return 10 * math.log10(float(np.mean(np.square(sound))))


def strongest(sound: Sound, count: int) -> list[float]:
    """The frequencies of the strongest bins, 10 Hz apart, of the first tenth of a second."""
    spectrum = np.abs(np.fft.rfft(sound[: HZ_8K // 10]))
    return sorted((np.argsort(spectrum)[-count:] * 10.0).tolist())


def test_the_demos_speech_is_twelve_utterances_at_its_level() -> None:
    speech = sounds.demo()
    assert speech.name == "demo"
    assert len(speech.onsets) == 12
    assert len(speech.active) * FRAME == len(speech.sound)
    assert level(speech.sound[np.repeat(speech.active, FRAME)]) == pytest.approx(SPEECH_DB, abs=2)  # pauses are in it


def test_silence_between_utterances_is_not_speech() -> None:
    speech = sounds.demo()
    assert 0.4 < float(speech.active.mean()) < 0.8
    assert not speech.active[:75].any()


@pytest.mark.parametrize("snr", [20.0, 0.0])
def test_noise_is_as_far_below_speech_as_stated(snr: float) -> None:
    speech = sounds.demo()
    noise = sounds.mixed(speech, sounds.white(len(speech.sound) / HZ_8K), snr) - speech.sound
    assert level(noise) == pytest.approx(SPEECH_DB - snr)


@pytest.mark.parametrize("sound", [sounds.white(SECONDS), sounds.pink(SECONDS), sounds.car(SECONDS)])
def test_noises_last_as_long_as_asked_and_hold_no_constant(sound: Sound) -> None:
    assert len(sound) == 4 * HZ_8K
    assert abs(float(sound.mean())) < 0.05 * float(sound.std())


def test_pink_and_car_noise_fall_with_frequency() -> None:
    """Half the octaves, more than half the power below them: white has 1/16 below 250 Hz."""
    shares: list[float] = []
    for sound in (sounds.white(SECONDS), sounds.pink(SECONDS), sounds.car(SECONDS)):
        power = np.square(np.abs(np.fft.rfft(sound)))
        shares.append(float(power[:1000].sum()) / float(power.sum()))
    white, pink, car = shares
    assert white == pytest.approx(1 / 16, abs=0.01)
    assert 0.3 < pink < 0.6
    assert car > 0.9


def test_keys_are_pairs_of_tones() -> None:
    assert strongest(sounds.keys(SECONDS), 2) == [700.0, 1210.0]
    assert not sounds.keys(SECONDS)[HZ_8K // 10 : HZ_8K // 5].any()


def test_ringback_is_a_pair_of_tones_with_pauses() -> None:
    assert strongest(sounds.ringback(SECONDS), 2) == [440.0, 480.0]
    assert not sounds.ringback(SECONDS)[2 * HZ_8K :].any()


def test_a_sound_can_be_put_to_any_level() -> None:
    assert level(sounds.at_level(sounds.hold_music(SECONDS), -30)) == pytest.approx(-30)


def test_pcm_clips_what_is_too_loud() -> None:
    assert samples_of(sounds.pcm(np.array([0.0, 0.5, 1.0, -1.0, -7.0]))).tolist() == [0, 16384, 32767, -32768, -32768]
