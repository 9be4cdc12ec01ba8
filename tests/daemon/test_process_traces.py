"""Traces of a running process: one call, under the span that a proxy had begun for it."""

from pathlib import Path

import trio

from opusagent.units import Ms
from tests.daemon.collector import a_collector, found
from tests.daemon.process import PATIENCE, Settings, be_answered, call, daemon

TRACE, OVER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def test_a_call_and_its_turns_arrive_at_the_collector_when_it_is_over(tmp_path: Path) -> None:
    """The key that the collector wants is on the wire and in no log; the end of the daemon loses no call."""
    (tmp_path / "headers").write_text("x-api-key: canary-of-the-collector\n")
    async with a_collector() as collector:
        more = f'[tracing]\nendpoint = "{collector.endpoint}"\nheaders_file = "{tmp_path}/headers"\n'
        async with daemon(tmp_path, Settings(more=more)) as running:
            async with call(running.port, ("traceparent", f"00-{TRACE}-{OVER}-01")) as caller:
                await caller.hear(Ms(200))
                await be_answered(caller)
                await caller.hang_up()
            (ended,) = await running.says("call ended")
            running.process.terminate()
            await running.ended()
    spans = collector.spans()
    (over,) = [span for span in spans if span.name == "call"]
    assert (over.trace_id.hex(), over.parent_span_id.hex()) == (TRACE, OVER)
    assert found(list(over.attributes))["opusagent.call.id"] == ended["call"]
    turns = [span for span in spans if span.name == "turn"]
    assert turns
    assert {turn.parent_span_id for turn in turns} == {over.span_id}
    assert {request.header("x-api-key") for request in collector.requests} == {"canary-of-the-collector"}
    assert "canary" not in repr((running.log, running.noise))


async def test_a_collector_that_is_not_there_costs_calls_nothing(tmp_path: Path) -> None:
    """It is told in the log once, and the daemon ends in order."""
    with trio.socket.socket() as nobody:
        await nobody.bind(("127.0.0.1", 0))
        more = f'[tracing]\nendpoint = "http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces"\n'
        async with daemon(tmp_path, Settings(more=more)) as running:
            async with call(running.port) as caller:
                await be_answered(caller)
                await caller.hang_up()
            (told,) = await running.says("traces do not arrive")
            running.process.terminate()
            with trio.fail_after(PATIENCE):
                assert await running.ended() == 0
    assert str(told["endpoint"]).endswith("/v1/traces")
