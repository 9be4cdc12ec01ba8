"""Every way in which a call by AudioCodes ends: what the platform is told, what is reported, how long it takes."""

import json

import attrs
import pytest
import trio
from trio.testing import MockClock
from typing_extensions import override

from opusagent.call.caller import answer
from opusagent.call.ending import Ending
from opusagent.call.reasons import EndReason
from opusagent.errors import PeerRefused, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    PlayStreamStop,
    SessionEnd,
    SessionError,
    SessionInitiate,
    UserStreamChunk,
    UserStreamSpeechStarted,
    event_name,
    render,
)
from opusagent.platforms.audiocodes_dialect import AudioCodesDialect
from opusagent.realtime.events import ErrorDetail, ErrorEvent, InputAudioBufferSpeechStarted
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.play import Theatre
from opusagent.testing.play_audiocodes import GRACE, AudioCodesStage, play_audiocodes
from opusagent.units import Ms, Pcm16

ID = Conversation().conversation_id
TEN_SECONDS = Pcm16(b"\x01\x00" * 240_000)
NOTHING = Activities(conversationId=ID, activities=())


def goodbyes(stage: AudioCodesStage) -> list[Activity]:
    return [
        activity
        for each in stage.caller.told(Activities)
        for activity in each.message.activities
        if event_name(activity) == "hangup"
    ]


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [
        ("client-disconnected", "", "client-disconnected"),
        ("transferred", "", "transferred"),
        ("error", "no route", "error: no route"),
    ],
)
def test_the_platforms_reason_is_in_the_report(code: str, reason: str, detail: str) -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.hang_up(code, reason)
        assert stage.caller.told(Activities) == []
        assert stage.caller.ended is not None
        assert stage.caller.ended.code == 1000

    report = play_audiocodes(script)
    assert (report.end, report.end_detail) == (EndReason.CALLER_HUNG_UP, detail)


def test_we_hang_up_with_an_activity_and_wait_for_the_end() -> None:
    """The stream that is open is closed first; the platform's own word is the last."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(500))
        told = trio.current_time()
        stage.ending.shut_down()
        ended = await stage.caller.until_ended()
        assert [type(each.message) for each in stage.caller.received[-2:]] == [PlayStreamStop, Activities]
        assert goodbyes(stage) == [
            Activity(type="event", name="hangup", activityParams={"hangupReason": "daemon shut down"})
        ]
        assert (ended.code, stage.caller.complaints) == (1001, [])
        assert ended.at - told < 0.1

    assert play_audiocodes(script).end is EndReason.SHUTTING_DOWN


def test_what_was_to_be_said_when_the_end_came_is_said_before_the_goodbye() -> None:
    """The caller interrupts, which closes the play stream, and in the same read the service says that it is over."""

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(500))
        over = ErrorEvent(error=ErrorDetail(type="error", code="insufficient_quota", message=""))
        await model.send(InputAudioBufferSpeechStarted(item_id="item-2", audio_start_ms=0), over)
        await stage.caller.until_ended()
        kinds = [type(each.message) for each in stage.caller.received]
        assert kinds[-3:] == [PlayStreamStop, UserStreamSpeechStarted, Activities]
        assert stage.caller.complaints == []

    assert play_audiocodes(script).end is EndReason.MODEL_REFUSED


def test_a_platform_that_never_says_the_end_is_waited_for_within_a_bound() -> None:
    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        told = trio.current_time()
        stage.ending.shut_down()
        await stage.caller.break_line(lambda: None)
        assert trio.current_time() - told <= GRACE.goodbye_seconds
        assert len(goodbyes(stage)) == 1

    report = play_audiocodes(script, Conversation(heeds_hangup=False))
    assert report.end is EndReason.SHUTTING_DOWN


def test_a_model_that_leaves_ends_the_call_with_a_goodbye() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        await model.hang_up(1001)
        assert (await stage.caller.until_ended()).code == 1011
        assert len(goodbyes(stage)) == 1

    assert play_audiocodes(script).end is EndReason.MODEL_LEFT


class Unreachable(AudioCodesStage):
    """A stage without a model."""

    @override
    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        await trio.sleep(1)
        raise PeerRefused("nobody listens there")


def without_a_model(platform: MemorySocket, scenery: trio.Nursery) -> AudioCodesStage:
    return Unreachable(ScriptedAudioCodesCaller(platform), platform, Ending(), scenery)


async def is_refused(stage: AudioCodesStage) -> None:
    """The platform is told why, and has nothing to take back: the call was never accepted."""
    ended = await stage.caller.until_ended()
    reason = "model did not get ready in time" if stage.models else "model could not be reached"
    assert [each.message for each in stage.caller.received] == [SessionError(reason=reason)]
    assert (ended.at, stage.caller.complaints) == (stage.caller.received[0].at, [])


def test_a_model_that_cannot_be_reached_is_an_error_before_the_call_is_taken() -> None:
    report = Theatre(without_a_model, AudioCodesDialect, limits=GRACE).play(is_refused)
    assert report.end is EndReason.MODEL_UNREACHABLE
    assert report.end_detail.startswith("nobody listens there; no other session within 12 s")


def test_a_model_that_does_not_get_ready_is_an_error_before_the_call_is_taken() -> None:
    assert play_audiocodes(is_refused).end is EndReason.MODEL_NOT_READY


def raw(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "conversationId": ID, **fields})


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("garbage", 1007, ""),
        (raw("userStream.chunk", audioChunk="%%%"), 1007, ""),
        (raw("userStream.chunk"), 1002, "audioChunk"),
        (
            render(SessionInitiate(conversationId="other", supportedMediaFormats=("raw/mulaw",))),
            1008,
            "session.initiate: the session has already begun",
        ),
        (
            render(UserStreamChunk(conversationId="other", audioChunk=b"\0\0")),
            1008,
            "conversationId: userStream.chunk names 'other', not this conversation",
        ),
        (
            render(attrs.evolve(NOTHING, conversationId="")),
            1008,
            "conversationId: activities names '', not this conversation",
        ),
    ],
)
def test_a_platform_that_breaks_the_protocol_reads_which_rule(text: str, code: int, said: str) -> None:
    """Its call ends with a goodbye and the code of the rule, and the operator reads what it was."""

    async def script(stage: AudioCodesStage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.platform.send(text)
        assert (await stage.caller.until_ended()).code == code
        assert len(goodbyes(stage)) == 1

    report = play_audiocodes(script)
    assert report.end is EndReason.CALLER_BROKE_PROTOCOL
    assert said in report.end_detail


def test_sound_before_it_may_come_is_counted_and_hurts_nobody() -> None:
    async def script(stage: AudioCodesStage) -> None:
        model = await stage.dialled()
        for _ in range(5):
            await stage.platform.send(render(UserStreamChunk(conversationId=ID, audioChunk=bytes(960))))
        await trio.sleep(0.1)
        await model.opening()
        await stage.caller.silence(Ms(100))
        await stage.caller.hang_up()

    report = play_audiocodes(script)
    assert report.end is EndReason.CALLER_HUNG_UP
    assert report.unknown_messages == {"caller userStream.chunk outside a user stream": 5}
    assert report.audio.caller_received <= 120


@pytest.mark.parametrize(
    ("first", "code", "said"),
    [
        (SessionInitiate(conversationId=ID, supportedMediaFormats=()), 1003, "supportedMediaFormats: none offered"),
        (SessionInitiate(conversationId=ID, supportedMediaFormats=("raw/opus",)), 1003, "raw/opus offered, none of"),
        (
            SessionInitiate(conversationId=ID, supportedMediaFormats=("raw/mulaw",), expectAudioMessages=False),
            1003,
            "expectAudioMessages",
        ),
        (NOTHING, 1008, "activities: came before session.initiate"),
        (SessionEnd(conversationId=ID), 1008, "session.end: came before session.initiate"),
    ],
)
def test_who_cannot_be_understood_is_told_so_before_there_is_a_call(
    first: SessionInitiate | Activities | SessionEnd, code: int, said: str
) -> None:
    """In the platform's own words, so that it disconnects; and the operator reads the same."""

    async def connect() -> None:
        ours, theirs = memory_pair()
        await theirs.send(render(first))
        with pytest.raises(RemoteProtocolError) as refused:
            await answer(ours, AudioCodesDialect())
        assert refused.value.close_code == code
        assert said in str(refused.value)
        assert await theirs.receive() == render(SessionError(reason=str(refused.value)))

    trio.run(connect, clock=MockClock(autojump_threshold=0))
