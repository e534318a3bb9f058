"""Sends spans to an OpenTelemetry collector in batches over OTLP/HTTP; needs the extra `telemetry`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.infra.telemetry import TraceSpan, TraceSpanKind

SCOPE = InstrumentationScope("undertone")
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
KINDS = {
    TraceSpanKind.SERVER: SpanKind.SERVER,
    TraceSpanKind.CLIENT: SpanKind.CLIENT,
    TraceSpanKind.CONSUMER: SpanKind.CONSUMER,
}


class OtlpTracer:
    """Creates spans from finished operations, without a current span or a global tracer provider.

    Libraries therefore cannot add spans of their own with paths, queries or statements.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], service: str) -> None:
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", headers=dict(headers))
        self._batches = BatchSpanProcessor(exporter)
        self._resource = Resource.create({"service.namespace": "undertone", "service.name": f"undertone-{service}"})

    def record(self, trace_span: TraceSpan) -> None:
        trace, first = _ids(trace_span.job_id)
        parent = None if trace_span.starts_job or trace_span.job_id is None else _context(trace, first, is_remote=True)
        span = ReadableSpan(
            trace_span.name,
            context=_context(trace, first if parent is None else secrets.randbits(64) | 1),
            parent=parent,
            resource=self._resource,
            attributes={**trace_span.attributes, **({"undertone.job": trace_span.job_id} if trace_span.job_id else {})},
            kind=KINDS[trace_span.kind],
            status=Status(StatusCode.ERROR if trace_span.failed else StatusCode.UNSET),
            start_time=trace_span.started_ns,
            end_time=trace_span.ended_ns,
            instrumentation_scope=SCOPE,
        )
        self._batches.on_end(span)

    def close(self) -> None:
        self._batches.shutdown()  # type: ignore[no-untyped-call] # the library's function is untyped


def _ids(job_id: str | None) -> tuple[int, int]:
    """Returns the ids of the trace and of its root span; for a job, both are derived from the job id."""
    trace = int(job_id, 16) if job_id else secrets.randbits(128) | 1
    return trace, trace & (1 << 64) - 1


def _context(trace: int, span: int, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(trace, span, is_remote=is_remote, trace_flags=SAMPLED)
