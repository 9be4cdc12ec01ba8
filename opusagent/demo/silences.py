"""How long a caller heard nothing, measured by the sound itself."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from opusagent.audio.convert import Converter
from opusagent.audio.g711 import mulaw_decode
from opusagent.audio.media import MULAW_8K, MediaFormat
from opusagent.audio.pcm import samples_of
from opusagent.testing.play_queue import Heard
from opusagent.units import LoopTime

AUDIBLE: Final = 300
"""The least peak of a frame that is heard, of 32768: 41 dB below full scale, where rooms are quieter."""

FRAME: Final = 160
FRAME_SECONDS: Final = 0.02


def longest_silence(heard: Sequence[Heard], media: MediaFormat, since: LoopTime, until: LoopTime) -> float:
    """The longest time between `since` and `until` in which nothing audible was heard, in seconds."""
    longest, silent_since = 0.0, float(since)
    for at in _audible(heard, media):
        if at + FRAME_SECONDS > since and at < until:
            longest = max(longest, at - silent_since)
            silent_since = max(silent_since, at + FRAME_SECONDS)
    return max(longest, until - silent_since)


def _audible(heard: Sequence[Heard], media: MediaFormat) -> Iterator[float]:
    """When each audible frame begins."""
    for piece in heard:
        samples = np.abs(samples_of(mulaw_decode(Converter(media, MULAW_8K).push(piece.audio))).astype(np.int32))
        for start in range(0, len(samples), FRAME):
            if samples[start : start + FRAME].max() >= AUDIBLE:
                yield piece.at + start / MULAW_8K.rate
