"""Telephone keys in a call: told to the model, collected, bound, masked; and a key interrupts as a word does."""

from pathlib import Path

import pytest
import trio

from opusagent.call.digits import DigitRules
from opusagent.call.moments import KeysCame
from opusagent.call.policy import Interrupt, KeyAction, Policy, TransferTo, TurnPolicy
from opusagent.call.report import to_json
from opusagent.platforms.twilio import Clear
from opusagent.realtime.events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    ResponseCancel,
    ResponseCreate,
)
from opusagent.testing.model import ScriptedModel
from opusagent.testing.play import Stage, play
from opusagent.units import Ms
from tests.calls.acts import SECOND, ScriptedHands, confirm, profile

COLLECT = Policy(digits=DigitRules(collect=True, pause_seconds=3.0, most=4))


def told(model: ScriptedModel) -> list[str | None]:
    """The keys, as the model reads them."""
    texts = [each.item.content[0].text for each in model.said(ConversationItemCreate)]
    prefix = "[The caller pressed these telephone keys: "
    return [text and text.removeprefix(prefix).removesuffix("]") for text in texts]


def test_a_key_is_told_to_the_model_which_is_asked_for_an_answer() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("5")
        await model.expect(ConversationItemCreate)
        await model.expect(ResponseCreate)
        assert told(model) == ["5"]
        await stage.caller.hang_up()

    play(script)


def test_a_key_that_comes_while_an_answer_is_asked_for_is_answered_too() -> None:
    """The answer that was asked for first does not see it: it is cancelled when it begins, and another asked for."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("1")
        await model.expect(ResponseCreate)
        await stage.caller.press("2")
        await trio.sleep(0.1)
        await model.begin("item-1", response_id="response-1")
        await model.expect(ResponseCancel)
        for create in model.said(ConversationItemCreate):
            await confirm(model, create.item)
        await model.response_done("response-1", status="cancelled")
        await model.expect(ResponseCreate)
        assert told(model) == ["1", "2"]
        await stage.caller.hang_up()

    play(script)


def test_a_key_ends_the_menu_that_is_being_read() -> None:
    """Its generation is over; what lies in the playout and at the platform is dropped, and the model told."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 10, response_id="response-1")
        await stage.caller.hear(Ms(2000))
        await stage.caller.press("2")
        cut = await model.expect(ConversationItemTruncate)
        assert abs(cut.audio_end_ms - 2000) <= 40
        await model.expect(ResponseCreate)
        assert any(isinstance(each.message, Clear) for each in stage.caller.received)
        await stage.caller.hang_up()

    assert play(script).barge_ins == 1


def test_a_key_cancels_the_response_that_is_being_made() -> None:
    """The service hears no keys. The answer is asked for when the cancelled response is done."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", SECOND, response_id="response-1")
        await stage.caller.hear(Ms(200))
        await stage.caller.press("2")
        assert (await model.expect(ResponseCancel)).response_id == "response-1"
        await trio.sleep(0.5)
        assert model.said(ResponseCreate) == []
        await model.response_done("response-1", status="cancelled", reason="client_cancelled")
        await model.expect(ResponseCreate)
        await stage.caller.hang_up()

    play(script)


def test_a_key_does_not_interrupt_a_model_that_may_not_be_interrupted() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", SECOND * 3, response_id="response-1")
        await stage.caller.hear(Ms(200))
        await stage.caller.press("2")
        await model.expect(ResponseCreate)
        await stage.caller.quiet(Ms(500))
        assert stage.caller.heard_bytes == 3 * 8000
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(turns=TurnPolicy(interrupt=Interrupt.NEVER))))


@pytest.mark.parametrize(
    ("pressed", "sequences"),
    [("12#", ["12"]), ("1234", ["1234"]), ("12345#", ["1234", "5"]), ("#", []), ("12", ["12"])],
)
def test_collected_keys_are_told_when_they_are_complete(pressed: str, sequences: list[str]) -> None:
    """By the terminator, which is not told, by their number, or by a pause of three seconds."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press(pressed)
        await trio.sleep(4)
        assert told(model) == sequences
        await stage.caller.hang_up()

    play(script, profile=profile(COLLECT))


def test_a_pause_is_counted_from_the_last_key() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("1")
        await trio.sleep(2)
        await stage.caller.press("2")
        await trio.sleep(2.9)
        assert told(model) == []
        await trio.sleep(0.2)
        assert told(model) == ["12"]
        await stage.caller.hang_up()

    play(script, profile=profile(COLLECT))


def test_bound_keys_do_what_they_are_bound_to_and_the_model_hears_nothing_of_it() -> None:
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for key in "0*0":
            await stage.caller.press(key)
            await trio.sleep(5)  # a line that is still here then was not passed on
        assert (hands.transfers, told(model)) == (["desk", "desk"], [])
        await stage.caller.hang_up()

    keys: dict[str, KeyAction | TransferTo] = {"0": TransferTo("desk"), "*": KeyAction.IGNORE}
    play(script, profile=profile(Policy(keys=keys), hands))


def test_keys_that_are_pressed_in_one_go_are_answered_in_one() -> None:
    """Each is told at once; a response that began after the first would be cancelled by the second, and paid for."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        for key in "12#":
            await stage.caller.press(key)
            await trio.sleep(0.2)
        assert (told(model), model.said(ResponseCreate)) == (["1", "2", "#"], [])
        await trio.sleep(1)
        assert len(model.said(ResponseCreate)) == 1
        await stage.caller.hang_up()

    play(script)


def test_a_key_that_is_pressed_twice_does_not_have_two_telephones_rung() -> None:
    """The caller is being put through already."""
    hands = ScriptedHands(transfer_seconds=2)

    async def script(stage: Stage) -> None:
        await stage.answered()
        await stage.caller.press("00")
        await trio.sleep(3)
        assert hands.transfers == ["desk"]
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(keys={"0": TransferTo("desk")}), hands))


def test_a_caller_whose_transfer_by_key_failed_is_not_left_in_silence() -> None:
    """The model is told, and asked to say so; the report has it, and the key works again."""
    hands = ScriptedHands(why_no_transfer="nobody is there")

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("0")
        (said,) = (await model.expect(ConversationItemCreate)).item.content
        assert said.text == "[The caller pressed a key to be put through to desk, and that failed: nobody is there]"
        await model.expect(ResponseCreate)
        await stage.caller.press("0")
        await trio.sleep(1)
        assert hands.transfers == ["desk", "desk"]
        await stage.caller.hang_up()

    report = play(script, profile=profile(Policy(keys={"0": TransferTo("desk")}), hands))
    assert "the caller pressed for desk and could not be put through: nobody is there" in [
        each.what for each in report.story
    ]


def test_a_collected_sequence_can_be_bound() -> None:
    hands = ScriptedHands()

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("12#")
        await trio.sleep(1)
        assert (hands.transfers, told(model)) == (["desk"], [])
        await stage.caller.hang_up()

    play(script, profile=profile(Policy(digits=DigitRules(collect=True), keys={"12": TransferTo("desk")}), hands))


def test_masked_keys_are_in_no_moment_and_in_no_file(tmp_path: Path) -> None:
    """The model is told them, because it has to use them."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await stage.caller.press("471147#")
        await trio.sleep(1)
        assert told(model) == ["471147"]
        assert [each.digits for each in stage.moments if isinstance(each, KeysCame)] == ["*"] * 7
        await stage.caller.hang_up()

    policy = Policy(mask_digits=True, digits=DigitRules(collect=True))
    report = play(script, profile=profile(policy), directory=tmp_path)
    kept = [to_json(report), *(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())]
    assert len(kept) > 1
    assert not any(b"471147" in each for each in kept)
