"""The way of spans to a collector on this machine: what arrives there, and what happens when nothing does."""

from collections import Counter
from collections.abc import Sequence

import attrs
import trio
from structlog.testing import capture_logs

from opusagent.call.reasons import EndReason
from opusagent.call.turns import Turn
from opusagent.daemon.config_tracing import Header, Tracing
from opusagent.daemon.otel import AT_ONCE, export
from opusagent.daemon.spans import Parent, Told
from opusagent.daemon.traces import PATIENCE_SECONDS, QUEUE, Outcome, Traces
from opusagent.secret import Secret
from tests.daemon.collector import Collector, a_collector, found
from tests.reports.filing import STARTED, TURN, report

PARENT = Parent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_sampled=True)
BEGAN = round(STARTED.timestamp()) * 10**9


class Counts:
    """What was counted."""

    def __init__(self) -> None:
        self.calls = Counter[Outcome]()
        self._news = trio.Event()

    def count(self, outcome: Outcome, calls: int) -> None:
        self.calls[outcome] += calls
        news, self._news = self._news, trio.Event()
        news.set()

    async def reach(self, total: int) -> None:
        with trio.fail_after(60):
            await trio.lowlevel.checkpoint()
            while self.calls.total() < total:
                await self._news.wait()


def told(*turns: Turn, end: EndReason = EndReason.CALLER_HUNG_UP, parent: Parent | None = None) -> Told:
    return Told(attrs.evolve(report("abc123", *turns), end=end), "twilio", 2, parent)


async def sent(collector: Collector, *calls: Told, headers: tuple[Header, ...] = ()) -> int:
    settings = Tracing(endpoint=collector.endpoint, headers=headers, service="desk")
    return await trio.to_thread.run_sync(export, settings, calls)


async def test_a_call_arrives_as_one_span_with_its_turns_under_it() -> None:
    async with a_collector() as collector:
        assert await sent(collector, told(TURN, Turn(stopped=7.0)), headers=(Header("x-key", Secret("k1")),)) == 0
    (request,) = collector.requests
    assert (request.method, request.path, request.header("x-key")) == ("POST", "/v1/traces", "k1")
    (message,) = collector.messages()
    resource = found(list(message.resource_spans[0].resource.attributes))
    assert resource["service.name"] == "desk"
    call, first, second = collector.spans()
    assert (call.name, call.start_time_unix_nano, call.end_time_unix_nano) == ("call", BEGAN, BEGAN + 95 * 10**8)
    assert (call.kind, call.parent_span_id, call.status.code) == (call.SPAN_KIND_SERVER, b"", 0)
    assert found(list(call.attributes))["opusagent.call.end"] == "caller_hung_up"
    assert {first.parent_span_id, second.parent_span_id} == {call.span_id}
    assert {first.trace_id, second.trace_id} == {call.trace_id}
    assert [(each.name, each.time_unix_nano - BEGAN) for each in first.events] == [
        ("stopped", 2_000_000_000),
        ("first_delta", 2_300_000_000),
        ("first_sent", 2_302_000_000),
        ("first_heard", 2_322_000_000),
    ]
    assert found(list(first.attributes))["opusagent.turn.waited_ms"] == 322


async def test_a_call_belongs_under_the_span_that_its_upgrade_named_and_fails_as_it_failed() -> None:
    async with a_collector() as collector:
        assert await sent(collector, told(parent=PARENT, end=EndReason.MODEL_UNREACHABLE)) == 0
    call, turn = collector.spans()
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (turn.trace_id, turn.parent_span_id) == (call.trace_id, call.span_id)
    assert (call.status.code, call.status.message) == (call.status.STATUS_CODE_ERROR, "model_unreachable")


async def test_a_call_that_nobody_keeps_is_not_told() -> None:
    async with a_collector() as collector:
        assert await sent(collector, told(parent=attrs.evolve(PARENT, is_sampled=False))) == 0
    assert collector.requests == []


async def test_many_spans_go_in_several_requests() -> None:
    async with a_collector() as collector:
        assert await sent(collector, told(*[TURN] * AT_ONCE)) == 0
    assert (len(collector.requests), len(collector.spans())) == (2, AT_ONCE + 1)


async def test_a_collector_that_refuses_is_told_of_once_and_once_more_when_it_is_back() -> None:
    counts = Counts()
    async with a_collector() as collector:
        collector.status = 400
        traces = Traces(Tracing(endpoint=collector.endpoint), counts.count)
        with capture_logs() as logs:
            async with trio.open_nursery() as house:
                house.start_soon(traces.run)
                for number, status in enumerate((400, 400, 200), 1):
                    collector.status = status
                    traces.add(told())
                    await counts.reach(number)
                await traces.finish()
    assert counts.calls == {"lost": 2, "exported": 1}
    assert [line["event"] for line in logs] == ["traces do not arrive", "traces arrive again"]


async def test_what_waits_is_told_before_the_end_and_a_collector_that_hangs_does_not_hold_it() -> None:
    """A call that is told to the end of the daemon; then one whose collector takes the request and says nothing."""
    for status, exported in ((200, 1), (None, 0)):
        counts = Counts()
        async with a_collector() as collector:
            collector.status = status
            traces = Traces(Tracing(endpoint=collector.endpoint), counts.count)
            async with trio.open_nursery() as house:
                house.start_soon(traces.run)
                traces.add(told())
                begun = trio.current_time()
                await traces.finish()
                took = trio.current_time() - begun
                house.cancel_scope.cancel()
        assert counts.calls["exported"] == exported
        assert took < PATIENCE_SECONDS if status else took >= PATIENCE_SECONDS


async def test_the_queue_is_bounded_and_what_does_not_fit_is_counted() -> None:
    """Nobody sends: the newest loses. Without a configuration nothing waits at all."""
    counts = Counts()
    traces = Traces(Tracing(endpoint="http://127.0.0.1:9/v1/traces"), counts.count)
    for _ in range(QUEUE + 3):
        traces.add(told())
    traces.follow(None)
    traces.add(told())
    await trio.lowlevel.checkpoint()
    assert counts.calls == {"lost": 3}


async def test_a_fault_in_the_packages_of_a_collector_costs_traces_and_not_the_daemon() -> None:
    """As when they are replaced on the disk, or the environment asks them for what they do not know."""
    counts, tries = Counts(), list[int]()

    def export_of_others(settings: Tracing, calls: Sequence[Told]) -> int:
        del settings
        tries.append(len(calls))
        if len(tries) < 3:
            raise ImportError("no such module")
        return 0

    traces = Traces(Tracing(endpoint="http://127.0.0.1:9/v1/traces"), counts.count, export_of_others)
    with capture_logs() as logs:
        async with trio.open_nursery() as house:
            house.start_soon(traces.run)
            for number in (1, 2, 3):
                traces.add(told())
                await counts.reach(number)
            await traces.finish()
    assert counts.calls == {"lost": 2, "exported": 1}
    assert [line["event"] for line in logs] == [
        "fault in telling of calls",
        "traces do not arrive",
        "traces arrive again",
    ]


async def test_a_call_that_is_over_after_the_last_has_been_told_of_is_lost_and_counted() -> None:
    """The end of the daemon waits for calls, but not for ever."""
    counts = Counts()
    traces = Traces(Tracing(endpoint="http://127.0.0.1:9/v1/traces"), counts.count)
    async with trio.open_nursery() as house:
        house.start_soon(traces.run)
        await traces.finish()
        traces.add(told())
    assert counts.calls == {"lost": 1}
