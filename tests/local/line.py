"""A session on a clock that a test turns, and what its events say in short."""

from collections.abc import Iterable, Sequence

from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.local.answers import Pace
from opusagent.local.session import LocalSession
from opusagent.local.voices import Parrot, Voice
from opusagent.realtime.events import (
    AudioFormat,
    AudioInput,
    AudioOutput,
    ClientEvent,
    ErrorEvent,
    InputAudioBufferAppend,
    ResponseDone,
    ResponseOutputAudioDelta,
    ServerEvent,
    Session,
    SessionAudio,
    SessionUpdate,
    StatusDetails,
    TurnDetection,
    UnknownEvent,
)
from opusagent.units import LoopTime, Ms

PACE = Pace(thinking=0.2, speed=5.0)


class Line:
    """A session, its clock, and everything it said with the time it was said."""

    def __init__(self, pace: Pace = PACE, voice: Voice | None = None) -> None:
        self.session = LocalSession(
            tag="t", model="m", voice=voice or Parrot(), opened=LoopTime(0.0), expires_at=3600, pace=pace
        )
        self.now = LoopTime(0.0)
        self.said: list[tuple[float, ServerEvent]] = []
        self.keep(self.session.opening())

    def keep(self, events: Iterable[ServerEvent]) -> list[ServerEvent]:
        kept = list(events)
        self.said += [(self.now, event) for event in kept]
        return kept

    def tell(self, event: ClientEvent | UnknownEvent) -> list[ServerEvent]:
        return self.keep(self.session.hear(event, self.now))

    def wait(self, seconds: float) -> list[ServerEvent]:
        """Let `seconds` pass, ticking whenever something is due."""
        until, said = LoopTime(self.now + seconds), list[ServerEvent]()
        while (due := self.session.next_due()) is not None and due <= until:
            self.now = due
            said += self.keep(self.session.tick(due))
        self.now = until
        return said

    def speak(self, audio: bytes, media: MediaFormat = PCM16_24K) -> list[ServerEvent]:
        """Send `audio` in 20 ms frames as time passes."""
        said, size = list[ServerEvent](), media.bytes_of(Ms(20))
        for start in range(0, len(audio), size):
            said += self.wait(0.02)
            said += self.tell(InputAudioBufferAppend(audio=audio[start : start + size]))
        return said

    def configure(self, detection: TurnDetection | None, heard: str = "audio/pcm", spoken: str = "audio/pcm") -> None:
        audio = SessionAudio(
            input=AudioInput(format=AudioFormat(type=heard), turn_detection=detection),
            output=AudioOutput(format=AudioFormat(type=spoken)),
        )
        self.tell(SessionUpdate(session=Session(audio=audio)))


def kinds(events: Iterable[ServerEvent]) -> list[str]:
    """The types of `events`, runs of deltas as one."""
    names: list[str] = []
    for event in events:
        name = "deltas" if event.type.endswith(".delta") else event.type
        if not (name == "deltas" and names and names[-1] == "deltas"):
            names.append(name)
    return names


def sound(events: Iterable[ServerEvent]) -> bytes:
    return b"".join(event.delta for event in events if isinstance(event, ResponseOutputAudioDelta))


def done(events: Iterable[ServerEvent]) -> list[tuple[str | None, StatusDetails | None]]:
    responses = [event.response for event in events if isinstance(event, ResponseDone)]
    return [(response.status, response.status_details) for response in responses]


def errors(events: Sequence[ServerEvent]) -> list[tuple[str | None, str | None, str | None]]:
    details = [event.error for event in events if isinstance(event, ErrorEvent)]
    return [(detail.code, detail.param, detail.event_id) for detail in details]


ANSWER_BEGINS = ["response.output_item.added", "conversation.item.added", "response.content_part.added"]
ANSWER_ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]
