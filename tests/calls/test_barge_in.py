"""The caller interrupts: what the platform, the model and the report are told."""

import trio

from opusagent.call.moments import Interrupted
from opusagent.platforms.twilio import Clear, OutboundMedia
from opusagent.realtime.events import ConversationItemTruncate
from opusagent.testing.play import Stage, play
from opusagent.units import Ms, Pcm16

TEN_SECONDS = Pcm16(bytes(24_000 * 2 * 10))


def test_the_platform_is_cleared_at_once_and_the_model_told_what_was_heard() -> None:
    """The platform's own account is the truth: the truncation agrees with it to the millisecond or two."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(1234))
        asked = trio.current_time()
        await model.speech_started()
        told = await model.expect(ConversationItemTruncate)
        cleared = next(each.at for each in stage.caller.received if isinstance(each.message, Clear))
        assert cleared - asked < 0.010
        assert told.item_id == "item-1"
        assert abs(told.audio_end_ms - stage.caller.heard_bytes / 8) <= 2
        await stage.caller.hang_up()

    report = play(script)
    assert report.barge_ins == 1


def test_nothing_of_the_interrupted_response_is_sent_afterwards() -> None:
    """Deltas that are still on their way belong to a response that nobody wants to hear."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.begin("item-1", response_id="response-1")
        await model.delta("item-1", TEN_SECONDS[:48_000], response_id="response-1")
        await stage.caller.hear(Ms(300))
        await model.speech_started()
        await model.delta("item-1", TEN_SECONDS[:48_000], response_id="response-1")
        await trio.sleep(3)
        kinds = [type(each.message) for each in stage.caller.received]
        assert OutboundMedia not in kinds[kinds.index(Clear) :]
        await stage.caller.hang_up()

    play(script)


def test_marks_that_a_clear_returns_are_not_heard() -> None:
    """All pending marks come back with the clear; the account of what was heard does not move."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS, response_id="response-1")
        await stage.caller.hear(Ms(500))
        await model.speech_started()
        await trio.sleep(1)
        assert any(mark.by_clear for mark in stage.caller.echoed)
        await stage.caller.hang_up()

    report = play(script)
    assert abs(report.audio.model_heard - 500) <= 2
    assert report.audio.model_pushed == report.audio.model_heard + report.audio.model_discarded


def test_an_item_heard_to_its_end_is_not_truncated() -> None:
    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", TEN_SECONDS[:24_000], response_id="response-1")
        await stage.caller.quiet(Ms(700))
        await model.speech_started()
        await trio.sleep(1)
        assert model.said(ConversationItemTruncate) == []
        assert [each for each in stage.moments if isinstance(each, Interrupted)] == []
        await stage.caller.hang_up()

    play(script)
