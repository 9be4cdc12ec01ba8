"""The scripted caller behaves as VoiceAI Connect does, and knows what was heard."""

from collections.abc import Sequence
from itertools import cycle, repeat

import attrs
import pytest
import trio
from trio.testing import MockClock

from opusagent.audio.wav import HEADER_BYTES
from opusagent.errors import PeerGone
from opusagent.platforms.audiocodes import (
    Activities,
    Activity,
    BridgeMessage,
    PlatformMessage,
    PlayStreamChunk,
    PlayStreamStart,
    PlayStreamStop,
    SessionAccepted,
    SessionEnd,
    SessionError,
    SessionInitiate,
    SessionResume,
    UserStreamChunk,
    UserStreamSpeechStarted,
    UserStreamStart,
    UserStreamStarted,
    UserStreamStop,
    UserStreamStopped,
    parse_platform_message,
    render,
)
from opusagent.platforms.dialect import Unknown
from opusagent.testing.audiocodes_caller import Conversation, ScriptedAudioCodesCaller
from opusagent.testing.caller import LineEnded
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.play_queue import Cleared, Heard
from opusagent.units import LoopTime, Ms

ID = Conversation().conversation_id
MULAW = Conversation(formats=("raw/mulaw",))
NAMED = Activity(
    type="event", name="start", parameters={"caller": "+15550100", "callee": "+15550199", "locale": "en-US"}
)


@attrs.define
class Bridge:
    """The other end: answers what must be answered, keeps what the platform says, and says what a test wants."""

    socket: MemorySocket
    format: str = "raw/mulaw"
    said: list[tuple[float, PlatformMessage | Unknown]] = attrs.field(
        factory=list[tuple[float, PlatformMessage | Unknown]], init=False
    )
    end: PeerGone | None = attrs.field(default=None, init=False)

    async def serve(self) -> None:
        """Take the call and every user stream, until the platform is gone or says the end."""
        with pytest.raises(PeerGone) as ended:
            await self._serve_for_ever()
        self.end = ended.value

    async def _serve_for_ever(self) -> None:
        while True:
            message = parse_platform_message(await self.socket.receive())
            self.said.append((round(trio.current_time(), 6), message))
            match message:
                case SessionInitiate() | SessionResume():
                    await self.say(SessionAccepted(mediaFormat=self.format))
                case UserStreamStart():
                    await self.say(UserStreamStarted())
                case UserStreamStop():
                    await self.say(UserStreamStopped())
                case SessionEnd():
                    await self.socket.close(1000)
                case _:
                    pass

    async def say(self, *messages: BridgeMessage) -> None:
        await self.socket.send(*map(render, messages))

    async def play(self, stream: str, audio: bytes) -> None:
        """One whole stream, in one burst."""
        await self.say(
            PlayStreamStart(streamId=stream, mediaFormat=self.format),
            PlayStreamChunk(streamId=stream, audioChunk=audio),
            PlayStreamStop(streamId=stream),
        )

    @property
    def sound(self) -> list[tuple[float, bytes]]:
        """The caller's chunks with their times."""
        return [(at, each.audioChunk) for at, each in self.said if isinstance(each, UserStreamChunk)]

    @property
    def words(self) -> Sequence[str]:
        """Everything else, by name."""
        return [
            each.kind if isinstance(each, Unknown) else each.type
            for _, each in self.said
            if not isinstance(each, UserStreamChunk)
        ]


def a_line(
    conversation: Conversation = MULAW, *sizes: int, late: float = 0.0
) -> tuple[ScriptedAudioCodesCaller, Bridge]:
    platform, bridge = memory_pair()
    caller = ScriptedAudioCodesCaller(
        platform, conversation, cuts=cycle(sizes) if sizes else None, arrival_delays=repeat(late)
    )
    return caller, Bridge(bridge, conversation.formats[0])


async def test_a_call_is_announced_spoken_and_ended_as_voiceai_connect_does(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await caller.say(b"a" * 160 + b"b" * 40)
        await caller.press("12#")
        await caller.hang_up("client-disconnected", "bye")
    assert [message for _, message in bridge.said] == [
        SessionInitiate(
            conversationId=ID,
            botName="my-bot",
            caller="+15550100",
            expectAudioMessages=True,
            supportedMediaFormats=("raw/mulaw",),
        ),
        Activities(conversationId=ID, activities=(NAMED,)),
        UserStreamStart(conversationId=ID),
        UserStreamChunk(conversationId=ID, audioChunk=b"a" * 160),
        UserStreamChunk(conversationId=ID, audioChunk=b"b" * 40 + b"\xff" * 120),
        Activities(conversationId=ID, activities=(Activity(type="event", name="DTMF", value="12#"),)),
        SessionEnd(conversationId=ID, reasonCode="client-disconnected", reason="bye"),
    ]
    assert caller.ended == LineEnded(LoopTime(0.04), 1000)
    assert (caller.complaints, caller.breaks) == ([], [])


async def test_the_caller_may_be_named_after_the_user_stream(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(attrs.evolve(MULAW, names_caller_first=False))
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await caller.say(b"a" * 160)
    assert bridge.words == ["session.initiate", "userStream.start", "activities"]


async def test_nothing_is_said_before_the_acceptance_and_no_sound_before_the_answer(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line():
        await trio.sleep(1)
        assert isinstance(parse_platform_message(await bridge.socket.receive()), SessionInitiate)
        await bridge.say(SessionAccepted(mediaFormat="raw/mulaw"))
        await trio.sleep(1)
        assert isinstance(parse_platform_message(await bridge.socket.receive()), Activities)
        assert isinstance(parse_platform_message(await bridge.socket.receive()), UserStreamStart)
        with trio.move_on_after(5) as silence:
            await bridge.socket.receive()
        assert silence.cancelled_caught


async def test_a_minute_of_chunks_does_not_drift_whatever_their_size(autojump_clock: MockClock) -> None:
    """The n-th byte leaves at its own time."""
    for sizes in ((), (7, 1001, 160)):
        caller, bridge = a_line(MULAW, *sizes)
        begun = trio.current_time()
        async with trio.open_nursery() as parts, caller.on_the_line():
            parts.start_soon(bridge.serve)
            await trio.sleep(60.001)
        sent = 0
        for at, chunk in bridge.sound:
            sent += len(chunk)
            assert at - begun == pytest.approx(sent / 8000, abs=1e-5)
        assert sent / 8000 > 59.8


async def test_a_stream_with_headers_begins_with_one_each_time(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(Conversation(formats=("wav/lpcm16",)), 641)
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await caller.say(b"ab" * 1000)
        await caller.pause()
        await caller.go_on()
        await caller.say(b"cd" * 1000)
    chunks = [chunk for _, chunk in bridge.sound]
    headed = [number for number, chunk in enumerate(chunks) if chunk.startswith(b"RIFF")]
    assert len(headed) == 2
    second = b"".join(chunks[headed[1] :])[HEADER_BYTES:]
    assert second.startswith(b"cd") or second[:2] == b"\0\0"
    assert len(chunks[0]) == HEADER_BYTES + 641


async def test_play_streams_are_heard_in_real_time_and_to_their_end(autojump_clock: MockClock) -> None:
    """Their stop is no stop of what was sent."""
    caller, bridge = a_line(late=0.1)
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await trio.sleep(1)
        await bridge.play("1", b"a" * 800)
        await trio.sleep(0.15)
        assert caller.heard == (Heard(LoopTime(1.1), b"a" * 400),)
        assert caller.queued == Ms(50)
        await caller.hear(Ms(50))
        assert trio.current_time() == pytest.approx(1.2)


async def test_a_platform_that_barges_in_drops_what_it_has_when_it_is_told_of_speech(autojump_clock: MockClock) -> None:
    for barges_in, heard in ((True, 400), (False, 800)):
        caller, bridge = a_line(attrs.evolve(MULAW, barges_in=barges_in))
        async with trio.open_nursery() as parts, caller.on_the_line():
            parts.start_soon(bridge.serve)
            await caller.silence(Ms(20))
            await bridge.play("1", b"a" * 800)
            await trio.sleep(0.05)
            await bridge.say(UserStreamSpeechStarted())
            await trio.sleep(1)
            assert caller.heard_bytes == heard
            assert len(caller.speech) == 1


async def test_without_barge_in_the_user_stream_stops_while_anything_is_played(autojump_clock: MockClock) -> None:
    """From the start of a play stream until it is closed and has been heard."""
    caller, bridge = a_line(attrs.evolve(MULAW, barges_in=False))
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await trio.sleep(1.001)
        await bridge.say(PlayStreamStart(streamId="1", mediaFormat="raw/mulaw"))
        await trio.sleep(1)
        await bridge.say(PlayStreamChunk(streamId="1", audioChunk=b"a" * 8000), PlayStreamStop(streamId="1"))
        await trio.sleep(1.1)
    times = [(at, type(each)) for at, each in bridge.said if isinstance(each, UserStreamStart | UserStreamStop)]
    assert times == [(0.0, UserStreamStart), (1.001, UserStreamStop), (3.001, UserStreamStart)]
    assert not any(1.001 < at < 3.001 for at, _ in bridge.sound)


async def test_a_lost_socket_is_not_the_end_and_words_wait_for_the_next_one(autojump_clock: MockClock) -> None:
    """What the platform had not played yet is never heard."""
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await trio.sleep(1)
        await bridge.play("1", b"a" * 8000)
        await trio.sleep(0.5)
        await caller.break_line(bridge.socket.vanish)
        parts.start_soon(caller.say, b"b" * 160)
        await trio.sleep(3)
        platform, other = memory_pair()
        again = Bridge(other)
        parts.start_soon(again.serve)
        await caller.resume(platform)
        await trio.sleep(0.1)
        assert (caller.heard_bytes, caller.cleared) == (4000, (Cleared(LoopTime(1.5), b"a" * 4000),))
        await caller.hang_up()
    assert caller.breaks == [LineEnded(LoopTime(1.5), 1006)]
    assert again.words == ["session.resume", "userStream.start", "session.end"]
    assert [chunk for _, chunk in again.sound if chunk[:1] == b"b"] == [b"b" * 160]
    assert caller.complaints == []


async def test_a_platform_may_come_back_while_its_old_socket_is_still_there(autojump_clock: MockClock) -> None:
    """It leaves that one alone: the bridge closes it, or finds out that nobody is there."""
    caller, bridge = a_line()
    platform, other = memory_pair()
    again = Bridge(other)
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        parts.start_soon(again.serve)
        await trio.sleep(1)
        await caller.resume(platform)
        assert bridge.end is None
        before = len(bridge.said)
        await trio.sleep(1)
        assert len(bridge.said) == before
        await bridge.socket.close(1001)
        await caller.hang_up()
    assert again.words[-1] == "session.end"


async def test_a_platform_gives_up_a_call_that_it_cannot_come_back_to(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line(), trio.open_nursery() as parts:
        parts.start_soon(bridge.serve)
        await trio.sleep(1)
        bridge.socket.vanish()
        assert await caller.until_ended() == LineEnded(LoopTime(61.0), 1006)
        with pytest.raises(PeerGone):
            await caller.hear(Ms(1))


async def test_whoever_hangs_up_without_a_line_tells_nobody(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line(), trio.open_nursery() as parts:
        parts.start_soon(bridge.serve)
        await trio.sleep(1)
        await caller.break_line(bridge.socket.vanish)
        await caller.hang_up()
    assert caller.ended == LineEnded(LoopTime(1.0), 1000)


@pytest.mark.parametrize(("name", "code"), [("hangup", "bot-disconnected"), ("Transfer", "transferred")])
async def test_a_goodbye_of_the_bridge_is_answered_by_the_end(autojump_clock: MockClock, name: str, code: str) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line(), trio.open_nursery() as parts:
        parts.start_soon(bridge.serve)
        await trio.sleep(1)
        await bridge.say(Activities(activities=(Activity(type="event", name=name),)))
        assert await caller.until_ended() == LineEnded(LoopTime(1.0), 1000)
    assert bridge.said[-1][1] == SessionEnd(conversationId=ID, reasonCode=code)


async def test_a_bridge_that_does_not_close_behind_the_end_is_closed(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line():
        await caller.hang_up()
        assert trio.current_time() == 2.0
        assert bridge.said == []


async def test_a_refused_call_ends_at_once(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line():
        await trio.sleep(0.5)
        await bridge.say(SessionError(reason="full"))
        assert await caller.until_ended() == LineEnded(LoopTime(0.5), 1000)
        with pytest.raises(PeerGone):
            await caller.accepted()


async def test_a_bridge_that_breaks_the_rules_is_noticed(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(Conversation(formats=("wav/mulaw",)))
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.serve)
        await trio.sleep(0.5)
        await bridge.say(PlayStreamChunk(streamId="7", audioChunk=b"a"))
        await bridge.play("1", b"no header")
        await bridge.socket.send("{", '{"type":"session.resumed"}')
        await trio.sleep(0.5)
        assert caller.heard_bytes == 0
    assert caller.complaints[0] == "playStream.chunk: stream 7 is not open"
    assert caller.complaints[1] == "playStream.chunk: a WAV stream begins with a header"
    assert caller.complaints[3] == "session.resumed: the platform knows no such message"
    assert len(caller.complaints) == 4


async def test_a_bridge_that_stalls_is_a_lost_line_with_a_complaint(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line():
        bridge.socket.stall()
        ended = await caller.until_ended()
    assert (ended.code, len(caller.breaks), len(caller.complaints)) == (1006, 1, 1)
