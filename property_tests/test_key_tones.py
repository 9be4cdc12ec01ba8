"""Law: silencing keys takes nothing away and adds nothing; what is quiet, and what was silenced, stays as it is."""

from hypothesis import given

from opusagent.audio.dtmf import KeyTones
from opusagent.audio.g711 import encode
from opusagent.audio.media import MediaFormat
from property_tests.strategies_audio import media_formats, pcm


@given(media_formats(), pcm())
def test_every_sample_is_what_it_was_or_silence(media: MediaFormat, sound: bytes) -> None:
    """For all formats and sound: as much comes back, and what differs is the format's silence."""
    sent, size = encode(media, sound), media.bytes_per_sample
    heard = KeyTones(media).push(sent)
    assert len(heard) == len(sent)
    for place in range(0, len(sent), size):
        assert heard[place : place + size] in {sent[place : place + size], media.silence}
