"""What a call is given from outside: who answers it, and what it shares with the other calls of its process."""

from collections.abc import Callable

import attrs

from opusagent.audio.media import PCM16_24K, MediaFormat
from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.call.breaker import Breaker
from opusagent.call.hands import HandsFor, no_hands
from opusagent.call.hearing import Hearing
from opusagent.call.moments import Moment
from opusagent.call.policy import Policy
from opusagent.call.recorder import Recorder
from opusagent.call.seat import DialModel
from opusagent.realtime.events import SessionUpdate


@attrs.frozen
class Profile:
    """Who answers: what the model is told, how the conversation is held, how its audio is written, what it can do.

    `agent` is the name of all that, for the report.
    """

    opening: SessionUpdate
    policy: Policy = Policy()
    model_media: MediaFormat = PCM16_24K
    hands: HandsFor = no_hands
    agent: str = ""


def watch_nothing(moment: Moment) -> None:
    """Nobody looks on while the call takes place."""


@attrs.frozen
class Exchange:
    """What the calls of a process share: the way to the model, the recorder, its ears if it has any, who looks on.

    `breaker` keeps them from storming a service that is down. With `quality` the callers' lines are measured, and told
    when they are worse than that.
    """

    dial_model: DialModel
    recorder: Recorder
    hearing: Hearing | None = None
    watch: Callable[[Moment], None] = watch_nothing
    quality: QualityThresholds | None = None
    breaker: Breaker = attrs.field(factory=Breaker)
