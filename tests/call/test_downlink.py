"""When the sender to the caller wakes: for what is due earlier than it waits for, and for nothing else."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from opusagent.audio.media import MULAW_8K
from opusagent.call.downlink import Downlink
from opusagent.call.playout import Playout
from opusagent.call.tape import BlankTape
from opusagent.platforms.twilio_dialect import TwilioDialect
from opusagent.testing.twilio_messages import Identity, PlatformMessages
from opusagent.units import ItemId, LoopTime

SECOND = b"\xff" * 8000


def now() -> LoopTime:
    return LoopTime(trio.current_time())


async def test_news_that_changes_nothing_wakes_no_sender(autojump_clock: MockClock) -> None:
    """While the lead is full a further delta of the model's is no reason to wake; a barge-in's answer is."""
    playout = Playout(MULAW_8K, MULAW_8K)
    dialect = TwilioDialect()
    dialect.parse(PlatformMessages(Identity()).start())
    downlink = Downlink(playout, dialect, BlankTape(), lambda _batch: None)
    playout.push(ItemId("a"), 0, SECOND)
    while downlink.take_due(now()):
        pass
    async with trio.open_nursery() as talk:
        awake = trio.Event()

        async def sender() -> None:
            await downlink.wait()
            awake.set()

        talk.start_soon(sender)
        await wait_all_tasks_blocked()
        playout.push(ItemId("a"), 0, SECOND)
        downlink.ring()
        await wait_all_tasks_blocked()
        assert not awake.is_set()
        playout.cut(now())
        playout.push(ItemId("b"), 0, SECOND)
        downlink.ring()
        await wait_all_tasks_blocked()
        assert awake.is_set()
