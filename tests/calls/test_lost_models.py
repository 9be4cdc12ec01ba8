"""The model's session is lost in the middle of a call, in every way there is: the call goes on, or says why not."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from opusagent.audio.media import PCM16_24K
from opusagent.call.call import Limits
from opusagent.call.clips import built_in
from opusagent.call.ending import Ending
from opusagent.call.policy import Patience, Policy, TransferTo
from opusagent.call.reasons import EndReason
from opusagent.call.voice import CUT_OFF
from opusagent.errors import PeerGone, PeerRefused
from opusagent.net.message_socket import MessageSocket
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.realtime.events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    Item,
    RateLimitsUpdated,
    ResponseCreate,
)
from opusagent.testing.memory import MemorySocket
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, Theatre, play
from opusagent.testing.twilio_caller import ScriptedTwilioCaller
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, call_tools, function_call, profile, taking

CLIPS = built_in(PCM16_24K)
MINUTE = Limits(call_seconds=60)
SOUNDING = profile(Policy(clips=CLIPS))


def seeds_of(model: ScriptedModel) -> list[tuple[str, str]]:
    """What a session was told of before: who or what, and the words."""
    return [told_of(event.item) for event in model.said(ConversationItemCreate)]


def told_of(item: Item) -> tuple[str, str]:
    words = "".join(part.text or "" for part in item.content)
    return (item.role or item.type, words or item.output or item.name or "")


async def vanish(stage: Stage) -> None:
    await trio.lowlevel.checkpoint()
    stage.legs[-1].vanish()


async def close(stage: Stage) -> None:
    await stage.models[-1].hang_up(1000)


async def expire(stage: Stage) -> None:
    await stage.models[-1].error("session_expired", "Your session hit the maximum duration of 60 minutes.")


async def babble(stage: Stage) -> None:
    for _ in range(20):
        await stage.models[-1].send_text("{")


async def freeze(stage: Stage) -> None:
    await trio.lowlevel.checkpoint()
    stage.legs[-1].stall()


Loss = Callable[[Stage], Awaitable[None]]


@pytest.mark.parametrize("lose", [vanish, close, expire, babble])
def test_an_answer_that_was_cut_off_goes_on_in_another_session(lose: Loss) -> None:
    """It is told what was heard, asked to go on and not to begin anew, and nobody is greeted twice."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.expect(ResponseCreate)
        await model.say("item_1", SECOND, response_id="response-1", transcript="Good morning.")
        await stage.caller.hear(Ms(1000))
        await model.begin("item_2", response_id="response-2")
        await model.delta("item_2", SECOND, response_id="response-2")
        await trio.sleep(0.3)
        await lose(stage)
        another = await stage.another()
        await another.opening()
        wish = await another.expect(ResponseCreate)
        assert wish.response is not None
        assert CUT_OFF in (wish.response.instructions or "")
        assert seeds_of(another) == [("assistant", "Good morning.")]
        await another.say("item_1", SECOND, response_id="response-1", transcript="Still here.")
        await stage.caller.hear(Ms(1000))
        await stage.caller.quiet(Ms(200))
        await stage.caller.hang_up()

    report = play(script, limits=MINUTE, profile=profile(Policy(greeting="Hello.")))
    assert (report.end, len(report.model_gaps)) == (EndReason.CALLER_HUNG_UP, 1)
    assert report.model_gaps[0] < 0.5
    assert report.audio.model_heard == 3000


def test_a_greeting_that_nobody_heard_is_asked_for_again() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        asked = await model.expect(ResponseCreate)
        await trio.sleep(0.1)
        stage.legs[0].vanish()
        another = await stage.another()
        await another.opening()
        again = await another.expect(ResponseCreate)
        assert asked.response == again.response
        await stage.caller.hang_up()

    play(script, limits=MINUTE, profile=profile(Policy(greeting="Hello.")))


def test_a_turn_that_was_not_answered_is_heard_by_the_next_session_from_its_beginning() -> None:
    """Every sample since the last answer, once, in order; and the words that belong to it are not told beside it."""
    words = bytes(range(1, 251)) * 64

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        async with trio.open_nursery() as talk:
            talk.start_soon(stage.caller.say, words)
            await trio.sleep(0.5)
            await model.send(InputAudioBufferSpeechStarted(item_id="turn", audio_start_ms=100))
            await trio.sleep(1.2)
            await model.send(InputAudioBufferSpeechStopped(item_id="turn", audio_end_ms=1500))
            await model.send(InputAudioBufferCommitted(item_id="turn"))
            await trio.sleep(0.1)
            stage.legs[0].vanish()
            another = await stage.another()
            await another.opening()
        await trio.sleep(1)
        heard = b"".join(event.audio for event in another.said(InputAudioBufferAppend))
        assert heard[: len(model.audio)] == model.audio
        assert 2900 <= PCM16_24K.ms_of(len(heard)) <= 3000
        assert seeds_of(another) == []
        await another.expect(ResponseCreate)  # the service does not answer it by itself, so it is asked to
        await stage.caller.hang_up()

    play(script, limits=MINUTE)


def test_what_tools_gave_is_known_to_the_next_session() -> None:
    """A call that was answered, one whose result came while nobody was there, and the model goes on with both."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", function_call("call-1", "quick"))
        await model.expect(ResponseCreate)
        await call_tools(model, "response-2", function_call("call-2", "slow"))
        await trio.sleep(0.1)
        stage.legs[0].vanish()
        another = await stage.another()
        await trio.sleep(2)
        await another.opening()
        await another.expect(ResponseCreate)
        quick, slow = [("function_call", "quick"), ("function_call_output", "soon")], [("function_call", "slow")]
        assert seeds_of(another) == [*quick, *slow, ("function_call_output", "late")]
        await stage.caller.hang_up()

    hands = ScriptedHands({"quick": taking(0, "soon"), "slow": taking(1, "late")})
    assert play(script, limits=MINUTE, profile=profile(Policy(), hands)).tool_calls == 2


def test_a_frozen_model_is_noticed_and_the_caller_hears_something_within_four_seconds() -> None:
    """No event, no pong: another session answers, and until it does there is a sound."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.speech_started()
        await model.speech_stopped()
        await trio.sleep(0.1)
        since = trio.current_time()
        await freeze(stage)
        await stage.caller.hear(Ms(100))
        assert trio.current_time() - since <= 4.2
        another = await stage.another()
        await another.opening()
        await another.expect(ResponseCreate)
        await stage.caller.hang_up()

    report = play(script, limits=MINUTE, profile=SOUNDING)
    assert report.silences == {"the model's session is being replaced": 1}
    assert len(report.model_gaps) == 1


def test_a_silence_goes_on_while_the_next_session_hears_what_was_said_before() -> None:
    """The model is away for most of the bound; then the old words are noticed anew, and the answer is slow."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        async with trio.open_nursery() as talk:
            talk.start_soon(stage.caller.say, bytes(range(1, 251)) * 32)
            await trio.sleep(0.5)
            await model.speech_started("turn", at_ms=100)
            await trio.sleep(0.8)
            await model.speech_stopped("turn", at_ms=1000)
            since = trio.current_time()
            stage.legs[0].vanish()
        another = await stage.another()
        await trio.sleep_until(since + 3.5)
        await another.opening()
        await another.speech_started("again", at_ms=100)
        await another.speech_stopped("again", at_ms=1000)
        await stage.caller.hear(Ms(100))
        assert 3.9 <= trio.current_time() - since <= 4.2
        await stage.caller.hang_up()

    report = play(script, limits=MINUTE, profile=SOUNDING)
    assert report.silences == {"the model owes an answer": 1}


class House(Stage):
    """A service whose door answers with `statuses`, one after the other, before it lets anybody in.

    With a 429 it says to come again in five seconds.
    """

    statuses: list[int]

    async def dial(self, plumbing: trio.Nursery) -> MessageSocket:
        """As the door says."""
        if not self.statuses:
            return await super().dial(plumbing)
        await trio.lowlevel.checkpoint()
        status = self.statuses.pop(0)
        retry_after = 5.0 if status == 429 else None
        raise PeerRefused(f"the service answered {status}", status=status, retry_after=retry_after)


def house(*statuses: int) -> Theatre[House]:
    """A caller by Twilio, and that service."""

    def cast(platform: MemorySocket, scenery: trio.Nursery) -> House:
        stage = House(ScriptedTwilioCaller(platform), platform, Ending(), scenery)
        stage.statuses = list(statuses)
        return stage

    return Theatre(cast, TwilioDialect, SOUNDING, MINUTE)


def test_a_door_that_is_busy_is_tried_again() -> None:
    async def script(stage: House) -> None:
        await stage.answered()
        await stage.caller.hang_up()

    report = house(502, 503, 500).play(script)
    assert (report.end, report.model_gaps) == (EndReason.CALLER_HUNG_UP, ())
    assert report.setup_seconds is not None
    assert report.setup_seconds < 4


def test_a_door_that_says_when_to_come_again_is_not_tried_before() -> None:
    """And not at all if that is later than another session is tried for: then the caller hears an apology at once."""

    async def script(stage: House) -> None:
        await stage.answered()
        await stage.caller.hang_up()

    report = house(429).play(script)
    assert report.setup_seconds is not None
    assert 5 <= report.setup_seconds < 5.2

    async def in_vain(stage: House) -> None:
        await stage.caller.until_ended()

    refused = house(429, 429, 429).play(in_vain)
    assert refused.end is EndReason.MODEL_UNREACHABLE
    assert 10 <= refused.seconds < 12


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_door_that_stays_shut_is_not_tried_again_and_the_caller_hears_an_apology(status: int) -> None:
    async def script(stage: House) -> None:
        await stage.caller.hear(Ms(900))
        assert (await stage.caller.until_ended()).code == 1011

    report = house(status).play(script)
    assert (report.end, report.end_detail) == (EndReason.MODEL_REFUSED, f"the service answered {status}")
    assert report.audio.model_heard == 900


def test_a_quota_that_is_used_up_ends_the_call_with_an_apology() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error("insufficient_quota", "no money")
        await stage.caller.hear(Ms(900))
        await stage.caller.until_ended()

    report = play(script, limits=MINUTE, profile=SOUNDING)
    assert (report.end, report.end_detail) == (EndReason.MODEL_REFUSED, "insufficient_quota: no money")


def test_a_model_that_is_away_for_good_is_given_up_after_twelve_seconds_with_sounds_meanwhile() -> None:
    """The reason is why it was lost; the detail, what came of the tries."""

    async def script(stage: House) -> None:
        await stage.answered()
        stage.statuses = [503] * 1000
        stage.legs[0].vanish()
        await stage.caller.until_ended()

    report = house().play(script)
    assert report.end is EndReason.MODEL_LOST
    assert "no other session within 12 s" in report.end_detail
    assert "the last: model could not be reached: the service answered 503" in report.end_detail
    assert report.silences == {"the model's session is being replaced": 2}
    assert report.audio.model_heard == 2 * 600 + 900
    assert report.seconds < 15


def test_a_caller_whom_no_model_serves_is_passed_on_if_the_configuration_names_somebody() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error("insufficient_quota", "no money")
        await trio.sleep(1)
        await stage.caller.hang_up()

    hands = ScriptedHands()
    report = play(
        script, limits=MINUTE, profile=profile(Policy(clips=CLIPS, patience=Patience(fallback="desk")), hands)
    )
    assert hands.transfers == ["desk"]
    assert report.end is EndReason.CALLER_HUNG_UP
    assert report.end_detail == "stop; the caller had been put through"
    passed_on = "the call cannot go on; the caller was to be passed on to desk, and was"
    assert [each.what for each in report.story if "desk" in each.what] == [passed_on]


def test_a_caller_who_cannot_be_passed_on_does_not_wait_for_it() -> None:
    """The call ends when the apology was heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.error("insufficient_quota", "no money")
        await stage.caller.until_ended()

    hands = ScriptedHands(why_no_transfer="nobody is there")
    patience = Patience(fallback="desk")
    report = play(script, limits=MINUTE, profile=profile(Policy(clips=CLIPS, patience=patience), hands))
    assert hands.transfers == ["desk"]
    assert report.end is EndReason.MODEL_REFUSED
    assert report.audio.model_heard == 900
    assert report.seconds < 2
    story = [each.what for each in report.story if "desk" in each.what]
    assert story == ["the call cannot go on; the caller was to be passed on to desk, and could not be: nobody is there"]


@pytest.mark.parametrize(("why_not", "passed_on"), [("", ["desk"]), ("engaged", ["desk", "else"])])
def test_a_caller_who_is_being_put_through_is_passed_on_only_if_that_fails(why_not: str, passed_on: list[str]) -> None:
    """A key was pressed before the model was lost: two telephones never ring at once."""
    hands = ScriptedHands(why_no_transfer=why_not, transfer_seconds=2)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("0")
        await trio.sleep(1)
        await model.error("insufficient_quota", "no money")
        await trio.sleep(0.5)
        assert hands.transfers == ["desk"]
        await trio.sleep(1)
        assert hands.transfers == passed_on
        await stage.caller.until_ended()

    keys = {"0": TransferTo("desk")}
    policy = Policy(clips=CLIPS, patience=Patience(fallback="else"), keys=keys)
    report = play(script, limits=MINUTE, profile=profile(policy, hands))
    assert report.end is EndReason.MODEL_REFUSED
    assert report.seconds < 10


def test_a_silent_answer_is_broken_by_sounds_and_then_given_up() -> None:
    """The service is alive, says this and that, and never answers."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.speech_started()
        await model.speech_stopped()
        with suppress(PeerGone):
            while True:
                await trio.sleep(1)
                await model.send(RateLimitsUpdated(rate_limits=()))

    report = play(script, limits=MINUTE, profile=SOUNDING)
    assert (report.end, report.end_detail) == (EndReason.DEAD_AIR, "the model owes an answer")
    assert report.silences == {"the model owes an answer": 4}


def test_what_a_caller_does_before_the_first_session_is_there_is_not_lost() -> None:
    """A key that is pressed while the model is dialled is told it, and the greeting is asked for all the same."""

    async def script(stage: Stage) -> None:
        model = await stage.dialled()
        await stage.caller.press("5")
        await trio.sleep(1)
        await model.opening()
        wish = await model.expect(ResponseCreate, within=1)
        assert wish.response is not None
        assert "Hello." in (wish.response.instructions or "")
        assert seeds_of(model) == [("user", "[The caller pressed these telephone keys: 5]")]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(greeting="Hello.")))


def test_a_goodbye_that_is_owed_when_the_model_is_lost_is_said_by_the_next() -> None:
    """The wish to end the call was told, its words were not: the call does not end as if they had been heard."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", function_call("call-1", "end_call"))
        await model.expect(ResponseCreate)
        await vanish(stage)
        with trio.fail_after(10):
            another = await stage.another()
        await another.opening()
        await another.expect(ResponseCreate)
        await another.say("item-1", SECOND, response_id="response-2")
        await stage.caller.until_ended()
        assert stage.caller.heard_bytes == 8000

    report = play(script, limits=MINUTE, profile=profile(Policy()))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")
