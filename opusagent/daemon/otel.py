"""Spans in OpenTelemetry's own words, and their way to a collector. The one module that knows its packages.

Everything here blocks: it belongs into a thread.
"""

from collections.abc import Iterable
from typing import Final

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from typing_extensions import override

from opusagent import __version__
from opusagent.daemon.config_tracing import Tracing
from opusagent.daemon.spans import Parent, Span, Told, call_span, turn_spans

SEND_SECONDS: Final = 3.0
"""What one request may take, with whatever the exporter tries again within it."""

AT_ONCE: Final = 512
"""Spans in a request: about 200 KB."""


def export(settings: Tracing, calls: Iterable[Told]) -> int:
    """Send the spans of `calls`, but those of calls that nobody keeps. Returns how many spans were lost."""
    made: list[ReadableSpan] = []
    provider = TracerProvider(
        ParentBased(ALWAYS_ON),
        Resource({"service.name": settings.service, "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(_Basket(made))
    tracer = provider.get_tracer("opusagent", __version__)
    for told in calls:
        _make(tracer, told)
    parts = [made[start : start + AT_ONCE] for start in range(0, len(made), AT_ONCE)]
    with requests.Session() as session:
        session.trust_env = False  # neither a proxy nor a password of the environment's
        collector = OTLPSpanExporter(
            settings.endpoint,
            certificate_file=None if settings.ca_file is None else str(settings.ca_file),
            headers={each.name: each.value.reveal() for each in settings.headers},
            timeout=SEND_SECONDS,
            session=session,
        )
        return sum(len(part) for part in parts if collector.export(part) is not SpanExportResult.SUCCESS)


def _make(tracer: Tracer, told: Told) -> None:
    over = set_span_in_context(_of_others(told.parent), Context()) if told.parent else Context()
    call = call_span(told)
    span = tracer.start_span(call.name, over, SpanKind.SERVER, dict(call.attributes), start_time=call.began)
    if call.fault:
        span.set_status(Status(StatusCode.ERROR, call.fault))
    within = set_span_in_context(span, Context())
    for turn in turn_spans(told):
        _make_turn(tracer, turn, within)
    span.end(call.ended)


def _make_turn(tracer: Tracer, turn: Span, within: Context) -> None:
    span = tracer.start_span(turn.name, within, attributes=dict(turn.attributes), start_time=turn.began)
    for name, at in turn.events:
        span.add_event(name, timestamp=at)
    span.end(turn.ended)


def _of_others(parent: Parent) -> NonRecordingSpan:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags))


class _Basket(SpanProcessor):
    """Keeps the spans that are kept at all."""

    def __init__(self, made: list[ReadableSpan]) -> None:
        self._made: Final = made

    @override
    def on_end(self, span: ReadableSpan) -> None:
        self._made.append(span)
