"""Traces: off unless an entry point starts them; then one trace goes from HTTP to the tables.

A span that serves several requests belongs to the trace of the first one that is sampled and links
to the others: an envelope gathers requests, a step of a worker gathers envelopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, Span, SpanContext, Tracer

TRACEPARENT: Final = "traceparent"
"""W3C name of the header that carries a span's context, in HTTP and in Kafka."""

LINKS_MAX: Final = 32
"""Most links of one span."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where spans go (`file:PATH`, or a collector's URL) and which share of traces is kept.

    A caller that brings a trace decides for it.
    """

    export_to: str
    ratio: float = 0.01


class Tracing:
    """The tracer of this process; every method may be called from any thread."""

    def __init__(self, tracer: Tracer, provider: TracerProvider) -> None:
        self._tracer, self._provider = tracer, provider

    @contextmanager
    def serving(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A span around an HTTP request, within the caller's trace if the headers bring one."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        with self._tracer.start_as_current_span(name, parent, SpanKind.SERVER) as span:
            yield span

    def publishing(self, name: str, origins: Sequence[SpanContext]) -> Span:
        """A span of a record on its way to Kafka; end it when the broker has answered."""
        from opentelemetry.trace import SpanKind

        context, links = _parent_and_links(origins)
        return self._tracer.start_span(name, context, SpanKind.PRODUCER, links=links)

    @contextmanager
    def consuming(self, name: str, origins: Sequence[SpanContext]) -> Iterator[Span]:
        """A span around the work on records that came from Kafka."""
        from opentelemetry.trace import SpanKind

        context, links = _parent_and_links(origins)
        with self._tracer.start_as_current_span(
            name, context, SpanKind.CONSUMER, links=links
        ) as span:
            yield span

    @contextmanager
    def calling(self, name: str) -> Iterator[Span]:
        """A span around a request to another server, below the span that is open here."""
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
            yield span

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


_active: list[Tracing] = []


def start_tracing(service: str, settings: TraceSettings | None) -> None:
    """Trace this process from now on; with no settings it stays off. For entry points."""
    stop_tracing()
    if settings is None:
        return
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    from telemetry.otlp import exporter_to

    provider = TracerProvider(
        resource=Resource({SERVICE_NAME: f"tollbook-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(settings.ratio)),
    )
    exporter = exporter_to(settings.export_to)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    _active.append(Tracing(provider.get_tracer("tollbook"), provider))


def stop_tracing() -> None:
    """Export what is left, and trace no more."""
    while _active:
        _active.pop().close()


def tracing() -> Tracing | None:
    """The tracing of this process, or None while it is off: ask before doing anything for it."""
    return _active[0] if _active else None


def current_context() -> SpanContext | None:
    """The context of the span that is open here; None where there is none, or it is not kept."""
    if not _active:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None


def traceparent_of(context: SpanContext) -> str:
    """The W3C text of a context."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def parse_traceparent(text: str) -> SpanContext | None:
    """Read the W3C text back; None for anything else, and for a trace that is not kept."""
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    found = TraceContextTextMapPropagator().extract({TRACEPARENT: text})
    context = get_current_span(found).get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None


def _parent_and_links(origins: Sequence[SpanContext]) -> tuple[Context, list[Link]]:
    """The first origin as the parent (a new trace where there is none), the others as links."""
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context

    if not origins:
        return Context(), []
    known = list({(each.trace_id, each.span_id): each for each in origins}.values())
    parent = set_span_in_context(NonRecordingSpan(known[0]), Context())
    return parent, [Link(context) for context in known[1 : LINKS_MAX + 1]]
