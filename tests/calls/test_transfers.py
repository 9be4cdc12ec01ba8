"""Whoever is put through has heard that they will be, is put through once, and hears of it when it fails."""

import pytest
import trio

from opusagent.call.call import Limits
from opusagent.call.errands import NOT_BESIDE, PUT_THROUGH
from opusagent.call.policy import Doubt, KeyAction, Policy, TransferTo, TurnPolicy
from opusagent.call.reasons import EndReason
from opusagent.call.tool_calls import ToolCall
from opusagent.realtime.events import ConversationItemCreate, Item, ResponseCreate
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.testing.play_audiocodes import AudioCodesStage, play_audiocodes
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, call_more_tools, call_tools, function_call, profile, taking

TRANSFER = function_call("call-1", "transfer_call", '{"target": "desk"}')
END = function_call("call-2", "end_call")
DONE = '{"ok": true}'
REFUSED = '{"error":"the number is engaged"}'
NOT_NOW = '{"error": "the caller has begun to speak, and the call goes on"}'


def outputs(model: ScriptedModel) -> list[tuple[str | None, str | None]]:
    """What the model was told of its calls, in order."""
    return [(each.item.call_id, each.item.output) for each in model.said(ConversationItemCreate)]


def test_the_words_before_a_transfer_are_heard_to_their_end() -> None:
    """In one breath: `I will put you through`, and the transfer, which ends the line."""
    stages: list[Stage] = []
    heard: list[int] = []

    async def transfer(call: ToolCall) -> str:
        del call
        heard.append(stages[0].caller.heard_bytes)
        await stages[0].caller.hang_up()
        return '{"ok": true}'

    async def script(stage: Stage) -> None:
        stages.append(stage)
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 2, response_id="response-1")
        await call_more_tools(model, "response-1", function_call("call-1", "transfer_call", '{"target": "desk"}'))
        await model.finish("item-1", response_id="response-1")
        await stage.caller.until_ended()

    play(script, profile=profile(Policy(), ScriptedHands({"transfer_call": transfer})))
    assert heard == [2 * 8000]


@pytest.mark.parametrize(
    ("seconds", "output", "stays", "told"),
    [
        (0.0, DONE, 1.0, "stop; the caller had been put through"),
        (0.0, DONE, 10.0, "stop"),
        (0.0, REFUSED, 1.0, "stop"),
        (5.0, DONE, 1.0, "stop; a transfer or keys for the other side were under way"),
    ],
)
def test_a_stream_that_ends_after_a_transfer_is_told_as_such(
    seconds: float, output: str, stays: float, told: str
) -> None:
    """Twilio says `stop` for both. Who is still here long after was not put through."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", TRANSFER)
        await trio.sleep(stays)
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(), ScriptedHands({"transfer_call": taking(seconds, output)})))
    assert (report.end, report.end_detail) == (EndReason.CALLER_HUNG_UP, told)


def test_a_transfer_without_words_does_not_wait() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await call_tools(model, "response-1", TRANSFER)
        await model.expect(ConversationItemCreate)
        assert trio.current_time() - began < 0.1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"transfer_call": taking(0, "{}")})))


def test_words_that_take_too_long_are_not_waited_for() -> None:
    """A minute of them: the caller is put through when a goodbye would have been given up."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        began = trio.current_time()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 60, response_id="response-1")
        await call_more_tools(model, "response-1", TRANSFER)
        await model.finish("item-1", response_id="response-1")
        await model.expect(ConversationItemCreate)
        assert 3.0 <= trio.current_time() - began < 3.1
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(goodbye_seconds=3.0), ScriptedHands({"transfer_call": taking(0, "{}")})))


def test_a_transfer_behind_an_earlier_answer_waits_for_its_own_words() -> None:
    """Twenty seconds of the answer before lie in front of `I will put you through`."""
    heard: list[int] = []

    async def script(stage: Stage) -> None:
        async def transfer(call: ToolCall) -> str:
            del call
            heard.append(stage.caller.heard_bytes)
            await stage.caller.hang_up()
            return DONE

        hands.tools = {"transfer_call": transfer}
        model = await stage.answered()
        await model.say("item-1", SECOND * 20, response_id="response-1")
        await model.begin("item-2", response_id="response-2")
        await model.delta("item-2", SECOND * 3, response_id="response-2")
        await call_more_tools(model, "response-2", TRANSFER)
        await model.finish("item-2", response_id="response-2")
        await stage.caller.until_ended()

    hands = ScriptedHands()
    play(script, profile=profile(Policy(), hands))
    assert heard == [23 * 8000]


def test_a_caller_who_speaks_before_the_transfer_is_heard_first() -> None:
    """While the model still decides on it, and while the words before it are being heard."""
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for number, is_late in enumerate((False, True)):
            response, item = f"response-{number}", f"item-{number}"
            call = function_call(f"call-{number}", "transfer_call")
            await model.begin(item, response_id=response)
            await model.delta(item, SECOND * 3, response_id=response)
            if is_late:
                await call_more_tools(model, response, call)
            await stage.caller.hear(Ms(500))
            await model.speech_started()
            if not is_late:
                await call_more_tools(model, response, call)
            assert (await model.expect(ConversationItemCreate)).item.output == NOT_NOW
            await model.response_done(response, status="cancelled")
            await model.speech_stopped()
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert hands.ran == []


def test_a_noise_before_the_transfer_is_no_objection() -> None:
    """The caller coughs while they are told; the words go on, and then they are put through."""
    hands = ScriptedHands({"transfer_call": taking(0, DONE)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND * 3, response_id="response-1")
        await call_more_tools(model, "response-1", TRANSFER)
        await model.finish("item-1", response_id="response-1")
        await stage.caller.hear(Ms(1000))
        await model.speech_started()
        await trio.sleep(0.3)
        await model.speech_stopped()
        assert hands.ran == []
        await trio.sleep(3)
        assert outputs(model) == [("call-1", DONE)]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(turns=TurnPolicy(doubt=Doubt.RESUME)), hands))
    assert len(hands.ran) == 1


def test_two_transfers_in_one_breath_ring_one_telephone() -> None:
    hands = ScriptedHands({"transfer_call": taking(1, DONE)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", TRANSFER, function_call("call-2", "transfer_call"))
        await trio.sleep(2)
        assert outputs(model) == [("call-1", DONE), ("call-2", PUT_THROUGH)]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))
    assert [each.call_id for each in hands.ran] == ["call-1"]


def test_the_second_of_two_transfers_is_tried_when_the_first_was_refused() -> None:
    """One after the other, in the order of the model's."""
    hands = ScriptedHands({"transfer_call": taking(1, REFUSED)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", TRANSFER, function_call("call-2", "transfer_call"))
        await trio.sleep(1.5)
        assert outputs(model) == [("call-1", REFUSED)]
        await trio.sleep(1)
        assert outputs(model) == [("call-1", REFUSED), ("call-2", REFUSED)]
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), hands))


@pytest.mark.parametrize("again", [0.3, 7.0])
def test_a_key_that_is_pressed_again_after_the_transfer_was_taken_rings_no_second_telephone(again: float) -> None:
    """VoiceAI Connect takes the activity at once, and the line goes a little later."""
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.caller.press("0")
        await trio.sleep(again)
        await stage.caller.press("0")
        await trio.sleep(0.1)
        assert hands.transfers == ["desk"]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(keys={"0": TransferTo("desk")}), hands))


@pytest.mark.parametrize("is_key_first", [True, False])
def test_a_key_and_a_tool_that_transfer_ring_one_telephone(is_key_first: bool) -> None:  # noqa: FBT001 - a case
    """Whoever comes second is told so, or nothing."""
    hands = ScriptedHands({"transfer_call": taking(1, DONE)}, transfer_seconds=1)

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        if is_key_first:
            await stage.caller.press("0")
        await call_tools(model, "response-1", TRANSFER)
        if not is_key_first:
            await stage.caller.press("0")
        await trio.sleep(3)
        assert outputs(model) == [("call-1", PUT_THROUGH if is_key_first else DONE)]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(keys={"0": TransferTo("desk")}), hands))
    assert len(hands.ran) + len(hands.transfers) == 1


@pytest.mark.parametrize("calls", [(TRANSFER, END), (END, TRANSFER)])
def test_a_transfer_that_is_refused_beside_an_end_has_the_call_go_on(calls: tuple[Item, Item]) -> None:
    """In either order: the model is told, and tells the caller."""
    hands = ScriptedHands({"transfer_call": taking(1, REFUSED)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", *calls)
        await model.expect(ResponseCreate)
        assert set(outputs(model)) == {("call-1", REFUSED), ("call-2", DONE if calls[0] is END else NOT_BESIDE)}
        await model.say("item-1", SECOND, response_id="response-2")
        await trio.sleep(30)
        await stage.caller.hang_up()

    assert play(script, profile=profile(Policy(), hands)).end is EndReason.CALLER_HUNG_UP


@pytest.mark.parametrize("calls", [(TRANSFER, END), (END, TRANSFER)])
def test_a_transfer_that_works_beside_an_end_is_not_hung_up(calls: tuple[Item, Item]) -> None:
    """The platform ends our side of the call; ended by us, it would take the caller's new conversation with it."""
    hands = ScriptedHands({"transfer_call": taking(0, DONE)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", *calls)
        await model.expect(ResponseCreate)
        await model.say("item-1", SECOND, response_id="response-2")
        await trio.sleep(5)
        await stage.caller.hang_up()

    assert play(script, profile=profile(Policy(), hands)).end is EndReason.CALLER_HUNG_UP


def test_a_caller_who_wants_to_end_is_not_kept_by_a_model_that_changes_its_mind() -> None:
    """The key was pressed before the model thought better of its goodbye."""
    hands = ScriptedHands({"transfer_call": taking(0, REFUSED)})

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await call_more_tools(model, "response-1", END)
        await stage.caller.press("9")
        await trio.sleep(0.1)
        await call_more_tools(model, "response-1", TRANSFER)
        await model.finish("item-1", response_id="response-1")
        await model.expect(ResponseCreate)
        await model.say("item-2", SECOND, response_id="response-2")
        await stage.caller.until_ended()

    report = play(script, profile=profile(Policy(keys={"9": KeyAction.HANG_UP}), hands))
    assert (report.end, report.end_detail) == (EndReason.AGENT_DONE, "")


@pytest.mark.parametrize("gap", [2, 30])
def test_a_transfer_waits_for_a_platform_that_is_away(gap: int) -> None:
    """What is said to a broken line is said to nobody, and the model would be told that it was done."""
    at: list[float] = []

    async def transfer(call: ToolCall) -> str:
        del call
        await trio.lowlevel.checkpoint()
        at.append(trio.current_time())
        return DONE

    async def script(stage: AudioCodesStage) -> None:
        model = await stage.answered()
        await stage.caller.silence(Ms(100))
        await stage.caller.break_line(stage.platform.vanish)
        await call_tools(model, "response-1", TRANSFER)
        await trio.sleep(gap)
        back = trio.current_time()
        assert at == []
        await stage.reconnect()
        await model.expect(ConversationItemCreate)
        assert at[0] >= back
        await stage.caller.hang_up()

    limits = Limits(resume_seconds=60)
    hands = ScriptedHands({"transfer_call": transfer})
    play_audiocodes(script, profile=profile(Policy(), hands), limits=limits)
    assert len(at) == 1


def test_keys_are_sent_in_the_order_in_which_the_model_wants_them() -> None:
    """The first takes longer than the second, and is not overtaken."""

    async def send(call: ToolCall) -> str:
        await trio.sleep(1 if call.call_id == "call-1" else 0)
        sent.append(call.call_id)
        return DONE

    sent: list[str] = []

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await call_tools(model, "response-1", *(function_call(f"call-{n}", "send_digits") for n in (1, 2, 3)))
        await trio.sleep(2)
        assert sent == ["call-1", "call-2", "call-3"]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(), ScriptedHands({"send_digits": send})))
