"""From one media format to another as a stream: decode, resample, encode, with the state that lies between blocks."""

from opusagent.audio.g711 import decode, encode
from opusagent.audio.media import MediaFormat
from opusagent.audio.resample import Resampler


class Converter:
    """A stream of `source` bytes in, the same sound in `target` bytes out.

    Equal formats pass through untouched. Blocks hold whole samples; `LocalProtocolError` otherwise. What comes out
    does not depend on how the stream was cut.
    """

    def __init__(self, source: MediaFormat, target: MediaFormat) -> None:
        self.source = source
        self.target = target
        self._resampler = Resampler(source.rate, target.rate)

    def push(self, audio: bytes) -> bytes:
        """The part of the converted stream that `audio` completes."""
        if self.source == self.target:
            return audio
        return encode(self.target, self._resampler.push(decode(self.source, audio)))

    def flush(self) -> bytes:
        """The tail that the resampler still holds; afterwards a new stream begins."""
        if self.source == self.target:
            return b""
        return encode(self.target, self._resampler.flush())

    def reset(self) -> None:
        """Forget the stream so far: what follows does not continue it."""
        self._resampler.clear()
