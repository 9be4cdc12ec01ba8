"""A call by AudioCodes from its first message to its last: who hears what, and when."""

from collections.abc import Iterator
from itertools import cycle

import pytest
import trio

from opusagent.audio.g711 import decode, encode
from opusagent.audio.media import MediaFormat
from opusagent.call.moments import Interrupted, KeysCame
from opusagent.call.reasons import EndReason
from opusagent.platforms.audiocodes import (
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    UserStreamSpeechCommitted,
    UserStreamSpeechHypothesis,
    UserStreamSpeechRecognition,
    UserStreamSpeechStarted,
    UserStreamSpeechStopped,
    UserStreamStarted,
    UserStreamStopped,
)
from opusagent.realtime.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    ConversationItemInputAudioTranscriptionDelta,
    ConversationItemTruncate,
)
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.audiocodes_rules import FORMATS
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import HZ_24K, Ms, Pcm16
from tests.calls.sound import level, pitch, tone

NAMES = tuple(FORMATS)
RAW_16K = Conversation(formats=("raw/lpcm16",))
DEAF_WHILE_PLAYING = Conversation(barges_in=False)

# A bin of 600 ms is 1.7 Hz wide; mu-law's noise lies 30 dB below the tone.
PITCH_HZ = 2.0
LEVEL_DB = 0.2


def heard_by(stage: AudioCodesStage) -> Pcm16:
    return decode(stage.caller.media, b"".join(heard.audio for heard in stage.caller.heard))


def spoken_in(media: MediaFormat, hz: float, ms: int) -> bytes:
    return encode(media, tone(hz, ms, media.rate))


@pytest.mark.parametrize("name", NAMES)
def test_a_tone_goes_both_ways_at_its_true_pitch_and_level(name: str) -> None:
    """In every format of the platform, with a header or without."""
    audio = bytearray()

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.accepted()
        await stage.caller.say(spoken_in(stage.caller.media, 1000, 1000))
        await model.say("item-1", tone(440, 990, 24_000), response_id="response-1")
        await stage.caller.hear(Ms(1000))
        assert abs(pitch(heard_by(stage), stage.caller.media.rate) - 440) <= PITCH_HZ
        middle = stage.caller.media.rate * 2 // 10
        assert abs(level(Pcm16(heard_by(stage)[middle : 8 * middle]))) <= LEVEL_DB
        assert stage.caller.complaints == []
        audio.extend(model.audio)
        await stage.caller.hang_up()

    report = play_audiocodes(script, Conversation(formats=(name,)))
    up = Pcm16(bytes(audio[9600:43_200]))
    assert abs(pitch(up, HZ_24K) - 1000) <= PITCH_HZ
    assert abs(level(up)) <= LEVEL_DB
    assert (report.end, report.end_detail) == (EndReason.CALLER_HUNG_UP, "client-disconnected")
    assert (report.audio.model_pushed, report.audio.model_heard) == (1000, 1000)


def test_24_khz_passes_through_untouched() -> None:
    """The very samples, both ways."""
    said, spoken = tone(300, 400, 24_000), tone(900, 400, 24_000)

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.say(said)
        await model.say("item-1", spoken, response_id="response-1")
        await stage.caller.hear(Ms(400))
        assert heard_by(stage) == spoken
        assert model.audio.count(said) == 1
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.audio.model_appended == report.audio.caller_received


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (("raw/lpcm16", "raw/lpcm16_24", "raw/mulaw"), "raw/lpcm16_24"),
        (("raw/mulaw", "raw/lpcm16_8", "raw/lpcm16"), "raw/lpcm16"),
        (("wav/lpcm16_24", "raw/mulaw"), "raw/mulaw"),
        (("wav/mulaw", "raw/opus"), "wav/mulaw"),
    ],
)
def test_our_preference_decides_which_format_is_taken(offered: tuple[str, ...], taken: str) -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.accepted()
        assert [each.message for each in stage.caller.told(SessionAccepted)] == [SessionAccepted(mediaFormat=taken)]
        await stage.caller.hang_up()

    play_audiocodes(script, Conversation(formats=offered))


def cuts_of(*sizes: int) -> Iterator[int]:
    return cycle(sizes)


@pytest.mark.parametrize("name", ["raw/lpcm16", "wav/lpcm16", "raw/lpcm16_24"])
@pytest.mark.parametrize("sizes", [(17,), (641,), (3, 999, 1, 640), (4001,)])
def test_chunks_of_odd_sizes_lose_nothing_and_shift_nothing(name: str, sizes: tuple[int, ...]) -> None:
    """A sample that was split between two chunks arrives whole."""
    audio = bytearray()

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.accepted()
        await stage.caller.say(spoken_in(stage.caller.media, 700, 400))
        await stage.caller.silence(Ms(100))
        audio.extend(model.audio)
        await stage.caller.hang_up()

    play_audiocodes(script, Conversation(formats=(name,)), cuts=cuts_of(*sizes))
    assert abs(pitch(Pcm16(bytes(audio[4800:14_400])), HZ_24K) - 700) <= 5
    assert abs(level(Pcm16(bytes(audio[4800:14_400])))) <= LEVEL_DB


def test_a_user_stream_that_ends_in_half_a_sample_does_not_shift_the_next_one() -> None:
    """Each user stream begins with a whole sample, whatever the one before ended with."""
    audio = bytearray()

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(10))
        await stage.caller.pause()
        await stage.caller.go_on()
        heard = len(model.audio)
        await stage.caller.say(tone(700, 300, 16_000))
        audio.extend(model.audio[heard:])
        await stage.caller.hang_up()

    play_audiocodes(script, RAW_16K, cuts=cuts_of(641))
    assert abs(pitch(Pcm16(bytes(audio[2400:12_000])), HZ_24K) - 700) <= 5
    assert abs(level(Pcm16(bytes(audio[2400:12_000])))) <= LEVEL_DB


@pytest.mark.parametrize("names_caller_first", [True, False])
def test_the_start_activity_may_come_before_the_user_stream_or_after_it(names_caller_first: bool) -> None:  # noqa: FBT001 - a case
    """The called number is in it, and reaches whoever looks at the call, and the report."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.say(tone(700, 200, 24_000))
        await trio.sleep(0.005)
        assert stage.switch.named().callee == "+15550199"
        assert model.audio.count(tone(700, 200, 24_000)) == 1
        await stage.caller.hang_up()

    report = play_audiocodes(script, Conversation(names_caller_first=names_caller_first))
    assert (report.caller, report.callee) == ("+15550100", "+15550199")


def test_the_call_is_taken_only_when_the_model_is_ready() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.dialled()
        await trio.sleep(2)
        assert stage.caller.received == []
        await model.opening()
        await stage.caller.accepted()
        assert trio.current_time() == pytest.approx(2)
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_audio_is_sent_at_once_and_never_more_than_400_ms_ahead() -> None:
    """What this platform holds can neither be seen nor taken back."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.accepted()
        asked = trio.current_time()
        await model.say("item-1", tone(440, 10_000, 24_000), response_id="response-1")
        lead = 0
        while stage.caller.heard_bytes < 479_000:
            await trio.sleep(0.01)
            lead = max(lead, stage.caller.queued)
        assert stage.caller.told(PlayStreamStart)[0].at - asked < 0.001
        assert 300 < lead <= 400
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_every_answer_is_one_play_stream_and_is_closed_when_it_has_been_sent() -> None:
    """Promptly: a platform without barge-in is deaf until then."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        for number in range(3):
            await model.say(f"item-{number}", tone(440, 1000, 24_000), response_id=f"response-{number}")
            await stage.caller.quiet(Ms(100))
        streams = [each.message.streamId for each in stage.caller.told(PlayStreamStart)]
        assert streams == [each.message.streamId for each in stage.caller.told(PlayStreamStop)] == ["1", "2", "3"]
        first = stage.caller.told(PlayStreamStart)[0].at
        assert stage.caller.told(PlayStreamStop)[0].at - first <= 0.7
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_a_stream_whose_response_ends_late_is_closed_when_it_ends() -> None:
    """All sound was sent long ago; the end alone closes the stream."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", tone(440, 200, 24_000), response_id="response-1")
        await trio.sleep(3)
        assert stage.caller.told(PlayStreamStop) == []
        await model.finish("item-1", response_id="response-1")
        await trio.sleep(0.01)
        assert [each.message for each in stage.caller.told(PlayStreamStop)] == [PlayStreamStop(streamId="1")]
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_a_barge_in_stops_the_stream_before_it_tells_of_the_speech() -> None:
    """Nothing is written behind the stop, and the model is told what was heard by the clock: there are no marks."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", tone(440, 10_000, 24_000), response_id="response-1")
        await stage.caller.hear(Ms(1234))
        asked = trio.current_time()
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        await trio.sleep(1)
        kinds = [type(each.message) for each in stage.caller.received if each.at >= asked]
        assert kinds == [PlayStreamStop, UserStreamSpeechStarted]
        assert stage.caller.speech[0].at - asked < 0.010
        assert abs(told.audio_end_ms - stage.caller.heard_bytes / 48) <= 2
        await model.speech_stopped()
        await model.say("item-2", tone(440, 500, 24_000), response_id="response-2")
        await stage.caller.hear(Ms(500))
        assert stage.caller.told(PlayStreamStart)[-1].message.streamId == "2"
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.barge_ins == 1
    assert report.audio.model_pushed == report.audio.model_heard + report.audio.model_discarded


def test_the_platform_is_told_of_the_callers_speech_and_words() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.accepted()
        await model.speech_started()
        await model.send(
            ConversationItemInputAudioTranscriptionDelta(item_id="item_caller", content_index=0, delta="i lost"),
            ConversationItemInputAudioTranscriptionDelta(item_id="item_caller", content_index=0, delta=" my card"),
        )
        await model.speech_stopped()
        await model.send(
            ConversationItemInputAudioTranscriptionCompleted(
                item_id="item_caller", content_index=0, transcript="I lost my card."
            )
        )
        await trio.sleep(0.1)
        assert [type(each.message) for each in stage.caller.speech] == [
            UserStreamSpeechStarted,
            UserStreamSpeechHypothesis,
            UserStreamSpeechHypothesis,
            UserStreamSpeechStopped,
            UserStreamSpeechCommitted,
            UserStreamSpeechRecognition,
        ]
        guesses = [each.message.alternatives[0].text for each in stage.caller.told(UserStreamSpeechHypothesis)]
        assert guesses == ["i lost", "i lost my card"]
        (said,) = stage.caller.told(UserStreamSpeechRecognition)
        assert said.message.alternatives[0].text == "I lost my card."
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_a_platform_without_barge_in_hears_and_is_heard_in_turns() -> None:
    """No sound of the caller's comes while a stream is open or being played; afterwards it flows again."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.say(tone(700, 200, 24_000))
        await model.say("item-1", tone(440, 2000, 24_000), response_id="response-1")
        await trio.sleep(0.1)
        before = len(model.audio)
        await trio.sleep(1.8)
        assert len(model.audio) == before
        await stage.caller.quiet(Ms(20))
        await stage.caller.say(tone(500, 200, 24_000))
        await trio.sleep(0.005)
        assert model.audio.count(tone(500, 200, 24_000)) == 1
        assert len(stage.caller.told(UserStreamStopped)) == 1
        assert len(stage.caller.told(UserStreamStarted)) == 2
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script, DEAF_WHILE_PLAYING)
    assert report.audio.model_heard == 2000
    assert report.audio.model_appended == report.audio.caller_received


def test_a_caller_cut_short_by_a_platform_without_barge_in_does_not_speak_for_ever() -> None:
    """The model hears a second of silence, once, so that its turn ends; a pause in silence adds none."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.say(tone(700, 200, 24_000))
        await stage.caller.pause()
        await trio.sleep(0.1)
        quiet = len(model.audio)
        await stage.caller.go_on()
        await stage.caller.say(tone(700, 200, 24_000))
        await model.speech_started()
        await trio.sleep(0.005)
        before = len(model.audio)
        await stage.caller.pause()
        await trio.sleep(20)
        assert len(model.audio) - before <= 48_000 + 960
        assert model.audio.endswith(bytes(48_000))
        assert quiet < 48_000
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.audio.caller_received + 1000 == report.audio.model_appended


def test_twenty_user_streams_are_one_conversation() -> None:
    """Every one is answered, and every word arrives."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        for number in range(20):
            words = tone(300 + 50 * number, 100, 24_000)
            await stage.caller.say(words)
            await stage.caller.pause()
            assert model.audio.count(words) == 1
            await trio.sleep(0.3)
            await stage.caller.go_on()
        assert len(stage.caller.told(UserStreamStopped)) == 20
        assert len(stage.caller.told(UserStreamStarted)) == 21
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    assert play_audiocodes(script).end is EndReason.CALLER_HUNG_UP


@pytest.mark.parametrize("name", ["DTMF", "dtmf"])
def test_keys_reach_the_call_however_their_event_is_written(name: str) -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.accepted()
        await stage.caller.press("12#", name=name)
        await trio.sleep(0.1)
        assert sum(isinstance(each, KeysCame) for each in stage.moments) == 1
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_what_a_platform_without_barge_in_plays_to_its_end_is_not_interrupted_by_its_echo() -> None:
    """Speech that ended before the answer began cuts nothing."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.speech_started()
        await model.speech_stopped()
        await model.say("item-1", tone(440, 1000, 24_000), response_id="response-1")
        await stage.caller.quiet(Ms(100))
        assert not any(isinstance(each, Interrupted) for each in stage.moments)
        sent = sum(len(each.message.audioChunk) for each in stage.caller.told(PlayStreamChunk))
        assert (sent, stage.caller.heard_bytes) == (48_000, 48_000)
        await stage.caller.hang_up()

    play_audiocodes(script, DEAF_WHILE_PLAYING)
