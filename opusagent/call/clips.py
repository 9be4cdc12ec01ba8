"""What the caller hears where the model cannot speak: that we are still here, and that the call cannot go on."""

from functools import cache
from typing import Final

import attrs

from opusagent.audio.convert import Converter
from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.audio.tones import struck
from opusagent.audio.wav import WavAudio, parse_wav
from opusagent.errors import RemoteProtocolError
from opusagent.units import HZ_8K, HZ_16K, HZ_24K, ItemId, Ms

CLIP: Final = ItemId("opusagent-clip")
"""What our own sounds are called in the playout. The model's service knows no such item."""

WAIT_TONES: Final = (523.25, 659.26)
"""C5 then E5, in Hz (A4 = 440, equal temperament): rising, something is to come."""

APOLOGY_TONES: Final = (783.99, 659.26, 523.25)
"""G5, E5, C5: falling, it is over."""

TONE: Final = Ms(300)

LONGEST: Final = Ms(20_000)
"""A recording that may be played. Whoever waits for an answer waits for the end of it."""


@attrs.frozen
class Clips:
    """Sounds in the model's format. An empty one is not played."""

    wait: bytes
    apology: bytes


NO_CLIPS: Final = Clips(b"", b"")


@cache
def built_in(media: MediaFormat) -> Clips:
    """The sounds of a call whose model writes `media`: tones.

    >>> [PCM16_24K.ms_of(len(clip)) for clip in (built_in(PCM16_24K).wait, built_in(PCM16_24K).apology)]
    [600, 900]
    """
    return Clips(*(in_format(struck(tones, TONE), PCM16_24K, media) for tones in (WAIT_TONES, APOLOGY_TONES)))


@attrs.frozen
class Sounds:
    """Recordings to be played instead of tones, None where there is none."""

    wait: WavAudio | None = None
    apology: WavAudio | None = None

    def clips(self, media: MediaFormat) -> Clips:
        """The sounds of a call whose model writes `media`."""
        tones = built_in(media)
        return Clips(_recorded(self.wait, media) or tones.wait, _recorded(self.apology, media) or tones.apology)


NO_SOUNDS: Final = Sounds()


def sound_in(data: bytes) -> WavAudio:
    """The recording in a WAV file that can be played to a caller.

    Raises:
        RemoteProtocolError: it is none, has more than one channel, another rate than 8, 16 or 24 kHz, or is longer
            than `LONGEST`.
    """
    sound = parse_wav(data)
    if sound.channels != 1 or sound.rate not in {HZ_8K, HZ_16K, HZ_24K}:
        raise RemoteProtocolError(f"{sound.channels} channels at {sound.rate} Hz, not 1 at 8000, 16000 or 24000")
    length = MediaFormat(sound.encoding, sound.rate).ms_of(len(sound.data))
    if not 0 < length <= LONGEST:
        raise RemoteProtocolError(f"{length} ms of sound, not 1 to {LONGEST}")
    return sound


def _recorded(sound: WavAudio | None, media: MediaFormat) -> bytes:
    return b"" if sound is None else in_format(sound.data, MediaFormat(sound.encoding, sound.rate), media)


def in_format(audio: bytes, source: MediaFormat, target: MediaFormat) -> bytes:
    """A whole sound in another format."""
    converter = Converter(source, target)
    return converter.push(audio) + converter.flush()
