"""The conversations that the dialect is tried on hold what they promise."""

from hypothesis import find, given
from hypothesis import strategies as st

from opusagent.audio.wav import parse_wav
from opusagent.platforms.dialect import SpeechSign, WordsRecognised
from opusagent.testing.audiocodes_rules import FORMATS
from property_tests.strategies_audiocodes import (
    FRAME_BYTES,
    ChangesSocket,
    Deed,
    HangsUp,
    Plays,
    SendsSound,
    cuts_of,
    deeds,
    format_names,
    notices,
    wav_headers,
)


@given(format_names(), notices())
def test_names_and_notices_are_those_that_there_are(name: str, notice: SpeechSign | WordsRecognised) -> None:
    assert name in FORMATS
    assert not isinstance(notice, WordsRecognised) or notice.words


@given(deeds())
def test_frames_are_whole_samples_in_every_format(script: list[Deed]) -> None:
    frames = [frame for deed in script if isinstance(deed, Plays) for frame in deed.frames]
    assert {len(frame) for frame in frames} <= {FRAME_BYTES}


def test_every_kind_of_trouble_is_found() -> None:
    """A break behind sound that is being played, sound of an odd length, and a goodbye."""

    def has_all(script: list[Deed]) -> bool:
        kinds = [type(deed) for deed in script]
        odd = any(isinstance(deed, SendsSound) and len(deed.audio) % 2 for deed in script)
        return odd and HangsUp in kinds and Plays in kinds and ChangesSocket in kinds[kinds.index(Plays) :]

    assert has_all(find(deeds(), has_all))


@given(wav_headers())
def test_headers_are_those_of_files_that_can_be_read(before: bytes) -> None:
    """By the house's own reader, which wants a data chunk and its format before it."""
    assert parse_wav(before + bytes(4)).channels == 1


@given(st.binary(max_size=60), st.data())
def test_cuts_lose_nothing(stream: bytes, data: st.DataObject) -> None:
    assert b"".join(data.draw(cuts_of(stream))) == stream
