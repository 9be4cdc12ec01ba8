"""The input audio buffer, and the turns that server VAD finds in it.

Positions are milliseconds of audio written since the session began, as the protocol counts them (`audio_start_ms`,
`audio_end_ms`): not wall time, and a sender that pauses stops the clock. The buffer holds what was written since the
last commit or clear, at most `BUFFER_LIMIT`; of more than that the oldest is lost, because a session that nobody
commits must not grow with the length of the call.
"""

from typing import Final

import attrs

from opusagent.audio.g711 import decode
from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.local.vad import DEFAULT_SILENCE, DEFAULT_THRESHOLD, SpeechBegan, SpeechDetector, SpeechEnded
from opusagent.units import Ms

BUFFER_LIMIT: Final = Ms(120_000)
COMMIT_MINIMUM: Final = Ms(100)
"""A shorter buffer is refused with `input_audio_buffer_commit_empty` (seen of the real service)."""

DEFAULT_PREFIX: Final = Ms(300)


@attrs.frozen
class TurnRules:
    """Server VAD's settings; the defaults are the service's.

    `idle_timeout`: how long after the model's last words an unanswered caller is prompted; None is never.
    """

    threshold: float = DEFAULT_THRESHOLD
    prefix: Ms = DEFAULT_PREFIX
    silence: Ms = DEFAULT_SILENCE
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout: Ms | None = None


@attrs.frozen
class TurnBegan:
    """Somebody speaks. `start` is where the turn's audio will begin, prefix padding included."""

    start: Ms


@attrs.frozen
class TurnEnded:
    """Somebody has spoken. `end` includes the silence that ended the turn; `audio` is the whole turn as written."""

    end: Ms
    audio: bytes


@attrs.define
class InputBuffer:
    """What was written and not yet committed, in `media`, and who is speaking in it.

    `rules` is None where turns are manual.
    """

    media: MediaFormat = PCM16_24K
    rules: TurnRules | None = attrs.field(factory=TurnRules)
    _epoch: Ms = attrs.field(default=Ms(0), init=False)
    _written: int = attrs.field(default=0, init=False)
    _audio: bytearray = attrs.field(factory=bytearray, init=False)
    _turn_start: Ms = attrs.field(default=Ms(0), init=False)
    _detector: SpeechDetector = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._listen_anew()

    @property
    def start(self) -> Ms:
        """Where the oldest byte that is held was written."""
        return Ms(self._epoch + self.media.ms_of(self._written - len(self._audio)))

    @property
    def end(self) -> Ms:
        """How much was written in the session."""
        return Ms(self._epoch + self.media.ms_of(self._written))

    @property
    def speaking(self) -> bool:
        """Whether a turn is under way."""
        return self.rules is not None and self._detector.speaking

    def configure(self, media: MediaFormat, rules: TurnRules | None) -> None:
        """Take new settings. Another `media` empties the buffer: old and new bytes cannot stand in one item."""
        if media != self.media:
            self._epoch, self._written, self.media = self.end, 0, media
            self._audio.clear()
            self._listen_anew()
        if rules is None or self.rules is None:
            self._listen_anew()
        self.rules = rules
        self._tune()

    def append(self, audio: bytes) -> list[TurnBegan | TurnEnded]:
        """Write `audio`, whole samples, and say which turns began and ended in it, in order."""
        self._audio += audio
        self._written += len(audio)
        turns = [] if self.rules is None else self._turns_in(audio, self.rules)
        del self._audio[: max(0, len(self._audio) - self.media.bytes_of(BUFFER_LIMIT))]
        return turns

    def take(self) -> bytes:
        """Everything held, which leaves the buffer empty and nobody speaking."""
        taken = bytes(self._audio)
        self._audio.clear()
        self._listen_anew()
        return taken

    def _turns_in(self, audio: bytes, rules: TurnRules) -> list[TurnBegan | TurnEnded]:
        turns: list[TurnBegan | TurnEnded] = []
        for change in self._detector.push(decode(self.media, audio)):
            match change:
                case SpeechBegan(at):
                    self._turn_start = Ms(max(self.start, at - rules.prefix))
                    turns.append(TurnBegan(self._turn_start))
                case SpeechEnded(at):
                    turns.append(TurnEnded(at, self._cut(self._turn_start, at)))
        return turns

    def _cut(self, start: Ms, end: Ms) -> bytes:
        first, last = (self._offset(position) for position in (start, end))
        turn = bytes(self._audio[first:last])
        del self._audio[:last]
        return turn

    def _offset(self, position: Ms) -> int:
        gone = self._written - len(self._audio)
        return max(0, self.media.bytes_of(Ms(position - self._epoch)) - gone)

    def _listen_anew(self) -> None:
        self._detector = SpeechDetector(self.media.rate, heard=self.end)
        self._tune()

    def _tune(self) -> None:
        if self.rules is not None:
            self._detector.threshold, self._detector.silence = self.rules.threshold, self.rules.silence
