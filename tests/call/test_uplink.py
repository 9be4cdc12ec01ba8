"""The way up: pairs, what is dropped when nobody takes, and what a model still gets when the caller has gone."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from opusagent.audio.media import MULAW_8K, PCM16_24K, Encoding, MediaFormat
from opusagent.call.ending import Ending
from opusagent.call.reasons import EndReason
from opusagent.call.tape import BlankTape
from opusagent.call.uplink import DRAIN_SECONDS, UPLINK, Uplink, tell_model
from opusagent.net.limits import MODEL
from opusagent.platforms.dialect import CallerAudio, CallStarted
from opusagent.realtime.codec import parse_client_event
from opusagent.realtime.events import InputAudioBufferAppend
from opusagent.testing.memory import memory_pair
from opusagent.testing.model import ScriptedModel
from opusagent.units import HZ_16K, LoopTime, Ms

NOW = LoopTime(1.0)
MOST = UPLINK // 20


TWILIO = CallStarted("CA1", "MZ1", MULAW_8K, block=Ms(40))
AUDIOCODES = CallStarted("1", "1", MediaFormat(Encoding.PCM16, HZ_16K))


def frame(number: int) -> CallerAudio:
    return CallerAudio(bytes([number % 256]) * 160, Ms(20 * number))


def passed_through() -> Uplink:
    """A caller whose mu-law the model takes as it is, so that every byte can be followed."""
    return Uplink(TWILIO, MULAW_8K, BlankTape(), None)


async def told(uplink: Uplink, frames: int) -> list[bytes]:
    """What the model is told when the caller says `frames` frames and leaves."""
    ours, theirs = memory_pair(MODEL)
    model = ScriptedModel(theirs)
    async with trio.open_nursery() as talk:
        talk.start_soon(model.listen)
        for number in range(frames):
            uplink.put(frame(number), NOW)
        talk.start_soon(tell_model, ours, uplink, Ending())
        await uplink.drain()
        await ours.close()
    return [event.audio for event in model.said(InputAudioBufferAppend)]


async def test_frames_go_up_in_pairs_and_the_last_one_alone(autojump_clock: MockClock) -> None:
    uplink = passed_through()
    appended = await told(uplink, 5)
    assert appended == [frame(0).audio + frame(1).audio, frame(2).audio + frame(3).audio, frame(4).audio]
    assert (uplink.received_bytes, uplink.appended_bytes, uplink.dropped_bytes) == (800, 800, 0)


def test_a_caller_who_comes_in_large_pieces_goes_up_in_smaller_ones() -> None:
    """No message is longer than the most, and every byte is there."""
    uplink = Uplink(evolve(TWILIO, block=None, most=Ms(50)), MULAW_8K, BlankTape(), None)
    audio = bytes(range(200)) * 5
    messages = uplink.convert(CallerAudio(audio))
    sent = [event.audio for event in map(parse_client_event, messages) if isinstance(event, InputAudioBufferAppend)]
    assert [len(piece) for piece in sent] == [400, 400, 200]
    assert b"".join(sent) == audio


async def test_a_model_that_takes_pcm_gets_every_millisecond_at_its_rate(autojump_clock: MockClock) -> None:
    uplink = Uplink(TWILIO, PCM16_24K, BlankTape(), None)
    appended = await told(uplink, 7)
    assert [len(audio) for audio in appended] == [1920, 1920, 1920, 960]


async def test_half_a_sample_waits_for_its_other_half() -> None:
    """A platform may cut its chunks anywhere."""
    uplink = Uplink(AUDIOCODES, PCM16_24K, BlankTape(), None)
    for chunk in (b"\1", b"\2\3", b"\4\5\6"):
        uplink.put(CallerAudio(chunk), NOW)
    assert [await uplink.take() for _ in range(2)] == [CallerAudio(b"\1\2"), CallerAudio(b"\3\4\5\6")]


async def test_when_the_channel_is_full_the_newest_loses_and_is_counted(autojump_clock: MockClock) -> None:
    """Twelve seconds wait for a model that is being dialled; the thirteenth is dropped, and the order is kept."""
    uplink = passed_through()
    appended = await told(uplink, MOST + 50)
    assert b"".join(appended) == b"".join(frame(number).audio for number in range(MOST))
    assert (uplink.received_bytes, uplink.dropped_bytes, uplink.peak_bytes) == (160 * (MOST + 50), 160 * 50, 160 * MOST)


async def test_nobody_waits_for_a_model_that_never_listens(autojump_clock: MockClock) -> None:
    """The caller's last words are worth a second and no more."""
    uplink = passed_through()
    uplink.put(frame(0), NOW)
    begun = trio.current_time()
    await uplink.drain()
    assert trio.current_time() - begun == pytest.approx(DRAIN_SECONDS)


async def test_nobody_waits_longer_for_a_model_that_has_stopped_reading(autojump_clock: MockClock) -> None:
    """Its socket is full: the same second, and what could not be sent is not said to have been."""
    uplink, ending = passed_through(), Ending()
    ours, _theirs = memory_pair(MODEL)
    for number in range(4 * MODEL.queued_messages):
        uplink.put(frame(number), NOW)
    begun = trio.current_time()
    async with trio.open_nursery() as talk:
        talk.start_soon(tell_model, ours, uplink, ending)
        await uplink.drain()
        assert trio.current_time() - begun == pytest.approx(DRAIN_SECONDS)
        talk.cancel_scope.cancel()
    assert uplink.appended_bytes <= 320 * (MODEL.queued_messages + 1)


async def test_a_model_that_goes_while_it_is_told_is_lost() -> None:
    uplink, ending = passed_through(), Ending()
    ours, theirs = memory_pair(MODEL)
    theirs.vanish()
    uplink.put(frame(0), NOW)
    uplink.put(frame(1), NOW)
    await tell_model(ours, uplink, ending)
    assert ending.end_of_call is not None
    assert ending.end_of_call.reason is EndReason.MODEL_LOST


async def test_nothing_said_is_nothing_appended(autojump_clock: MockClock) -> None:
    """A caller who leaves without a word costs no message and no second."""
    begun = trio.current_time()
    assert await told(passed_through(), 0) == []
    assert trio.current_time() - begun < DRAIN_SECONDS


async def test_while_it_is_deaf_the_model_hears_as_much_silence(autojump_clock: MockClock) -> None:
    """The stream keeps its length, so that the model's clock and ours agree."""
    uplink = passed_through()
    uplink.is_deaf = True
    assert await told(uplink, 4) == [b"\xff" * 320] * 2


def test_half_a_pair_wakes_nobody() -> None:
    uplink = passed_through()
    uplink.put(frame(0), NOW)
    assert uplink.waiting_frames == 0
    uplink.put(frame(1), NOW)
    assert uplink.waiting_frames == 1


async def test_half_a_pair_goes_to_the_session_that_takes_over(autojump_clock: MockClock) -> None:
    """It was told to nobody before."""
    uplink = passed_through()
    ours, theirs = memory_pair(MODEL)
    model = ScriptedModel(theirs)
    async with trio.open_nursery() as talk:
        talk.start_soon(model.listen)
        talk.start_soon(tell_model, ours, uplink, Ending())
        uplink.put(frame(0), NOW)
        await trio.testing.wait_all_tasks_blocked()
        uplink.begin_session(again=False)
        uplink.put(frame(1), NOW)
        await uplink.drain()
        await ours.close()
    assert [event.audio for event in model.said(InputAudioBufferAppend)] == [frame(0).audio + frame(1).audio]


def test_the_channel_is_bounded_by_sound_and_not_by_pieces() -> None:
    """Crumbs of 5 ms fill it no sooner, and pieces of a second no later."""
    for size in (40, 8000):
        uplink = passed_through()
        for _ in range(20 * 8000 // size):
            uplink.put(CallerAudio(b"\xff" * size), NOW)
        assert uplink.received_bytes - uplink.dropped_bytes == 12 * 8000
