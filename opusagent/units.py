"""What a number or a string means here: times, rates, sample formats, identities.

Three times are three types, because mixing them is the classic error of a media program:

* `LoopTime`: seconds on the event loop's monotonic clock. Deadlines and pacing use it; tests turn it.
* `Ms`: media time, milliseconds of audio since some stream or item began. It stops when the audio stops.
* wall clock: `datetime` with a zone, only to tell people when something happened.
"""

from typing import Final, NewType

LoopTime = NewType("LoopTime", float)
"""Seconds on trio's clock. Only differences mean anything."""

Ms = NewType("Ms", int)
"""Milliseconds of media."""

Hz = NewType("Hz", int)
"""Samples per second."""

Pcm16 = NewType("Pcm16", bytes)
"""Mono signed 16-bit little-endian samples; always whole samples."""

Mulaw = NewType("Mulaw", bytes)
"""G.711 mu-law codes at 8 kHz, one byte a sample (ITU-T G.711)."""

Alaw = NewType("Alaw", bytes)
"""G.711 A-law codes at 8 kHz, one byte a sample (ITU-T G.711)."""

CallId = NewType("CallId", str)
"""Our own name for a call: random, safe in a path, never taken from the wire."""

ItemId = NewType("ItemId", str)
"""The model's name for a conversation item."""

ResponseId = NewType("ResponseId", str)
"""The model's name for a response."""

HZ_8K: Final = Hz(8000)
HZ_16K: Final = Hz(16000)
HZ_24K: Final = Hz(24000)


def ms_of_samples(samples: int, rate: Hz) -> Ms:
    """The whole milliseconds that `samples` last at `rate`, rounded down.

    >>> ms_of_samples(160, HZ_8K)
    20
    """
    return Ms(samples * 1000 // rate)


def samples_of_ms(ms: Ms, rate: Hz) -> int:
    """How many samples `ms` holds at `rate`.

    >>> samples_of_ms(Ms(20), HZ_24K)
    480
    """
    return ms * rate // 1000
