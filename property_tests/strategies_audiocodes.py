"""What VoiceAI Connect and a call do to the dialect between them, in any order that the platform's rules allow."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs
from hypothesis import strategies as st

from opusagent.audio.media import Encoding
from opusagent.audio.wav import header
from opusagent.platforms.dialect import Notice, SpeechSign, WordsRecognised
from opusagent.testing.audiocodes_rules import FORMATS
from opusagent.units import HZ_24K


@attrs.frozen
class OpensUserStream:
    """The platform says `userStream.start`, if none is open."""


@attrs.frozen
class ClosesUserStream:
    """The platform says `userStream.stop`, if one is open."""


@attrs.frozen
class SendsSound:
    """The platform sends a chunk, if it may."""

    audio: bytes


@attrs.frozen
class SendsKeys:
    """The platform sends an activity."""

    keys: str


@attrs.frozen
class Validates:
    """An administrator presses a button."""


@attrs.frozen
class ChangesSocket:
    """The socket breaks, and the platform is back on another one."""


@attrs.frozen
class Leaves:
    """The platform says the end."""


@attrs.frozen
class ModelIsReady:
    """The call is taken, once."""


@attrs.frozen
class Plays:
    """The call has frames to play, and perhaps no more behind them."""

    frames: Sequence[bytes]
    last: bool


@attrs.frozen
class Clears:
    """The caller has interrupted."""


@attrs.frozen
class Tells:
    """The call tells the platform something."""

    notice: Notice


@attrs.frozen
class HangsUp:
    """The call ends from our side."""


Deed: TypeAlias = (
    OpensUserStream
    | ClosesUserStream
    | SendsSound
    | SendsKeys
    | Validates
    | ChangesSocket
    | Leaves
    | ModelIsReady
    | Plays
    | Clears
    | Tells
    | HangsUp
)

FRAME_BYTES: Final = 16
"""A frame of these plays: whole samples in any format, and short, because nothing depends on its length."""


def format_names() -> st.SearchStrategy[str]:
    """A format of the platform's."""
    return st.sampled_from(tuple(FORMATS))


def notices() -> st.SearchStrategy[Notice]:
    """What a platform may be told."""
    return st.sampled_from(SpeechSign) | st.builds(WordsRecognised, st.text(min_size=1, max_size=8), st.booleans())


def deeds() -> st.SearchStrategy[list[Deed]]:
    """A conversation: mostly streams and sound, seldom an end."""
    frames = st.lists(st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES), max_size=3).map(tuple)
    plays = st.builds(Plays, frames, st.booleans())
    often = st.one_of(
        st.just(OpensUserStream()),
        st.just(ClosesUserStream()),
        st.builds(SendsSound, st.binary(max_size=9)),
        plays,
        plays,
        st.just(Clears()),
        st.builds(Tells, notices()),
        st.just(ModelIsReady()),
        st.just(ChangesSocket()),
    )
    seldom = st.sampled_from((SendsKeys("12#"), Validates(), Leaves(), HangsUp()))
    before = st.lists(often, max_size=3)
    ready = st.just([ModelIsReady(), OpensUserStream()])
    talk = st.lists(st.one_of(often, often, often, often, seldom), max_size=30)
    return st.tuples(before, ready | st.just([]), talk).map(lambda parts: [deed for part in parts for deed in part])


def wav_headers() -> st.SearchStrategy[bytes]:
    """What may stand before the samples of a WAV: a canonical header, a longer format, other chunks before the data."""
    canonical = header(1, HZ_24K, 0, Encoding.PCM16)
    extension = st.sampled_from((b"", b"\0\0", bytes(24)))
    others = st.lists(st.sampled_from((b"LIST", b"fact", b"JUNK")).flatmap(_chunk), max_size=3).map(b"".join)
    return st.builds(_joined, st.just(canonical), extension, others)


def cuts_of(stream: bytes) -> st.SearchStrategy[list[bytes]]:
    """`stream` in pieces of any size."""
    places = st.lists(st.integers(0, len(stream)), max_size=6).map(sorted)
    return places.map(lambda at: [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)])


def _chunk(name: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, 20).map(lambda half: name + (2 * half).to_bytes(4, "little") + bytes(2 * half))


def _joined(canonical: bytes, extension: bytes, others: bytes) -> bytes:
    form = canonical[12:16] + (16 + len(extension)).to_bytes(4, "little") + canonical[20:36] + extension
    return canonical[:12] + form + others + canonical[36:]
