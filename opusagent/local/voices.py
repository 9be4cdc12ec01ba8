"""Who answers in the embedded backend. A voice turns what was heard into what is said; it never waits."""

from typing import Final, Protocol

import attrs

from opusagent.audio.tones import struck
from opusagent.local.vad import DEFAULT_THRESHOLD, FRAME, HYSTERESIS_DB, frame_levels, onset_dbov
from opusagent.realtime.events import Item
from opusagent.units import HZ_24K, Ms, Pcm16, ms_of_samples, samples_of_ms

MARGIN: Final = Ms(60)
"""What `trimmed` leaves around the words, so that soft beginnings and ends are not bitten off."""

CHIME_TONES: Final = (659.26, 523.25)
"""E5 then C5, in Hz (A4 = 440, equal temperament): the doorbell's falling third, well inside the telephone band."""

CHIME_TONE: Final = Ms(300)


@attrs.frozen
class Cue:
    """What a response answers.

    `heard`: what the caller said since the model last spoke, at 24 kHz; empty if nothing. `instructions`: the
    response's own, else the session's. `items`: the whole conversation, or what the client gave instead of it.
    """

    heard: Pcm16
    instructions: str
    items: tuple[Item, ...] = ()


@attrs.frozen
class Utterance:
    """Something said: `audio` at 24 kHz, and its words."""

    audio: Pcm16
    transcript: str


@attrs.frozen
class Invocation:
    """A function that the model wants to be called, with `arguments` in JSON."""

    name: str
    arguments: str = "{}"


@attrs.frozen
class Reply:
    """What a response holds: something said, calls, or both; the calls come last. Raises `ValueError` for neither."""

    said: Utterance | None = None
    calls: tuple[Invocation, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.said is None and not self.calls:
            raise ValueError("a reply without words and calls is none")


class Voice(Protocol):
    """Whoever answers. One voice may serve many sessions: it keeps nothing between two answers."""

    def answer(self, cue: Cue) -> Reply:
        """What to say to `cue`, and what to have done about it."""
        ...


def chime() -> Pcm16:
    """Two falling tones at 24 kHz.

    >>> ms_of_samples(len(chime()) // 2, HZ_24K)
    600
    """
    return struck(CHIME_TONES, CHIME_TONE)


def trimmed(audio: Pcm16) -> Pcm16:
    """The 24 kHz `audio` without the quiet before and behind its words; empty if it holds none."""
    floor = onset_dbov(DEFAULT_THRESHOLD) - HYSTERESIS_DB
    loud = [index for index, level in enumerate(frame_levels(audio, HZ_24K)) if level >= floor]
    if not loud:
        return Pcm16(b"")
    first = max(0, loud[0] * FRAME - MARGIN)
    last = (loud[-1] + 1) * FRAME + MARGIN
    return Pcm16(audio[2 * samples_of_ms(Ms(first), HZ_24K) : 2 * samples_of_ms(Ms(last), HZ_24K)])


@attrs.frozen
class Parrot:
    """Answers each turn with the caller's own words, and where there are none with a chime.

    The parrot does not understand speech and follows no instructions, so its transcripts tell what was to be heard: how
    long an answer is, and what a real model would have been told where there is a chime.
    """

    chime: Pcm16 = attrs.field(factory=chime)

    def answer(self, cue: Cue) -> Reply:
        """The words of `cue.heard` played back, or the chime."""
        words = trimmed(cue.heard)
        if not words:
            return Reply(Utterance(self.chime, f"(a chime, in place of: {cue.instructions})"))
        seconds = ms_of_samples(len(words) // 2, HZ_24K) / 1000
        return Reply(Utterance(words, f"(the caller's own words, {seconds:.1f} s)"))
