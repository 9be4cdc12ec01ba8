"""A collector of traces on this machine: a port that takes OTLP over HTTP, and what has arrived there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from opusagent.net.http import Request, Response, Upgrade
from opusagent.net.limits import MIB, HttpLimits, ListenerLimits
from opusagent.net.listener import bound_port, open_listeners, serve

Found = str | int | float | bool


class Collector:
    """Takes what is sent to /v1/traces, and answers with `status`; `never` answers if that is None."""

    def __init__(self) -> None:
        self.port = 0
        self.status: int | None = 200
        self.requests: Final[list[Request]] = []
        self._news: Final = trio.Condition()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    async def answer(self, request: Request) -> Response | Upgrade:
        async with self._news:
            self.requests.append(request)
            self._news.notify_all()
        if self.status is None:
            await trio.sleep_forever()
        return Response(self.status or 500, content_type="application/x-protobuf")

    async def asked(self, times: int = 1) -> None:
        """Wait until so many requests have come."""
        with trio.fail_after(60):
            async with self._news:
                while len(self.requests) < times:
                    await self._news.wait()

    def messages(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(request.body) for request in self.requests]

    def spans(self) -> list[Span]:
        """All that arrived, in the order of their beginnings."""
        all_of_them = [
            span
            for message in self.messages()
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(all_of_them, key=lambda span: span.start_time_unix_nano)


def found(attributes: list[KeyValue]) -> dict[str, Found]:
    """Attributes as they were meant."""
    return {each.key: _value(each) for each in attributes}


def _value(each: KeyValue) -> Found:
    match each.value.WhichOneof("value"):
        case "string_value":
            return each.value.string_value
        case "int_value":
            return each.value.int_value
        case "double_value":
            return each.value.double_value
        case _:
            return each.value.bool_value


@asynccontextmanager
async def a_collector() -> AsyncGenerator[Collector]:
    collector = Collector()
    listeners = await open_listeners("127.0.0.1", 0)
    collector.port = bound_port(listeners)
    async with trio.open_nursery() as house:
        await house.start(serve, listeners, collector, ListenerLimits(http=HttpLimits(body_bytes=4 * MIB)))
        yield collector
        house.cancel_scope.cancel()
