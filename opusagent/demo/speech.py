"""What is said in the demos: recorded words, shipped beside this module (origin and licence: speech/NOTICE)."""

from importlib import resources
from typing import Final

from opusagent.audio.media import Encoding
from opusagent.audio.wav import parse_wav
from opusagent.errors import RemoteProtocolError
from opusagent.units import HZ_8K, Mulaw

CALLERS: Final = {
    "appointment": "Hello, I would like to book an appointment for Tuesday, please.",
    "opening_hours": "Could you tell me whether you are open on Saturday mornings?",
    "interruption": "Sorry, wait a moment.",
    "goodbye": "Thank you, goodbye.",
    "request": "Hello, this is Ann, I need an appointment on Tuesday, please.",
    "reminder": "Yes please, that would be very kind.",
    "reception": "Could I speak to somebody at reception, please?",
}
"""What callers say in each recording."""

CLINIC: Final = {
    "clinic_greeting": (
        "Hello, this is the clinic. I can find you an appointment. Press 0 for reception. How can I help?"
    ),
    "clinic_offer": "Tuesday at half past ten is free. Press 1 to book it, or 2 for Wednesday.",
    "clinic_booked": "It is booked. Shall I send you a reminder?",
    "clinic_moment": "One moment, please.",
    "clinic_reminded": "You will be reminded. Is there anything else?",
    "clinic_goodbye": "Goodbye, we look forward to seeing you on Tuesday.",
    "clinic_transfer": "I will put you through to reception.",
}
"""What the model of the worked example says."""

WORDS: Final = {**CALLERS, **CLINIC}
"""What is said in each recording."""

UTTERANCES: Final = tuple(WORDS)
"""The names that `load` knows."""


def load(name: str) -> Mulaw:
    """The words called `name`: mu-law at 8 kHz, whole frames of 20 ms, 20 ms of quiet around the speech.

    Raises `FileNotFoundError` for a name that is not in `UTTERANCES`.

    >>> len(load("goodbye")) / 8000
    1.08
    """
    recording = parse_wav((resources.files("opusagent.demo") / "speech" / f"{name}.wav").read_bytes())
    if (recording.encoding, recording.rate, recording.channels) != (Encoding.MULAW, HZ_8K, 1):
        raise RemoteProtocolError(f"{name}.wav is not mono mu-law at 8 kHz")
    return Mulaw(recording.data)
