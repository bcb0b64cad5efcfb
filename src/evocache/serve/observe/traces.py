"""Spans for OpenTelemetry: of each request, and of the stages of what it asked for; off unless wanted and installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from ...extras import installed, optional
from .notes import Notes
from .outcome import Outcome

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables that say where spans go."""

STAGES = ("queue", "compute")
"""Stages that have spans of their own; one follows the other."""


class Traces(Protocol):
    """Takes requests that were answered."""

    def request(self, notes: Notes, headers: Mapping[str, str], began: float, seconds: float) -> None:
        """Make spans of a request.

        Args:
            notes: of it.
            headers: of it; `traceparent` says whose span it belongs to.
            began: in seconds since 1970.
            seconds: that it took.
        """

    def close(self) -> None:
        """Send what is left."""


class NoTraces:
    """Makes none."""

    def request(self, notes: Notes, headers: Mapping[str, str], began: float, seconds: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class OtelTraces:
    """Makes spans of OpenTelemetry, with no more in them than the log has.

    Args:
        exporter: of OpenTelemetry's SDK; the one over HTTP, to where the environment says, if not given.

    Raises:
        DependencyError: if the extra `[traces]` is not installed.
    """

    def __init__(self, exporter: Any = None) -> None:
        sdk, export = optional("opentelemetry.sdk.trace"), optional("opentelemetry.sdk.trace.export")
        resource = optional("opentelemetry.sdk.resources").Resource.create({"service.name": "evocache"})
        if exporter is None:
            exporter = optional("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
        self._provider = sdk.TracerProvider(resource=resource)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("evocache.serve")
        self._trace = optional("opentelemetry.trace")
        self._read = optional("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()

    def request(self, notes: Notes, headers: Mapping[str, str], began: float, seconds: float) -> None:
        """Make spans of a request that was answered, and of its generations."""
        parent = self._read.extract({"traceparent": headers.get("traceparent", "")})
        attributes = {
            "http.request.method": notes.method,
            "http.route": notes.route,
            "http.response.status_code": notes.status,
            "evocache.request_id": notes.id,
            **({"error.type": notes.code} if notes.code else {}),
        }
        span = self._tracer.start_span(
            f"{notes.method} {notes.route}",
            parent,
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=_nanoseconds(began),
        )
        inside = self._trace.set_span_in_context(span)
        for outcome in notes.outcomes:
            self._generations(outcome, inside, began + seconds)
        if notes.status >= 500:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(_nanoseconds(began + seconds))

    def _generations(self, outcome: Outcome, parent: Any, end: float) -> None:
        """Spans of generations; that each began with its request is known, and how long each stage took."""
        for account in outcome.accounts:
            said = {"evocache.model": outcome.model, "evocache.point": account.point, "evocache.reuse": account.reuse}
            came = end - outcome.seconds
            span = self._tracer.start_span("generation", parent, attributes=said, start_time=_nanoseconds(came))
            at, inside = came, self._trace.set_span_in_context(span)
            for stage in STAGES:
                took = account.seconds.get(stage, 0.0)
                if took > 0:
                    part = self._tracer.start_span(stage, inside, start_time=_nanoseconds(at))
                    at += took
                    part.end(_nanoseconds(at))
            span.end(_nanoseconds(max(end, at)))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def make_traces() -> Traces:
    """Return what makes spans: none where the environment names no endpoint, or OpenTelemetry is not installed."""
    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    there = installed("opentelemetry.sdk") and installed("opentelemetry.exporter.otlp.proto.http")
    return OtelTraces() if wanted and there else NoTraces()


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
