"""What is said: a caller's five seconds over and over, and the model's answers, each with loud marks in it.

Speech stays below a quarter of full scale and a mark is near full scale, so that one look at the sample values finds a
mark however the sound was coded or resampled on its way.
"""

import base64
import re
from typing import Final

import attrs
import numpy as np

from opusagent.audio.g711 import mulaw_decode, mulaw_encode
from opusagent.audio.resample import Resampler
from opusagent.bench import sounds
from opusagent.units import HZ_8K, HZ_24K, Pcm16

FRAME_MS: Final = 20
CYCLE_FRAMES: Final = 250
"""A caller speaks for two seconds in each five."""
SPEECH_FRAMES: Final = 100
MARK_EVERY: Final = 25
"""Frames; odd, so that marks fall on the first and on the second of a pair of frames alike."""
PIECE_MS: Final = 100
"""Of sound in one delta of the model."""

_FIRST_MARK: Final = 7
_FRAME: Final = HZ_8K * FRAME_MS // 1000
_LOUDEST_SPEECH: Final = 0.22
_HISS_DB: Final = -66.0

_LOUD_MULAW: Final = re.compile(rb"[\x00-\x0f\x80-\x8f]")
"""The codes from 16,124 up, of either sign (ITU-T G.711, table 2)."""
_LOUD_HIGH_BYTE: Final = re.compile(rb"[\x40-\xbf]")
"""Of a little-endian 16-bit sample of 16,384 or more, or below -16,384."""


@attrs.frozen
class Coding:
    """How sound is written on a line."""

    name: str
    bytes_per_ms: int
    is_linear: bool

    def ms(self, raw: bytes) -> float:
        """How long `raw` lasts."""
        return len(raw) / self.bytes_per_ms

    def mark_in(self, raw: bytes) -> float | None:
        r"""Where the first loud sample is, in milliseconds; None without one.

        >>> MULAW.mark_in(b"\xff" * 80 + b"\x80"), MULAW.mark_in(b"\xff" * 160)
        (10.0, None)
        >>> PCM_24K.mark_in(b"\x00\x00" * 24 + b"\x00\x80"), PCM_24K.mark_in(b"\xff\x3f\x00\xc0")
        (1.0, None)
        """
        if self.is_linear:
            found = _LOUD_HIGH_BYTE.search(raw[1::2])
            return None if found is None else 2 * found.start() / self.bytes_per_ms
        found = _LOUD_MULAW.search(raw)
        return None if found is None else found.start() / self.bytes_per_ms


MULAW: Final = Coding("audio/pcmu", 8, is_linear=False)
PCM_24K: Final = Coding("audio/pcm", 48, is_linear=True)


def caller_frames(coding: Coding) -> list[bytes]:
    """One cycle of a caller as frames of 20 ms."""
    sound = _hiss(CYCLE_FRAMES)
    sound[: SPEECH_FRAMES * _FRAME] += _speech(SPEECH_FRAMES * _FRAME)
    for frame in range(_FIRST_MARK, CYCLE_FRAMES, MARK_EVERY):
        sound[frame * _FRAME : (frame + 1) * _FRAME] = _mark()
    raw = coded(sounds.pcm(sound), coding)
    size = FRAME_MS * coding.bytes_per_ms
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def is_marked(frame: int) -> bool:
    """Whether a mark is in that frame of a cycle."""
    return frame % MARK_EVERY == _FIRST_MARK


def answer_pieces(coding: Coding, seconds: float) -> list[bytes]:
    """An answer of the model, a mark at its beginning, as base64 for one delta after the other."""
    sound = _hiss(round(seconds * 1000 / FRAME_MS))
    sound += _speech(len(sound))[::-1]
    sound[:_FRAME] = _mark()
    raw = coded(sounds.pcm(sound), coding)
    size = PIECE_MS * coding.bytes_per_ms
    return [base64.b64encode(raw[at : at + size]) for at in range(0, len(raw), size)]


def coded(pcm: Pcm16, coding: Coding) -> bytes:
    """8 kHz PCM16 as it is written in `coding`."""
    return Resampler(HZ_8K, HZ_24K).push(mulaw_decode(mulaw_encode(pcm))) if coding.is_linear else mulaw_encode(pcm)


def _speech(samples: int) -> sounds.Sound:
    sound = sounds.demo().sound[round(0.8 * HZ_8K) :][:samples]
    scaled: sounds.Sound = sound * (_LOUDEST_SPEECH / np.abs(sound).max())
    return scaled


def _hiss(frames: int) -> sounds.Sound:
    return sounds.at_level(sounds.white(frames * FRAME_MS / 1000), _HISS_DB)


def _mark() -> sounds.Sound:
    mark: sounds.Sound = 0.85 * np.cos(2 * np.pi * 1000 / HZ_8K * np.arange(_FRAME))
    return mark
