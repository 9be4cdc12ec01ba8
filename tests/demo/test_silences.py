"""How long somebody heard nothing is measured by the sound, and by nothing else."""

import pytest

from opusagent.audio.convert import Converter
from opusagent.audio.media import MULAW_8K, PCM16_24K, MediaFormat
from opusagent.demo.silences import longest_silence
from opusagent.demo.speech import load
from opusagent.testing.play_queue import Heard
from opusagent.units import LoopTime, Ms

T0 = LoopTime(100.0)
WORDS = load("goodbye")[160:-160]
SECONDS = len(WORDS) / 8000


def at(seconds: float) -> LoopTime:
    return LoopTime(T0 + seconds)


def spoken(media: MediaFormat, *begins: float) -> list[Heard]:
    """The same words at each of these times."""
    words = Converter(MULAW_8K, media).push(WORDS)
    return [Heard(at(begin), words) for begin in begins]


@pytest.mark.parametrize("media", [MULAW_8K, PCM16_24K])
def test_the_longest_silence_lies_before_between_or_behind_words(media: MediaFormat) -> None:
    for begins, end, expected in (
        ((3.0, 5.0), 5 + SECONDS, 3.0),
        ((0.0, 5.0), 5 + SECONDS, 5 - SECONDS),
        ((0.0, 2.0), 9.0, 7 - SECONDS),
    ):
        found = longest_silence(spoken(media, *begins), media, T0, at(end))
        assert found == pytest.approx(expected, abs=0.06)


def test_who_hears_nothing_at_all_hears_nothing_all_the_time() -> None:
    assert longest_silence([], MULAW_8K, T0, at(7)) == 7


def test_digital_silence_and_noise_that_nobody_hears_are_no_sound() -> None:
    quiet = Heard(T0, MULAW_8K.silence * MULAW_8K.bytes_of(Ms(6000)))
    hiss = Heard(T0, b"\xfe\x7e" * MULAW_8K.bytes_of(Ms(3000)))
    assert [longest_silence([each], MULAW_8K, T0, at(6)) for each in (quiet, hiss)] == [6, 6]


def test_what_was_heard_outside_of_the_time_does_not_count() -> None:
    assert longest_silence(spoken(MULAW_8K, -5.0, 20.0), MULAW_8K, T0, at(10)) == 10
