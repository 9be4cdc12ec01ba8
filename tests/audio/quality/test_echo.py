"""The model's speech in the caller's audio."""

import numpy as np
import pytest

from opusagent.audio.pcm import samples_of
from opusagent.audio.quality.echo import EchoMeter, EchoPath
from opusagent.audio.quality.levels import Samples
from opusagent.bench import sounds
from opusagent.bench.sounds import Sound
from opusagent.errors import LocalProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, Hz

SECONDS = 8


def words() -> Sound:
    return sounds.demo().sound[: SECONDS * HZ_8K]


def delayed(sound: Sound, ms: int, loss_db: float) -> Sound:
    late = HZ_8K * ms // 1000
    return np.concatenate((np.zeros(late), sound))[: len(sound)] * 10 ** (-loss_db / 20)


def measured(heard: Sound, played: Sound, rate: Hz = HZ_8K) -> EchoPath | None:
    """Sounds at 8 kHz, as they are at `rate` with every sample repeated."""
    meter = EchoMeter(rate)
    mine, theirs = (samples_of(sounds.pcm(np.repeat(sound, rate // HZ_8K))) for sound in (heard, played))
    for at in range(0, len(mine), rate // 50):
        meter.push(mine[at : at + rate // 50], theirs[at : at + rate // 50])
    return meter.path


@pytest.mark.parametrize("rate", [HZ_8K, HZ_16K, HZ_24K])
@pytest.mark.parametrize(("ms", "loss"), [(0, 6.0), (2, 6.0), (40, 12.0), (333, 25.0), (990, 18.0)])
def test_an_echo_is_found_with_its_delay_and_loss(ms: int, loss: float, rate: Hz) -> None:
    path = measured(delayed(words(), ms, loss), words(), rate)
    assert path is not None
    assert path.delay == pytest.approx(ms, abs=1)
    assert path.return_loss_db == pytest.approx(loss, abs=0.5)


def test_somebody_elses_speech_is_no_echo() -> None:
    assert measured(words()[::-1], words()) is None


def test_noise_is_no_echo() -> None:
    assert measured(sounds.white(SECONDS) * 0.1, words()) is None


def test_without_anything_played_there_is_none() -> None:
    assert measured(words(), words() * 0) is None


def test_of_silence_there_is_no_echo() -> None:
    """A click is played, comes back at once, and is over: what stays certain has no loss, and not an infinite one."""
    click = np.zeros(SECONDS * HZ_8K)
    click[: HZ_8K // 20] = sounds.white(0.05) * 0.1
    assert measured(click * 0.3, click) is None


def test_constants_on_both_sides_are_no_echo() -> None:
    noise = sounds.white(SECONDS) * 0.01
    assert measured(noise + 0.1, noise[::-1] + 0.2) is None


def test_an_echo_that_stops_is_forgotten() -> None:
    meter = EchoMeter(HZ_8K)
    played = samples_of(sounds.pcm(words()))
    echo = samples_of(sounds.pcm(delayed(words(), 100, 10)))
    other = samples_of(sounds.pcm(sounds.white(SECONDS) * 0.02))
    meter.push(echo, played)
    assert meter.path is not None
    assert meter.path.delay == 100
    for _ in range(3):
        meter.push(other, played)
    assert meter.path is None


def test_both_directions_are_of_the_same_length() -> None:
    frame: Samples = np.zeros(160, np.int16)
    with pytest.raises(LocalProtocolError, match="160 samples heard beside 159 played"):
        EchoMeter(HZ_8K).push(frame, frame[1:])


def test_other_rates_are_refused() -> None:
    with pytest.raises(LocalProtocolError):
        EchoMeter(Hz(11025))
