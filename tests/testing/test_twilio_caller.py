"""The scripted caller behaves as Twilio does, and knows what was heard."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle, pairwise, repeat

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from opusagent.errors import PeerGone
from opusagent.platforms.dialect import Unknown
from opusagent.platforms.twilio import (
    Clear,
    Connected,
    Dtmf,
    DtmfDetail,
    Mark,
    MarkDetail,
    Media,
    MediaDetail,
    OutboundMark,
    OutboundMedia,
    OutboundPayload,
    PlatformMessage,
    Start,
    StartDetail,
    Stop,
    StopDetail,
    StreamFormat,
    parse_platform_message,
    render,
)
from opusagent.testing.caller import LineEnded
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.play_queue import Cleared, Heard
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.testing.twilio_messages import Identity
from opusagent.testing.twilio_playout import ReachedMark
from opusagent.units import LoopTime, Ms, Mulaw

SID = Identity().stream_sid
PROMPT = repeat(0.0)
SILENCE = b"\xff" * 160


@attrs.define
class Bridge:
    """The other end: keeps what the platform says with its time, and says what a test wants."""

    socket: MemorySocket
    said: list[tuple[float, PlatformMessage | Unknown]] = attrs.field(
        factory=list[tuple[float, PlatformMessage | Unknown]], init=False
    )
    end: PeerGone | None = attrs.field(default=None, init=False)

    async def listen(self) -> None:
        with pytest.raises(PeerGone) as ended:
            await self._listen_for_ever()
        self.end = ended.value

    async def _listen_for_ever(self) -> None:
        while True:
            message = parse_platform_message(await self.socket.receive())
            self.said.append((trio.current_time(), message))

    async def play(self, *frames: bytes) -> None:
        await self.socket.send(
            *(render(OutboundMedia(streamSid=SID, media=OutboundPayload(payload=f))) for f in frames)
        )

    async def mark(self, *names: str) -> None:
        await self.socket.send(*(render(OutboundMark(streamSid=SID, mark=MarkDetail(name=name))) for name in names))

    async def clear(self) -> None:
        await self.socket.send(render(Clear(streamSid=SID)))

    @property
    def audio(self) -> list[tuple[float, bytes]]:
        """The caller's frames with their times."""
        return [(round(at, 6), message.media.payload) for at, message in self.said if isinstance(message, Media)]

    @property
    def marks(self) -> list[tuple[float, str]]:
        """The echoes with their times."""
        return [(round(at, 6), message.mark.name) for at, message in self.said if isinstance(message, Mark)]


def a_line(
    *, arrival_delays: Iterator[float] = PROMPT, echo_delays: Iterator[float] = PROMPT, start_delay: float = 0.0
) -> tuple[ScriptedTwilioCaller, Bridge]:
    """A caller and the bridge at the other end."""
    platform, bridge = memory_pair()
    caller = ScriptedTwilioCaller(
        platform, arrival_delays=arrival_delays, echo_delays=echo_delays, start_delay=start_delay
    )
    return caller, Bridge(bridge)


async def test_a_call_is_announced_spoken_and_ended_as_twilio_does(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    who = Identity()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await caller.say(Mulaw(b"a" * 160 + b"b" * 40))
        await caller.press("5")
        await caller.hang_up()
    stream = StreamFormat(encoding="audio/x-mulaw", sampleRate=8000, channels=1)
    assert [message for _, message in bridge.said] == [
        Connected(protocol="Call", version="1.0.0"),
        Start(
            streamSid=SID,
            sequenceNumber="1",
            start=StartDetail(
                callSid=who.call_sid,
                accountSid=who.account_sid,
                streamSid=SID,
                tracks=("inbound",),
                mediaFormat=stream,
                customParameters={"From": "+15550100", "To": "+15550199", "CallSid": who.call_sid},
            ),
        ),
        Media(
            streamSid=SID,
            sequenceNumber="2",
            media=MediaDetail(payload=b"a" * 160, track="inbound", chunk="1", timestamp="0"),
        ),
        Media(
            streamSid=SID,
            sequenceNumber="3",
            media=MediaDetail(payload=b"b" * 40 + b"\xff" * 120, track="inbound", chunk="2", timestamp="20"),
        ),
        Dtmf(streamSid=SID, sequenceNumber="4", dtmf=DtmfDetail(digit="5", track="inbound_track")),
        Stop(streamSid=SID, sequenceNumber="5", stop=StopDetail(accountSid=who.account_sid, callSid=who.call_sid)),
    ]
    assert bridge.end is not None
    assert bridge.end.code == 1000
    assert caller.ended == LineEnded(LoopTime(0.04), 1000)
    assert caller.complaints == []


async def test_a_frame_leaves_every_20_ms_whether_anybody_talks_or_not(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await caller.silence(Ms(60))
        await caller.say(Mulaw(b"a" * 320))
        await trio.sleep(0.05)
    expected = [SILENCE] * 3 + [b"a" * 160] * 2 + [SILENCE] * 2
    assert bridge.audio == [(round(0.02 * n, 6), frame) for n, frame in enumerate(expected, start=1)]


async def test_a_minute_of_frames_does_not_drift(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(60.01)
    assert len(bridge.audio) == 3000
    assert bridge.audio[-1] == (60.0, SILENCE)


async def test_what_is_said_at_once_is_said_in_order(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        async with trio.open_nursery() as mouths:
            mouths.start_soon(caller.say, Mulaw(b"a" * 320))
            await trio.testing.wait_all_tasks_blocked()
            mouths.start_soon(caller.say, Mulaw(b"b" * 160))
    assert [frame[:1] for _, frame in bridge.audio] == [b"a", b"a", b"b"]


async def test_the_caller_hears_in_real_time_what_came_in_a_burst(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(1)
        await bridge.play(b"a" * 160, b"b" * 160)
        await trio.sleep(0.03)
        assert caller.heard == (Heard(LoopTime(1.0), Mulaw(b"a" * 160)), Heard(LoopTime(1.02), Mulaw(b"b" * 80)))
        assert (caller.heard_bytes, caller.queued) == (240, Ms(10))


async def test_marks_come_back_when_what_was_before_them_has_been_played(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(1.005)
        await bridge.mark("nothing before")
        await bridge.play(*[b"a" * 160] * 10)
        await bridge.mark("first", "second")
        await bridge.play(*[b"a" * 160] * 10)
        await bridge.mark("third")
        await trio.sleep(1)
    assert bridge.marks == [(1.005, "nothing before"), (1.205, "first"), (1.205, "second"), (1.405, "third")]
    assert [mark.name for mark in caller.echoed] == ["nothing before", "first", "second", "third"]


async def test_a_clear_brings_all_marks_back_and_the_truth_knows_what_was_not_heard(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(1)
        await bridge.play(*[b"a" * 160] * 10)
        await bridge.mark("a")
        await bridge.play(b"b" * 160)
        await bridge.mark("b")
        await trio.sleep(0.105)
        await bridge.clear()
        await bridge.play(b"c" * 160)
        await bridge.mark("c")
        await trio.sleep(1)
    assert bridge.marks == [(1.105, "a"), (1.105, "b"), (1.125, "c")]
    assert caller.echoed[0] == ReachedMark("a", LoopTime(1.105), LoopTime(1.105), by_clear=True)
    assert caller.cleared == (Cleared(LoopTime(1.105), Mulaw(b"a" * 760 + b"b" * 160)),)
    assert b"".join(part.audio for part in caller.heard) == b"a" * 840 + b"c" * 160


async def test_delays_move_arrivals_and_echoes_and_keep_their_order(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(arrival_delays=iter([0.1, 0.0, 0.0]), echo_delays=iter([0.05, 0.0]))
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(1)
        await bridge.play(b"a" * 160)
        await bridge.mark("slow", "quick")
        await trio.sleep(1)
        await caller.hang_up()
    assert caller.heard == (Heard(LoopTime(1.1), Mulaw(b"a" * 160)),)
    assert bridge.marks == [(1.17, "slow"), (1.17, "quick")]


async def test_echoes_are_numbered_in_order_with_the_frames_between_them(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(echo_delays=cycle([0.013, 0.0, 0.031]))
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        for number in range(100):
            await trio.sleep(0.01)
            await bridge.play(b"a" * 160)
            await bridge.mark(str(number))
        await trio.sleep(3)
    numbered = [
        int(message.sequenceNumber or 0) for _, message in bridge.said if isinstance(message, Start | Media | Mark)
    ]
    assert numbered == list(range(1, len(numbered) + 1))
    assert [name for _, name in bridge.marks] == [str(number) for number in range(100)]
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(bridge.marks))


async def test_a_bridge_that_breaks_the_protocol_is_noticed(autojump_clock: MockClock) -> None:
    caller, bridge = a_line(start_delay=1)
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(0.5)
        await bridge.clear()
        await trio.sleep(1)
        await bridge.play(b"a" * 159)
        await bridge.socket.send(render(Clear(streamSid="MZother")))
        not_base64 = render(OutboundMedia(streamSid=SID, media=OutboundPayload(payload=b"aaa"))).replace("YWFh", "?")
        await bridge.socket.send('{"event":"dance","streamSid":"x"}', "{", not_base64)
        await trio.sleep(1)
    assert caller.complaints[:4] == [
        "clear: came before start",
        "media: 159 bytes, not 160",
        "clear: for the stream MZother, which is not this one",
        "dance: Twilio knows no such message",
    ]
    assert len(caller.complaints) == 6
    assert [type(received.message) for received in caller.received] == [Clear, OutboundMedia, Clear, Unknown]


async def test_no_more_than_ten_minutes_are_queued(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(0.1)
        for _ in range(121):
            await bridge.play(b"a" * 40_000)
        await trio.sleep(0.001)
        assert caller.queued == Ms(604_999)
        await bridge.play(b"a" * 160)
        await trio.sleep(0.001)
        assert caller.complaints[-1] == "media: discarded, ten minutes are queued (31931)"
        assert caller.queued == Ms(604_998)


async def test_hear_waits_for_so_much_more_sound(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)

        async def answer() -> None:
            await trio.sleep(1)
            await bridge.play(b"a" * 160)
            await trio.sleep(1)
            await bridge.play(b"a" * 160)

        parts.start_soon(answer)
        await caller.hear(Ms(30))
        assert trio.current_time() == pytest.approx(2.01)
        assert caller.heard_bytes == 240


async def test_quiet_waits_until_the_other_side_has_finished(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)

        async def answer() -> None:
            await trio.sleep(0.3)
            await bridge.play(*[b"a" * 160] * 50)
            await trio.sleep(1.2)
            await bridge.play(*[b"a" * 160] * 50)

        parts.start_soon(answer)
        await caller.quiet(Ms(500))
        assert trio.current_time() == pytest.approx(3.0)


async def test_a_bridge_that_hangs_up_ends_the_line_after_what_it_said(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line(), trio.open_nursery() as parts:
        parts.start_soon(bridge.listen)
        await trio.sleep(1)
        await bridge.play(b"a" * 160)
        await bridge.socket.close(1011, "a bug")
        assert await caller.until_ended() == LineEnded(LoopTime(1.0), 1011)
    assert [type(received.message) for received in caller.received] == [OutboundMedia]


async def test_nobody_waits_for_ever_on_a_dead_line(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    outcomes: list[tuple[str, int, float]] = []

    async def attempt(name: str, deed: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(PeerGone) as ended:
            await deed()
        outcomes.append((name, ended.value.code, round(trio.current_time(), 6)))

    async with caller.on_the_line(), trio.open_nursery() as parts:
        parts.start_soon(bridge.listen)
        parts.start_soon(attempt, "say", partial(caller.say, Mulaw(b"a" * 80_000)))
        parts.start_soon(attempt, "hear", partial(caller.hear, Ms(10)))
        parts.start_soon(attempt, "quiet", partial(caller.quiet, Ms(9_000)))
        await trio.sleep(1)
        bridge.socket.vanish()
        await caller.until_ended()
        await attempt("say again", partial(caller.say, Mulaw(b"a" * 160)))
        await attempt("press", partial(caller.press, "1"))
        await caller.hang_up()
    assert {code for _, code, _ in outcomes} == {1006}
    assert {name for name, _, _ in outcomes} == {"say", "hear", "quiet", "say again", "press"}
    assert max(at for _, _, at in outcomes) <= 1.02


async def test_leaving_the_block_without_hanging_up_closes_without_a_stop(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await trio.sleep(1.001)
    assert not any(isinstance(message, Stop) for _, message in bridge.said)
    assert bridge.end is not None
    assert caller.ended == LineEnded(LoopTime(1.001), 1000)


async def test_a_bridge_that_stalls_ends_the_line_with_a_complaint(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with caller.on_the_line():
        bridge.socket.stall()
        ended = await caller.until_ended()
    assert ended.code == 1006
    assert len(caller.complaints) == 1


async def test_what_is_heard_stops_with_the_line(autojump_clock: MockClock) -> None:
    caller, bridge = a_line()
    async with trio.open_nursery() as parts, caller.on_the_line():
        parts.start_soon(bridge.listen)
        await bridge.play(*[b"a" * 160] * 50)
        await trio.sleep(0.5)
        await caller.hang_up()
        await trio.sleep(5)
    assert caller.heard_bytes == 4000
