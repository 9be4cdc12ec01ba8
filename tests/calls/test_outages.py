"""The service is down, as other calls know: what becomes of the calls that come meanwhile."""

import attrs
import pytest
import trio

from opusagent.audio.media import PCM16_24K
from opusagent.call.breaker import OPEN_SECONDS, TRIPS, Breaker
from opusagent.call.call import Limits
from opusagent.call.clips import built_in
from opusagent.call.ending import Ending
from opusagent.call.model_leg import JITTER
from opusagent.call.policy import Patience, Policy
from opusagent.call.reasons import EndReason
from opusagent.errors import PeerRefused
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.testing.memory import MemorySocket
from opusagent.testing.play import CALL, Stage, Theatre
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import CallId, LoopTime, Ms
from tests.calls.acts import ScriptedHands, profile

BEGINNING = LoopTime(0.0)
"""When calls begin: the virtual clock's zero."""

SOUNDING = Policy(clips=built_in(PCM16_24K))


def opened() -> Breaker:
    """The breaker of an outage in which others have just failed."""
    breaker = Breaker()
    for _ in range(TRIPS):
        breaker.on_failure(BEGINNING)
    return breaker


@attrs.define(eq=False)
class Outage(Stage):
    """A service whose door answers with `status`, if it has one; and when it was knocked at."""

    status: int | None = attrs.field(default=None, init=False)
    tries: list[float] = attrs.field(factory=list[float], init=False)

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """As the door says."""
        self.tries.append(trio.current_time())
        if self.status is None:
            return await super().dial(plumbing)
        await trio.lowlevel.checkpoint()
        raise PeerRefused(f"the service answered {self.status}", status=self.status)


def outage(breaker: Breaker, policy: Policy = SOUNDING, hands: ScriptedHands | None = None) -> Theatre[Outage]:
    """A call by Twilio that comes in one."""

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> Outage:
        return Outage(ScriptedTwilioCaller(platform), platform, Ending(), scenery)

    held = profile(policy) if hands is None else profile(policy, hands)
    return Theatre(cast, TwilioDialect, held, Limits(call_seconds=60), breaker=lambda: breaker)


def test_a_new_call_waits_for_its_turn_and_is_then_a_call_like_any_other() -> None:
    breaker = opened()

    async def script(stage: Outage) -> None:
        model = await stage.answered()
        assert OPEN_SECONDS <= stage.tries[0] <= OPEN_SECONDS + JITTER + 0.1
        await model.say("item-1", bytes(48_000), response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await stage.caller.hang_up()

    report = outage(breaker).play(script)
    assert (report.end, report.silences, report.model_gaps) == (EndReason.CALLER_HUNG_UP, {}, ())
    assert breaker.is_closed


def test_a_new_call_whose_turn_does_not_come_hears_sounds_and_then_an_apology() -> None:
    """It has as much patience as one that has lost its model, and none of it is for dialling in vain."""
    plays: list[Outage] = []

    async def script(stage: Outage) -> None:
        plays.append(stage)
        stage.status = 503
        await stage.caller.until_ended()

    report = outage(opened()).play(script)
    assert report.end is EndReason.MODEL_UNREACHABLE
    assert "no other session within 12 s" in report.end_detail
    assert report.silences == {"the model's session is being replaced": 2}
    assert report.audio.model_heard == 2 * 600 + 900
    assert report.seconds < 15
    waits = [later - earlier for earlier, later in zip(plays[0].tries, plays[0].tries[1:], strict=False)]
    assert len(waits) >= 3
    assert min(waits) >= OPEN_SECONDS


def test_a_new_call_whose_turn_does_not_come_is_passed_on_if_the_configuration_names_somebody() -> None:
    hands = ScriptedHands()

    async def script(stage: Outage) -> None:
        stage.status = 503
        await stage.caller.until_ended()

    outage(opened(), attrs.evolve(SOUNDING, patience=Patience(fallback="desk")), hands).play(script)
    assert hands.transfers == ["desk"]


def test_a_caller_who_hangs_up_while_their_call_tries_for_all_holds_up_nobody() -> None:
    breaker, over = opened(), list[float]()

    async def script(stage: Outage) -> None:
        await stage.dialled()
        assert breaker.admits_at(CallId("another"), LoopTime(trio.current_time())) > trio.current_time()
        await stage.caller.hang_up()
        await stage.caller.until_ended()
        over.append(trio.current_time())

    outage(breaker).play(script)
    assert breaker.admits_at(CallId("another"), LoopTime(over[0])) == over[0]


@pytest.mark.parametrize("status", [401, 404])
def test_a_service_that_refuses_is_not_down(status: int) -> None:
    """What it refuses, no waiting mends: whoever calls next is told so at once."""
    breaker = opened()

    async def script(stage: Outage) -> None:
        stage.status = status
        await stage.caller.until_ended()

    assert outage(breaker).play(script).end is EndReason.MODEL_REFUSED
    assert breaker.admits_at(CALL, BEGINNING) == BEGINNING
    assert outage(breaker).play(script).seconds < 2
