"""The platform's socket breaks, and the call goes on over another one."""

from pathlib import Path

import attrs
import pytest
import trio

from opusagent.audio.wav import parse_wav
from opusagent.call.call import Limits
from opusagent.call.moments import LineBack, LineLost
from opusagent.call.policy import Policy
from opusagent.call.reasons import EndReason
from opusagent.call.report import CallReport
from opusagent.call.voice import CUT_OFF
from opusagent.errors import PeerGone
from opusagent.platforms.audiocodes import (
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionEnd,
    SessionError,
    SessionResume,
    UserStreamChunk,
    UserStreamStart,
    UserStreamStarted,
    parse_bridge_message,
    render,
)
from opusagent.realtime.events import ConversationItemTruncate, ResponseCreate
from opusagent.testing.audiocodes_caller import Conversation
from opusagent.testing.audiocodes_rules import UserStream
from opusagent.testing.memory import MemorySocket
from opusagent.testing.play import CALL, PROFILE
from opusagent.testing.play_audiocodes import GRACE, AudioCodesStage, play_audiocodes
from opusagent.units import Ms, Pcm16
from tests.calls.sound import tone

TEN_SECONDS = Pcm16(b"\x01\x00" * 240_000)
GREETED = attrs.evolve(PROFILE, policy=Policy(greeting="Say hello."))
NAME = Conversation().conversation_id


def accounted_for(report: CallReport) -> bool:
    audio = report.audio
    return audio.model_pushed == audio.model_heard + audio.model_discarded + audio.model_held


async def last_words(line: MemorySocket) -> tuple[list[type], int]:
    """What still comes on `line` until the bridge closes it, and the close code."""
    kinds: list[type] = []
    try:
        while True:
            kinds.append(type(parse_bridge_message(await line.receive())))
    except PeerGone as gone:
        return kinds, gone.code


async def lose_and_find(stage: AudioCodesStage, seconds: float) -> None:
    await stage.caller.break_line(stage.platform.vanish)
    await trio.sleep(seconds)
    await stage.reconnect()


def test_an_idle_call_goes_on_as_if_nothing_had_happened() -> None:
    """One call, one model, one format; the report has the gap."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(200))
        await lose_and_find(stage, 3)
        await stage.caller.say(tone(700, 200, 24_000))
        await trio.sleep(0.005)
        assert model.audio.count(tone(700, 200, 24_000)) == 1
        accepted = [each.message for each in stage.caller.told(SessionAccepted)]
        assert accepted == [SessionAccepted(mediaFormat="raw/lpcm16_24")] * 2
        assert len(stage.models) == 1
        assert [type(each) for each in stage.moments if isinstance(each, LineLost | LineBack)] == [LineLost, LineBack]
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.end is EndReason.CALLER_HUNG_UP
    assert [round(gap, 2) for gap in report.line_gaps] == [3.0]


def test_a_caller_who_was_speaking_is_heard_on_from_where_he_goes_on() -> None:
    """What went up before the break and after it is one stream for the model, with whole samples, and no silence."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        async with trio.open_nursery() as mouth:
            mouth.start_soon(stage.caller.say, tone(700, 1000, 16_000))
            await trio.sleep(0.5)
            await model.speech_started()
            await lose_and_find(stage, 2)
        await trio.sleep(0.005)
        assert 960 * 48 <= len(model.audio.rstrip(b"\x00")) <= 1005 * 48
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script, Conversation(formats=("raw/lpcm16",)), cuts=iter([641] * 500))
    assert (report.caller_turns, report.audio.caller_dropped) == (1, 0)


def test_a_model_that_was_speaking_goes_on_in_a_new_stream() -> None:
    """What the platform had is lost with its socket; what it did not have yet waits, and nothing is said twice."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await lose_and_find(stage, 3)
        assert stage.caller.heard_bytes <= 48_000
        await stage.caller.quiet(Ms(100))
        assert [each.message.streamId for each in stage.caller.told(PlayStreamStart)] == ["1", "2"]
        assert [each.message.streamId for each in stage.caller.told(PlayStreamStop)] == ["2"]
        assert model.said(ConversationItemTruncate) == []
        assert stage.caller.complaints == []
        lost = sum(len(each.audio) for each in stage.caller.cleared)
        assert 0 < lost <= 48 * 400
        assert stage.caller.heard_bytes == 480_000 - lost
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.audio.model_held == 0
    assert 0 < report.audio.model_discarded <= 400
    assert accounted_for(report)


def test_what_the_report_counts_as_heard_is_what_was_heard() -> None:
    """Through two breaks in mid-speech, to the millisecond or two."""
    truth: list[float] = []

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        for gap in (0.0, 4.0):
            await stage.caller.hear(Ms(1111))
            await lose_and_find(stage, gap)
        await stage.caller.hear(Ms(1111))
        truth.append(stage.caller.heard_bytes / 48)
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert abs(report.audio.model_heard - truth[0]) <= 2
    assert accounted_for(report)


def test_speech_that_waited_longer_than_five_seconds_is_not_said_any_more() -> None:
    """The model is told what was heard before the break, and deltas that still come are not played."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await lose_and_find(stage, 8)
        told = await model.expect(ConversationItemTruncate)
        assert abs(told.audio_end_ms - stage.caller.heard_bytes / 48) <= 2
        await model.delta("item-1", TEN_SECONDS, response_id="response-1")
        await model.finish("item-1", response_id="response-1")
        await trio.sleep(2)
        assert len(stage.caller.told(PlayStreamStart)) == 1
        wish = await model.expect(ResponseCreate)
        assert wish.response is not None
        assert CUT_OFF in (wish.response.instructions or "")
        await model.say("item-2", TEN_SECONDS[:48_000], response_id="response-2")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert accounted_for(report)
    assert report.barge_ins == 0
    assert sum(each.what.startswith("what waited 8.00 s for the line is not said") for each in report.story) == 1
    assert not any("barges in" in each.what for each in report.story)


def test_the_model_hears_of_no_second_greeting() -> None:
    """A break in the middle of it: the rest of the greeting is said, and none is asked for again."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.expect(ResponseCreate)
        await model.say("greeting", TEN_SECONDS[:96_000], response_id="response-1")
        await stage.caller.hear(Ms(500))
        await lose_and_find(stage, 2)
        await stage.caller.quiet(Ms(2000))
        assert len(model.said(ResponseCreate)) == 1
        assert stage.caller.heard_bytes > 48_000
        await stage.caller.hang_up()

    play_audiocodes(script, profile=GREETED)


def test_a_break_before_the_model_was_ready_is_taken_up_when_it_is() -> None:
    """Whether the platform is back before that or after it: one acceptance on the socket that it sees."""

    async def back_first(stage: AudioCodesStage) -> None:
        model = await stage.dialled()
        await stage.caller.break_line(stage.platform.vanish)
        async with trio.open_nursery() as platform:
            platform.start_soon(stage.reconnect)
            await trio.sleep(1)
            assert stage.caller.received == []
            await model.opening()
        await stage.caller.silence(Ms(100))
        assert len(stage.caller.told(SessionAccepted)) == 1
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    async def ready_first(stage: AudioCodesStage) -> None:
        model = await stage.dialled()
        await stage.caller.break_line(stage.platform.vanish)
        await model.opening()
        await trio.sleep(1)
        await stage.reconnect()
        await stage.caller.silence(Ms(100))
        assert len(stage.caller.told(SessionAccepted)) == 1
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    assert play_audiocodes(back_first).end is EndReason.CALLER_HUNG_UP
    assert play_audiocodes(ready_first).end is EndReason.CALLER_HUNG_UP


def test_a_user_stream_that_was_never_answered_is_answered_once_on_the_new_socket() -> None:
    """The platform asked on a socket that is gone, and asks again."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.dialled()
        await stage.platform.send(render(UserStreamStart(conversationId=NAME)))
        await trio.sleep(0.1)
        await stage.caller.break_line(stage.platform.vanish)
        async with trio.open_nursery() as platform:
            platform.start_soon(stage.reconnect)
            await trio.sleep(0.1)
            await model.opening()
        await stage.caller.silence(Ms(100))
        assert len(stage.caller.told(UserStreamStarted)) == 1
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    play_audiocodes(script)


def test_nothing_of_what_happened_in_the_gap_comes_before_the_acceptance() -> None:
    """The model hears late that the caller spoke, and barges in on the old stream while there is no line."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.break_line(stage.platform.vanish)
        await model.speech_started()
        await model.speech_stopped()
        await trio.sleep(1)
        before = len(stage.caller.received)
        await stage.reconnect()
        assert isinstance(stage.caller.received[before].message, SessionAccepted)
        await trio.sleep(1)
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.barge_ins == 1
    assert accounted_for(report)


def test_sound_that_comes_before_a_new_user_stream_is_heard() -> None:
    """Nobody says whether the platform begins a stream anew, so both ways are understood."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.break_line(stage.platform.vanish)
        line = stage.new_socket()
        await line.send(render(SessionResume(conversationId=NAME)))
        assert isinstance(parse_bridge_message(await line.receive()), SessionAccepted)
        await line.send(render(UserStreamChunk(conversationId=NAME, audioChunk=bytes([1, 0, 2, 0, 3, 0]))))
        await trio.sleep(0.1)
        assert model.audio.endswith(bytes([1, 0, 2, 0, 3, 0]))
        await line.send(render(SessionEnd(conversationId=NAME)))
        await last_words(line)

    assert play_audiocodes(script).end is EndReason.CALLER_HUNG_UP


def test_a_platform_that_does_not_come_back_in_time_has_hung_up() -> None:
    """The report says how the line was lost and how long the call waited; whoever comes later is refused."""

    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.break_line(stage.platform.vanish)
        await trio.sleep(31.5)
        assert stage.calls == []
        with pytest.raises(PeerGone):
            await stage.reconnect()
        assert [each.message for each in stage.caller.told(SessionError)] == [
            SessionError(reason="conversation not found")
        ]

    report = play_audiocodes(script)
    assert report.end is EndReason.CALLER_LOST
    assert report.end_detail == "the connection broke without a close frame; not back within 30 s"
    assert 30 <= report.seconds < 32
    (gap,) = report.line_gaps
    assert 30 <= gap < 31.5


def test_who_comes_while_the_call_is_being_finished_is_told_so_and_does_not_wait_for_ever() -> None:
    """The last moment: the call has given up and is still saying goodbye to the model."""

    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        stage.legs[0].stall()
        stage.ending.shut_down()
        await trio.sleep(0.5)
        assert stage.calls != []
        line = stage.new_socket()
        await line.send(render(SessionResume(conversationId=NAME)))
        with trio.fail_after(GRACE.goodbye_seconds):
            assert await last_words(line) == ([SessionError], 1000)

    play_audiocodes(script, Conversation(heeds_hangup=False))


def test_of_two_sockets_that_come_back_the_last_one_has_the_call() -> None:
    """The other one is closed, and the call is taken up on both without a word too many."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.break_line(stage.platform.vanish)
        first = stage.new_socket()
        await first.send(render(SessionResume(conversationId=NAME)))
        await stage.reconnect()
        assert (await last_words(first))[0] in ([], [SessionAccepted])
        await stage.caller.say(tone(700, 200, 24_000))
        await trio.sleep(0.005)
        assert model.audio.count(tone(700, 200, 24_000)) == 1
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    assert play_audiocodes(script).end is EndReason.CALLER_HUNG_UP


@pytest.mark.parametrize("is_dead", [False, True])
def test_an_old_socket_that_is_still_there_is_closed_and_holds_nobody_up(is_dead: bool) -> None:  # noqa: FBT001 - a case
    """Also if its peer is frozen, and does not answer the close."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        old = stage.platform
        if is_dead:
            old.stall()
        asked = trio.current_time()
        await stage.reconnect()
        assert trio.current_time() - asked < 0.01
        await stage.caller.hear(Ms(1000))
        if not is_dead:
            assert (await last_words(old))[1] == 1001
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert len(report.line_gaps) == 1
    assert accounted_for(report)


def test_a_platform_that_takes_no_bytes_is_let_go_and_may_come_back() -> None:
    """Until its socket is closed, it has no reason to dial again."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        line = stage.new_socket()
        await line.send(render(SessionResume(conversationId=NAME)))
        await trio.sleep(0.1)
        for number in range(80):
            await model.speech_started()
            await model.speech_stopped(f"item-{number}")
        await trio.sleep(4)
        with trio.fail_after(0.1):
            await last_words(line)
        await stage.reconnect()
        await stage.caller.hang_up()

    assert play_audiocodes(script).end is EndReason.CALLER_HUNG_UP


def test_the_goodbye_reaches_a_platform_that_came_back() -> None:
    """Its socket is another one than the call began with, and is kept until the platform has answered."""

    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        await lose_and_find(stage, 1)
        stage.ending.shut_down()
        ended = await stage.caller.until_ended()
        assert ended.code == 1001
        assert len(stage.caller.breaks) == 1
        assert stage.caller.complaints == []

    assert play_audiocodes(script).end is EndReason.SHUTTING_DOWN


def test_one_recording_goes_through_the_gap(tmp_path: Path) -> None:
    """Both channels stand where they were heard: the gap is silence on the tape."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await lose_and_find(stage, 2)
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    play_audiocodes(script, directory=tmp_path)
    (recording,) = tmp_path.rglob("call.wav")
    assert recording.parent.name == CALL
    wav = parse_wav(recording.read_bytes())
    model_side = b"".join(wav.data[at + 2 : at + 4] for at in range(0, len(wav.data), 4))
    voiced = [model_side[at : at + 2] != b"\0\0" for at in range(0, len(model_side), 2)]
    assert 1.99 < sum(voiced) / wav.rate < 2.03
    assert not any(voiced[int(1.02 * wav.rate) : int(2.98 * wav.rate)])


def test_the_caller_who_hangs_up_while_there_is_no_line_is_missed_when_the_grace_is_over() -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.break_line(stage.platform.vanish)
        await stage.caller.hang_up()

    report = play_audiocodes(script, limits=Limits(resume_seconds=5))
    assert (report.end, round(report.seconds)) == (EndReason.CALLER_LOST, 5)


def test_the_call_survives_ten_breaks() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        for number in range(10):
            await model.say(f"item-{number}", TEN_SECONDS[:48_000], response_id=f"response-{number}")
            await stage.caller.hear(Ms(100))
            await lose_and_find(stage, 0.3)
            await stage.caller.go_on()
            assert stage.caller.rules.user_stream is UserStream.OPEN
            await stage.caller.quiet(Ms(500))
        streams = [each.message.streamId for each in stage.caller.told(PlayStreamStart)]
        assert streams == [str(number) for number in range(1, 21)]
        assert stage.caller.complaints == []
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert len(report.line_gaps) == 10
    assert accounted_for(report)
