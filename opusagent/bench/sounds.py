"""Sounds whose truth is known: speech, noises, tones, keys and music, at 8 kHz with full scale at 1.0.

Everything is made from numbers that are the same every time, except the speech: four recorded utterances of the demo,
and, where Debian's `asterisk-core-sounds-en-wav` is installed, sixty of its prompts, another voice in another room.
Where `asterisk-moh-opsound-wav` is, its music joins the synthesised one.

Levels are those of ITU-T G.100.1: dB of the mean power relative to that of a square wave at full scale. The level of
speech is that of its active part, -23 dB unless said otherwise.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from opusagent.audio.g711 import decode, mulaw_decode, mulaw_encode
from opusagent.audio.media import MediaFormat
from opusagent.audio.pcm import HIGHEST, LOWEST, pcm_of, samples_of
from opusagent.audio.wav import parse_wav
from opusagent.units import HZ_8K, Pcm16

Sound = npt.NDArray[np.float64]

SPEECH_DB: Final = -23.0
COMFORT_DB: Final = -72.0
"""What a quiet line still hisses."""
FRAME: Final = HZ_8K // 100
"""Truth is known per 10 ms."""

_PROMPTS: Final = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
_MUSIC: Final = Path("/usr/share/asterisk/moh")
_MOST_PROMPTS: Final = 40
_GAPS: Final = (0.8, 1.5, 2.5, 1.1)  # seconds between utterances, in turn
_SPEECH_RANGE_DB: Final = 25.0  # 10 ms more than this below the active level are not speech
_CLOSED: Final = 25  # frames; shorter gaps inside an utterance count as speech


@attrs.frozen(eq=False)
class Speech:
    """Utterances with silence between them, at `SPEECH_DB`, and for each 10 ms whether it is speech."""

    name: str
    sound: Sound
    active: npt.NDArray[np.bool_]

    @property
    def onsets(self) -> list[int]:
        """The sample at which each stretch of speech begins."""
        edges = np.diff(self.active.astype(np.int8), prepend=0)
        found: list[int] = (np.flatnonzero(edges == 1) * FRAME).tolist()
        return found


_DEMO: Final = ("appointment", "goodbye", "interruption", "opening_hours")
"""The constants were chosen on these, and the published figures are of these."""


def demo() -> Speech:
    """What the caller of `opusagent demo` says, three times over."""
    folder = resources.files("opusagent") / "demo" / "speech"
    return _speech("demo", [folder / f"{name}.wav" for name in _DEMO] * 3)


def corpora() -> list[Speech]:
    """The demo's speech; and two sets of the recorded prompts, where they are installed.

    The estimators' constants were chosen on the first two, so their figures flatter. "other prompts" were kept out of
    that, but for the certainty of the echo meter.
    """
    found = [demo()]
    prompts = [file for file in sorted(_PROMPTS.glob("*.wav")) if 2 < file.stat().st_size / 16000 < 8]
    if prompts:
        step = max(2, len(prompts) // _MOST_PROMPTS)
        found.append(_speech("prompts", prompts[::step][:_MOST_PROMPTS]))
        found.append(_speech("other prompts", prompts[step // 2 :: step][: _MOST_PROMPTS // 2]))
    return found


def mixed(speech: Speech, noise: Sound, snr_db: float) -> Sound:
    """`speech` with `noise` that many dB below its active level."""
    return speech.sound + at_level(noise[: len(speech.sound)], SPEECH_DB - snr_db)


def at_level(sound: Sound, db: float) -> Sound:
    """`sound`, scaled to that level."""
    return sound * 10 ** ((db - level_of(sound)) / 20)


def level_of(sound: Sound) -> float:
    """The level of all of `sound`, pauses included."""
    return 10 * math.log10(float(np.mean(np.square(sound))))


def band_limited(sound: Sound) -> Sound:
    """What a telephone's band leaves of it, 200 to 3500 Hz; no sample stays on G.711's grid."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / HZ_8K)
    return np.fft.irfft(spectrum * ((hertz > 200) & (hertz < 3500)), len(sound))


def pcm(sound: Sound) -> Pcm16:
    """As PCM16; what is too loud is clipped."""
    return pcm_of(np.clip(np.rint(sound * (HIGHEST + 1)), LOWEST, HIGHEST).astype(np.int16))


def telephoned(sound: Sound) -> Pcm16:
    """As PCM16 that has been mu-law."""
    return mulaw_decode(mulaw_encode(pcm(sound)))


def white(seconds: float, seed: int = 1) -> Sound:
    """Equal power at all frequencies."""
    return np.random.default_rng(seed).standard_normal(_samples(seconds))


def pink(seconds: float, seed: int = 2) -> Sound:
    """Equal power in all octaves from 50 Hz up."""
    return _shaped(seconds, seed, lambda hertz: 1 / np.sqrt(np.maximum(hertz, 50)))


def car(seconds: float, seed: int = 3) -> Sound:
    """A car from inside: falling by 12 dB per octave from 100 Hz."""
    return _shaped(seconds, seed, lambda hertz: 1 / (1 + np.square(hertz / 100)))


def babble(speech: Speech) -> Sound:
    """Eight talkers at once: the same speech from eight different moments."""
    step = len(speech.sound) // 9
    turned = [np.roll(speech.sound, step * talker + 1001 * talker * talker) for talker in range(1, 9)]
    total: Sound = np.sum(turned, axis=0)
    return total


def tone(seconds: float, hertz: float = 1004.0) -> Sound:
    """A sine."""
    return np.sin(2 * np.pi * hertz * _times(seconds))


def hum(seconds: float) -> Sound:
    """Mains: 50 Hz and its odd harmonics."""
    parts = [tone(seconds, 50.0 * order) / order for order in (1, 3, 5, 7, 9)]
    total: Sound = np.sum(parts, axis=0)
    return total


def ringback(seconds: float) -> Sound:
    """440 and 480 Hz, two seconds in six (ITU-T E.180, North America)."""
    return (tone(seconds, 440) + tone(seconds, 480)) * (_times(seconds) % 6 < 2)


def keys(seconds: float) -> Sound:
    """All sixteen DTMF keys in turn, 100 ms each and 100 ms of silence (ITU-T Q.23)."""
    times = _times(seconds)
    key = (times / 0.2).astype(np.intp) % 16
    low = np.array((697, 770, 852, 941))[key // 4]
    high = np.array((1209, 1336, 1477, 1633))[key % 4]
    sound: Sound = np.sin(2 * np.pi * low * times) + np.sin(2 * np.pi * high * times)
    return sound * (times % 0.2 < 0.1)


def clicks(seconds: float) -> Sound:
    """Two clicks a second, each 2 ms of noise that dies away, over a faint hiss."""
    sound = white(seconds, 4) * 1e-3
    for at in range(0, len(sound) - FRAME, HZ_8K // 2):
        sound[at : at + 16] += np.random.default_rng(at).standard_normal(16) * np.exp(-np.arange(16) / 4)
    return sound


def hold_music(seconds: float) -> Sound:
    """Four chords in turn, plucked twice a second with five harmonics, a bass and a brush."""
    times = _times(seconds)
    chords = np.array(((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)))
    chord = chords[(times / 2).astype(np.intp) % 4]
    since = times % 0.5
    sound = np.sin(2 * np.pi * chord[:, 0] / 2 * times) + white(seconds, 5) * np.exp(-since * 60) * 0.3
    for voice in range(3):
        for order in range(1, 6):
            sound += np.sin(2 * np.pi * chord[:, voice] * order * times) / order * np.exp(-since * (2 + order))
    return sound


def recorded_music(seconds: float) -> Mapping[str, Sound]:
    """The beginnings of Debian's music on hold, by name; empty where it is not installed."""
    found = {file.stem.partition("-")[2]: _read(file) for file in sorted(_MUSIC.glob("*.wav"))}
    return {name: sound[: _samples(seconds)] for name, sound in found.items()}


def _speech(name: str, files: Sequence[Traversable]) -> Speech:
    parts: list[Sound] = []
    for index, file in enumerate(files):
        words = _read(file)
        parts += [np.zeros(_samples(_GAPS[index % len(_GAPS)])), words * (_active_gain(words))]
    sound = np.concatenate([*parts, np.zeros(_samples(1.0))])
    sound = sound[: len(sound) // FRAME * FRAME]
    return Speech(name, sound, _closed(_loud(sound)))


def _read(file: Traversable) -> Sound:
    audio = parse_wav(file.read_bytes())
    return samples_of(decode(MediaFormat(audio.encoding, audio.rate), audio.data)).astype(np.float64) / (HIGHEST + 1)


def _active_gain(words: Sound) -> float:
    """What brings the active part of `words` to `SPEECH_DB`. Active: within 16 dB of the mean (ITU-T P.56's margin)."""
    powers = np.square(words[: len(words) // FRAME * FRAME]).reshape(-1, FRAME).mean(axis=1)
    level = float(powers.mean())
    for _ in range(5):
        level = float(powers[powers > level * 10**-1.59].mean())
    return 10 ** (SPEECH_DB / 20) / math.sqrt(level)


def _loud(sound: Sound) -> npt.NDArray[np.bool_]:
    powers: Sound = np.square(sound).reshape(-1, FRAME).mean(axis=1)
    return powers > 10 ** ((SPEECH_DB - _SPEECH_RANGE_DB) / 10)


def _closed(loud: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Gaps of at most `_CLOSED` frames between loud ones filled in."""
    where = np.flatnonzero(loud)
    closed = loud.copy()
    for before, after in itertools.pairwise(where.tolist()):
        if after - before <= _CLOSED + 1:
            closed[before:after] = True
    return closed


def _shaped(seconds: float, seed: int, gain: Callable[[Sound], Sound]) -> Sound:
    spectrum = np.fft.rfft(white(seconds, seed))
    hertz = np.fft.rfftfreq(_samples(seconds), 1 / HZ_8K).astype(np.float64)
    return np.fft.irfft(spectrum * gain(hertz), _samples(seconds))


def _samples(seconds: float) -> int:
    return round(seconds * HZ_8K)


def _times(seconds: float) -> Sound:
    return np.arange(_samples(seconds)) / HZ_8K
