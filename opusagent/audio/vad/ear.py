"""One call's side of voice activity detection: its audio cut into chunks, its state, its turns."""

from collections.abc import Sequence

import attrs

from opusagent.audio.framing import Framer
from opusagent.audio.pcm import BYTES_PER_SAMPLE
from opusagent.audio.resample import Resampler, push_each
from opusagent.audio.vad.detector import CHUNK, CHUNK_SAMPLES, RATE
from opusagent.audio.vad.hysteresis import Hysteresis, SpeechEvent, SpeechStarted, SpeechStopped
from opusagent.units import Hz, Ms, Pcm16, ms_of_samples

CHUNK_BYTES = CHUNK_SAMPLES * BYTES_PER_SAMPLE


@attrs.frozen
class Chunk:
    """512 samples of PCM16 at 16 kHz. `at`: the media time of the first."""

    at: Ms
    pcm: bytes


@attrs.frozen
class Heard:
    """What an ear has heard: audio judged, the part of it that was within speech, and how often speech started."""

    audio: Ms
    speech: Ms
    starts: int


@attrs.define(eq=False)
class Ear:
    """The front end of one stream: PCM16 at `rate` in blocks of any size in, chunks and speech events out.

    `at` is the media time of the first sample that will be pushed. Chunks do not depend on how the audio is cut.
    Raises `LocalProtocolError` for rates other than 8, 16 and 24 kHz.
    """

    rate: Hz
    hysteresis: Hysteresis = attrs.field(factory=Hysteresis)
    _begun: Ms = attrs.field(default=Ms(0), alias="at")
    resampler: Resampler = attrs.field(init=False)
    _framer: Framer = attrs.field(init=False, factory=lambda: Framer(CHUNK_BYTES))
    _cut: int = attrs.field(init=False, default=0)
    _judged: int = attrs.field(init=False, default=0)
    _speech: int = attrs.field(init=False, default=0)
    _starts: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.resampler = Resampler(self.rate, RATE)

    def push(self, pcm: Pcm16) -> list[Chunk]:
        """The chunks that `pcm` completes. Raises `LocalProtocolError` on half a sample, and takes nothing then."""
        return self.cut(self.resampler.push(pcm))

    def judge(self, probability: float, at: Ms) -> SpeechEvent | None:
        """Take the verdict on the chunk that began at `at`; what it decided, if anything. In the chunks' order."""
        event = self.hysteresis.push(probability, at)
        self._judged += 1
        self._speech += self.hysteresis.speaking
        self._starts += isinstance(event, SpeechStarted)
        return event

    def close(self) -> SpeechStopped | None:
        """No more comes for now: speech that has lasted until here stops here."""
        return self.hysteresis.close(self._at)

    def resume(self, at: Ms) -> None:
        """The stream goes on at media time `at` after a gap: what was held of a chunk is forgotten."""
        self.resampler.clear()
        self._framer.clear()
        self._begun, self._cut = at, 0

    def statistics(self) -> Heard:
        """What was judged so far."""
        return Heard(Ms(self._judged * CHUNK), Ms(self._speech * CHUNK), self._starts)

    def cut(self, resampled: Pcm16) -> list[Chunk]:
        """The chunks that the next of its audio completes, when somebody else has resampled it."""
        return [self._chunk(whole) for whole in self._framer.push(resampled)]

    def _chunk(self, pcm: bytes) -> Chunk:
        chunk = Chunk(self._at, pcm)
        self._cut += 1
        return chunk

    @property
    def _at(self) -> Ms:
        """Where the next chunk begins. Its first sample goes in the resampler's delay before it comes out."""
        first = max(0, self._cut * CHUNK_SAMPLES - self.resampler.delay)
        return Ms(self._begun + ms_of_samples(first, RATE))


def push_each_ear(ears: Sequence[Ear], pieces: Sequence[Pcm16]) -> list[list[Chunk]]:
    """What `push` of each piece into its own ear gives, in fewer steps."""
    resampled = push_each([ear.resampler for ear in ears], pieces)
    return [ear.cut(pcm) for ear, pcm in zip(ears, resampled, strict=True)]
