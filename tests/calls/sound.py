"""Sound that can be recognised: a tone, and what is left of it at the other end."""

import numpy as np

from opusagent.audio.pcm import pcm_of, samples_of
from opusagent.units import Pcm16

AMPLITUDE = 8000


def tone(hz: float, ms: int, rate: int) -> Pcm16:
    """A sine at a quarter of full scale."""
    time = np.arange(rate * ms // 1000) / rate
    return pcm_of(np.rint(AMPLITUDE * np.sin(2 * np.pi * hz * time)).astype(np.int16))


def pitch(pcm: Pcm16, rate: int) -> float:
    """The strongest frequency, to the nearest bin."""
    samples = samples_of(pcm).astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def level(pcm: Pcm16) -> float:
    """How loud it is beside `tone`, in dB: 0 is the same."""
    samples = samples_of(pcm).astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) / (AMPLITUDE / np.sqrt(2))))
