"""A session grows old in the middle of a call: a spare relieves it at a turn boundary, whatever happens just then."""

import attrs
import pytest
import trio

from opusagent.audio.media import MULAW_8K
from opusagent.call.call import Limits
from opusagent.call.digits import DigitRules
from opusagent.call.moments import RolledOver, SpareLost, SpareReady
from opusagent.call.policy import Policy
from opusagent.call.reasons import EndReason
from opusagent.call.rollover import RECHECK, SETTLE, WORDS_SECONDS
from opusagent.errors import PeerGone
from opusagent.realtime.events import (
    ContentPart,
    ConversationItemCreate,
    ConversationItemTruncate,
    Item,
    Response,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    Usage,
)
from opusagent.realtime.responses import OutputTokens
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage
from opusagent.units import Ms
from tests.calls.acts import ScriptedHands, call_tools, confirm, function_call, taking
from tests.calls.growing_old import (
    AGE,
    SECOND,
    UNGREETED,
    ages,
    ask,
    play,
    play_with_voice,
    said_so_far,
    spare,
    turn,
    until_relieved,
    write_down,
)
from tests.calls.old_age import distinct, greeted, heard_by, seeds_of

# -- taking over ------------------------------------------------------------------------------------------------------


def test_an_old_session_is_relieved_by_one_that_knows_everything_and_is_asked_for_nothing() -> None:
    """Same settings, same history, no second greeting; the old one is told goodbye, and every byte is heard once."""
    voice = distinct(14 * 8000)

    async def script(stage: Stage) -> None:
        async with trio.open_nursery() as mouth:
            mouth.start_soon(stage.caller.say, voice)
            first = await stage.dialled()
            update = await first.opening()
            await first.expect(ResponseCreate)
            await first.say("hello", SECOND, response_id="r", transcript="Hello.", media=MULAW_8K)
            await stage.caller.hear(Ms(1000))
            await turn(stage, first, 1)
            second = await stage.another()
            assert await second.opening() == update
            await until_relieved(first)
        assert seeds_of(second) == [("assistant", "Hello."), *said_so_far(1)]
        assert second.said(ResponseCreate) == []
        await turn(stage, second, 2)
        assert heard_by(stage.models)[: len(voice)] == voice
        assert len(second.audio) > 8000
        await stage.caller.hang_up()

    report = play(script, greeted())
    assert ages(report) == [pytest.approx(AGE + RECHECK + SETTLE, abs=0.02)]
    assert (report.model_gaps, report.silences, report.audio.caller_dropped) == ((), {}, 0)
    assert report.audio.model_heard == 3000
    story = [each.what for each in report.story]
    assert "a second session of the model waits to take over" in story
    assert "the second session of the model takes over" in story


def test_what_both_sessions_used_is_one_account() -> None:
    usage = Usage(output_token_details=OutputTokens(text_tokens=10))

    async def respond(model: ScriptedModel, name: str) -> None:
        await model.send(ResponseCreated(response=Response(id=name)))
        await model.send(ResponseDone(response=Response(id=name, status="completed", usage=usage)))

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await respond(first, "one")
        second = await spare(stage)
        await until_relieved(first)
        await respond(second, "one")
        await trio.sleep(0.1)
        await stage.caller.hang_up()

    report = play(script)
    assert report.tokens.text_out == 20
    assert report.dollars == pytest.approx(20 * 24 / 1e6)


def test_a_second_rollover_tells_what_the_first_session_was_told_and_what_the_second_added() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for number in (1, 2, 3):
            await turn(stage, model, number)
            relief = await spare(stage, number + 1)
            await until_relieved(model)
            assert seeds_of(relief) == said_so_far(number)
            model = relief
        await stage.caller.hang_up()

    report = play(script)
    assert len(report.rollovers) == 3
    assert report.words.caller == report.words.model == 3


# -- the boundary -----------------------------------------------------------------------------------------------------


def test_nobody_is_relieved_while_the_model_speaks_or_is_being_heard() -> None:
    """What is told then is what was heard: the caller interrupts, and the spare knows half of the answer."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await trio.sleep(AGE - 1)
        await ask(first, 1)
        await first.say("answer-1", SECOND * 20, response_id="r", transcript="one two three four", media=MULAW_8K)
        second = await spare(stage)
        await stage.caller.hear(Ms(10_000))
        assert first.left is None
        begun = MULAW_8K.ms_of(len(first.audio))
        await first.speech_started("turn-2", at_ms=begun)
        await first.expect(ConversationItemTruncate)
        await first.speech_stopped("turn-2", at_ms=begun)
        await write_down(first, 2)
        await first.say("answer-2", SECOND, response_id="r2", transcript="Answer 2.", media=MULAW_8K)
        await until_relieved(first)
        half = ("assistant", "one two")
        assert seeds_of(second) == [("user", "Question 1."), half, ("user", "Question 2."), ("assistant", "Answer 2.")]
        await stage.caller.hang_up()

    report = play(script)
    assert len(report.rollovers) == 1
    assert report.rollovers[0] > 20


def test_a_word_that_begins_while_the_sound_is_held_belongs_to_the_session_that_noticed_it() -> None:
    """Its sound reaches the first session late, and whole; the change comes after the answer to it."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        second = await spare(stage)
        await trio.sleep(RECHECK + SETTLE / 2)
        held = len(first.audio)
        await trio.sleep(SETTLE / 2 - 0.05)
        assert len(first.audio) == held
        await first.speech_started("turn-1", at_ms=MULAW_8K.ms_of(held))
        await trio.sleep(0.05)
        assert len(first.audio) > held + MULAW_8K.bytes_of(Ms(250))
        await trio.sleep(0.5)
        assert second.audio == b""
        await first.speech_stopped("turn-1", at_ms=MULAW_8K.ms_of(held) + 500)
        await write_down(first, 1)
        await first.say("answer-1", SECOND, response_id="r", transcript="Answer 1.", media=MULAW_8K)
        await until_relieved(first)
        assert seeds_of(second) == said_so_far(1)

    assert len(play_with_voice(script, 16).rollovers) == 1


def test_keys_pressed_at_that_instant_are_answered_by_the_first_and_known_to_the_second() -> None:
    """What the spare was told before, it is not told again."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await turn(stage, first, 1)
        second = await spare(stage)
        await trio.sleep(RECHECK + SETTLE / 2)
        assert seeds_of(second) == said_so_far(1)
        await stage.caller.press("5")
        await first.expect(ConversationItemCreate)
        await first.expect(ResponseCreate)
        await first.say("answer-2", SECOND, response_id="r2", transcript="Five.", media=MULAW_8K)
        await until_relieved(first)
        keys = ("user", "[The caller pressed these telephone keys: 5]")
        assert seeds_of(second) == [*said_so_far(1), keys, ("assistant", "Five.")]
        assert second.said(ResponseCreate) == []
        await stage.caller.hang_up()

    policy = Policy(instructions="Be brief.", digits=DigitRules(collect=False))
    assert len(play(script, attrs.evolve(UNGREETED, policy=policy)).rollovers) == 1


def test_nobody_is_relieved_while_a_tool_is_at_work() -> None:
    """Its result is told to the session that wanted it, and known to the next."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        second = await spare(stage)
        await trio.sleep(RECHECK + SETTLE / 2)
        await call_tools(first, "response-1", function_call("call-1", "slow"))
        await first.expect(ConversationItemCreate)
        await first.expect(ResponseCreate)
        assert first.left is None
        await first.say("answer", SECOND, response_id="response-2", transcript="Done.", media=MULAW_8K)
        await until_relieved(first)
        assert seeds_of(second) == [("function_call", "slow"), ("function_call_output", "late"), ("assistant", "Done.")]
        assert second.said(ResponseCreate) == []
        await stage.caller.hang_up()

    hands = ScriptedHands({"slow": taking(3, "late")})
    profile = attrs.evolve(greeted(hands=hands), policy=UNGREETED.policy)
    assert len(play(script, profile).rollovers) == 1
    assert len(hands.ran) == 1


def test_words_that_are_still_being_written_down_are_waited_for_but_not_for_long() -> None:
    """What the caller said is told in words; of what nobody writes down in time it is told that there was something."""

    async def scene(stage: Stage, *, is_written: bool) -> list[tuple[str, str]]:
        first = await stage.answered()
        await trio.sleep(AGE - 1.6)
        await ask(first, 1, is_written=False)
        await first.say("answer-1", SECOND, response_id="r", transcript="Answer 1.", media=MULAW_8K)
        second = await spare(stage)
        await trio.sleep(1)
        assert first.left is None
        if is_written:
            await write_down(first, 1)
        await until_relieved(first)
        await stage.caller.hang_up()
        return seeds_of(second)

    async def written(stage: Stage) -> None:
        assert await scene(stage, is_written=True) == said_so_far(1)

    async def unwritten(stage: Stage) -> None:
        told = await scene(stage, is_written=False)
        assert told[0] == ("user", "(The caller said something here that was not written down.)")

    (sooner,), (later,) = play(written).rollovers, play(unwritten).rollovers
    assert sooner + 0.5 < later < AGE + WORDS_SECONDS


def test_a_key_in_the_instant_behind_the_change_is_the_second_sessions() -> None:
    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await turn(stage, first, 1)
        second = await spare(stage)
        await until_relieved(first)
        await stage.caller.press("5")
        await second.expect(ResponseCreate)
        await second.say("five", SECOND, response_id="response-1", transcript="Five.", media=MULAW_8K)
        await stage.caller.hear(Ms(1000))
        await turn(stage, second, 2)
        await stage.caller.hang_up()

    report = play(script)
    assert report.audio.model_heard == 3000
    assert report.silences == {}


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, RECHECK + SETTLE / 2, RECHECK + SETTLE + 0.001])
@pytest.mark.parametrize("is_opened", [True, False])
def test_a_caller_who_hangs_up_in_the_middle_of_it_leaves_nobody_behind(after: float, is_opened: bool) -> None:  # noqa: FBT001 - a case
    """Both sessions are closed, and every byte of the caller's was heard."""
    plays: list[Stage] = []

    async def script(stage: Stage) -> None:
        plays.append(stage)
        await stage.answered()
        second = await stage.another()
        if is_opened:
            await second.opening()
        await trio.sleep(after)
        await stage.caller.hang_up()

    report = play(script)
    assert report.end is EndReason.CALLER_HUNG_UP
    assert [isinstance(model.left, PeerGone) for model in plays[0].models] == [True, True]
    assert report.audio.model_appended == report.audio.caller_received
    assert report.seconds < AGE + after + 1


def test_a_call_that_ends_before_its_session_is_old_has_no_spare() -> None:
    async def script(stage: Stage) -> None:
        await stage.answered()
        await trio.sleep(AGE - 1)
        assert len(stage.models) == 1
        await stage.caller.hang_up()

    assert play(script).rollovers == ()


def test_the_default_age_is_ten_minutes_before_the_services_limit() -> None:
    """60 minutes (OpenAI Realtime, session duration)."""
    assert Limits().rollover_seconds == 3000.0


def test_a_spare_is_told_of_and_one_that_is_lost_too() -> None:
    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await (await spare(stage)).hang_up(1011, "busy")
        await spare(stage, 3)
        await until_relieved(first)
        kinds = [type(each) for each in stage.moments if isinstance(each, SpareReady | SpareLost | RolledOver)]
        assert kinds == [SpareReady, SpareLost, SpareReady, RolledOver]
        await stage.caller.hang_up()

    play(script)


def test_items_that_a_session_tells_of_its_seeds_are_those_that_they_stand_for() -> None:
    """The transcript has each line once, however many sessions had it."""

    async def script(stage: Stage) -> None:
        first = await stage.answered()
        await turn(stage, first, 1)
        second = await spare(stage)
        await until_relieved(first)
        for event in second.said(ConversationItemCreate):
            part = ContentPart(type="output_text", text="Answer 1.")
            await confirm(second, Item(type="message", id=event.item.id, role=event.item.role, content=(part,)))
        await turn(stage, second, 2)
        await stage.caller.hang_up()

    report = play(script)
    assert (report.words.caller, report.words.model) == (2, 2)
