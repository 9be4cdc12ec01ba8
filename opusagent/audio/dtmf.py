"""The tones of telephone keys, found in a caller's audio and silenced (ITU-T Q.23 and Q.24).

A key is one of four low frequencies and one of four high ones, together. A window is a key's if these two hold most of
its energy, neither much stronger than the other. A tone is known when it fills most of a window: up to `LATE` of its
beginning has gone by then, less than the 20 ms below which Q.24 lets no receiver take it for a key.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from opusagent.audio.g711 import decode
from opusagent.audio.media import MediaFormat
from opusagent.audio.pcm import samples_of
from opusagent.units import Ms

LOW: Final = (697, 770, 852, 941)
HIGH: Final = (1209, 1336, 1477, 1633)
"""Hertz (ITU-T Q.23, section 6)."""

WINDOW: Final = Ms(20)
STEP: Final = Ms(5)
LATE: Final = Ms(20)
"""What of a tone has passed at most before it is known."""

TOLERANCE: Final = 0.012
"""How far off a telephone's frequencies are looked for, either way. They may be off by 1.5 to 1.8 % (Q.23, Q.24); what
lies between is found by the width of a window."""

SHARE: Final = 0.72
"""Of a window's energy, at least, in the two frequencies of a key. Speech that is so pure is not speech for long."""

TWIST_DB: Final = 10.0
"""How much stronger one of the two may be: national networks allow up to 10 dB (Q.24, table A-1), and lines add."""

FAINTEST: Final = 10 ** (-42 / 20) * 32768
"""The root mean square of the faintest key, in sample values."""


class KeyTones:
    """One stream, whose key tones become silence, and what follows one for a window. The rest passes as it is."""

    def __init__(self, media: MediaFormat) -> None:
        self._media: Final = media
        self._window: Final = media.rate * WINDOW // 1000
        self._step: Final = media.rate * STEP // 1000
        self._waves: Final = _waves(media.rate, self._window)
        self._past = np.zeros(self._window)
        self._hold = 0

    def push(self, audio: bytes) -> bytes:
        """`audio` in the stream's format, whole samples; as much comes back."""
        size = self._media.bytes_per_sample
        samples = samples_of(decode(self._media, audio)).astype(np.float64)
        pieces = bytearray(audio)
        for begin in range(0, len(samples), self._step):
            piece = samples[begin : begin + self._step]
            if self._is_tone_at_end_of(piece):
                pieces[begin * size : (begin + len(piece)) * size] = self._media.silence * len(piece)
        return bytes(pieces)

    def _is_tone_at_end_of(self, piece: NDArray[np.float64]) -> bool:
        """Whether `piece` belongs to a tone: one is there, or ends within the window."""
        self._past = np.concatenate((self._past, piece))[-self._window :]
        self._hold = self._window if is_key(self._past, self._waves) else max(0, self._hold - len(piece))
        return self._hold > 0


def is_key(window: NDArray[np.float64], waves: NDArray[np.complex128]) -> bool:
    """Whether a window is a key's tone. `waves` are its length of each of the frequencies, low ones first."""
    energy = float(window @ window)
    if energy < FAINTEST**2 * len(window):
        return False
    power: NDArray[np.float64] = np.abs(waves @ window) ** 2 * (2 / len(window))
    half = len(power) // 2
    low, high = float(np.max(power[:half])), float(np.max(power[half:]))
    if low + high < SHARE * energy:
        return False
    return abs(10 * math.log10(max(low, 1.0) / max(high, 1.0))) <= TWIST_DB


def _waves(rate: int, count: int) -> NDArray[np.complex128]:
    drift = np.array((1 - TOLERANCE, 1.0, 1 + TOLERANCE))
    frequencies = (np.array(LOW + HIGH, dtype=np.float64)[:, None] * drift).reshape(-1, 1)
    waves: NDArray[np.complex128] = np.exp(-2j * np.pi * frequencies * np.arange(count) / rate)
    return waves
