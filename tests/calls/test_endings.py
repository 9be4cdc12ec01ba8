"""Every way in which a call ends: the reason, the close code that the platform sees, and nothing left behind."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from opusagent.call.call import Limits
from opusagent.call.caller import answer
from opusagent.call.ending import Ending
from opusagent.call.reasons import EndReason
from opusagent.errors import PeerStalled, RemoteProtocolError
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import ErrorDetail, ErrorEvent
from opusagent.testing.memory import MemorySocket, memory_pair
from opusagent.testing.play import Stage, Theatre, play
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms

Act = Callable[[Stage], Awaitable[None]]


async def hangs_up(stage: Stage) -> None:
    await stage.answered()
    await stage.caller.silence(Ms(100))
    await stage.caller.hang_up()


async def vanishes(stage: Stage) -> None:
    await stage.answered()
    stage.platform.vanish()


async def closes_without_a_stop(stage: Stage) -> None:
    await stage.answered()
    await stage.caller.silence(Ms(100))


async def model_leaves(stage: Stage) -> None:
    model = await stage.answered()
    await model.hang_up(1001)
    assert (await stage.caller.until_ended()).code == 1011


async def model_vanishes(stage: Stage) -> None:
    await stage.answered()
    stage.legs[0].vanish()
    assert (await stage.caller.until_ended()).code == 1011


async def model_says_it_will_never_work(stage: Stage) -> None:
    model = await stage.answered()
    await model.send(ErrorEvent(error=ErrorDetail(code="insufficient_quota", message="no money")))
    assert (await stage.caller.until_ended()).code == 1011


async def model_talks_garbage(stage: Stage) -> None:
    model = await stage.answered()
    for _ in range(20):
        await model.send_text("{")
    assert (await stage.caller.until_ended()).code == 1011


async def model_never_opens(stage: Stage) -> None:
    await stage.dialled()
    assert (await stage.caller.until_ended()).code == 1011


async def daemon_stops(stage: Stage) -> None:
    await stage.answered()
    stage.ending.shut_down()
    assert (await stage.caller.until_ended()).code == 1001


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (hangs_up, EndReason.CALLER_HUNG_UP),
        (closes_without_a_stop, EndReason.CALLER_CLOSED),
        (vanishes, EndReason.CALLER_LOST),
        (model_leaves, EndReason.MODEL_LEFT),
        (model_vanishes, EndReason.MODEL_LOST),
        (model_says_it_will_never_work, EndReason.MODEL_REFUSED),
        (model_talks_garbage, EndReason.MODEL_BROKE_PROTOCOL),
        (model_never_opens, EndReason.MODEL_NOT_READY),
        (daemon_stops, EndReason.SHUTTING_DOWN),
    ],
)
def test_a_call_ends_for_a_reason(act: Act, reason: EndReason) -> None:
    """The reason is in the report, and the platform reads a code that says whose doing it was."""
    assert play(act).end is reason


def test_a_call_is_no_longer_than_its_limit() -> None:
    async def script(stage: Stage) -> None:
        await stage.answered()
        assert (await stage.caller.until_ended()).code == 1000

    report = play(script, limits=Limits(call_seconds=60))
    assert report.end is EndReason.TOO_LONG
    assert 60 <= report.seconds < 61


def test_garbage_from_a_model_is_passed_over_while_it_is_rare() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.send_text('{"type": "response.dance"}')
        await model.send_text("not json")
        await trio.sleep(1)
        await stage.caller.hang_up()

    report = play(script)
    assert (report.end, report.unreadable_messages) == (EndReason.CALLER_HUNG_UP, 1)
    assert report.unknown_messages == {"model response.dance": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("garbage", 1007),
        ('{"event": 5}', 1002),
        ('{"event": "media", "streamSid": "MZother", "media": {"payload": ""}}', 1008),
    ],
)
def test_a_platform_that_breaks_the_protocol_reads_which_rule(text: str, code: int) -> None:
    """Its call ends, with the code of the rule."""

    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.platform.send(text)
        assert (await stage.caller.until_ended()).code == code

    assert play(script).end is EndReason.CALLER_BROKE_PROTOCOL


def test_no_silence_is_spent_on_last_words_that_no_model_is_there_to_hear() -> None:
    """The session is lost, the next one is not configured yet, and the platform breaks the protocol."""

    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.caller.silence(Ms(100))
        stage.legs[0].vanish()
        await stage.another()
        broken = trio.current_time()
        await stage.platform.send("garbage")
        ended = await stage.caller.until_ended()
        assert ended.at - broken < 0.1

    assert play(script).end is EndReason.CALLER_BROKE_PROTOCOL


def test_a_platform_that_never_says_start_is_given_up_after_ten_seconds() -> None:
    async def connect_and_wait() -> None:
        ours, theirs = memory_pair()
        await theirs.send('{"event": "connected", "protocol": "Call", "version": "1.0.0"}')
        with pytest.raises(RemoteProtocolError) as refused:
            await answer(ours, TwilioDialect())
        assert (refused.value.close_code, trio.current_time()) == (1008, 10.0)

    trio.run(connect_and_wait, clock=MockClock(autojump_threshold=0))


class SilentHouse(Stage):
    """A stage whose model's address takes connections and never opens a WebSocket."""

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """Give up, as a dialler does."""
        del plumbing
        await trio.sleep(5)
        raise PeerStalled("the model did not open a WebSocket within 5 s")


def silent_house(platform: MemorySocket, scenery: trio.Nursery) -> Stage:
    return SilentHouse(ScriptedTwilioCaller(platform), platform, Ending(), scenery)


def test_a_model_that_takes_the_connection_and_says_nothing_was_not_reached() -> None:
    """Whatever goes wrong while dialling, the operator looks for the same thing: the address, the key, the network."""

    async def script(stage: Stage) -> None:
        assert (await stage.caller.until_ended()).code == 1011

    report = Theatre(silent_house, TwilioDialect).play(script)
    assert report.end is EndReason.MODEL_UNREACHABLE
    assert report.end_detail.startswith("the model did not open a WebSocket within 5 s")
