"""Where events come from, carried along into the log: the request's id, and its trace."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from core.clock import monotonic_seconds
from ingest.metrics import ACKNOWLEDGEMENT_SECONDS
from telemetry.correlation import (
    IDS_HEADER,
    NO_REQUEST,
    RequestId,
    current_request,
    pack_ids,
)
from telemetry.tracing import TRACEPARENT, current_context, traceparent_of, tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

_log: Final = logging.getLogger(__name__)


class Origin(NamedTuple):
    """The request that events came with; its span's context while it is traced."""

    request: RequestId
    context: SpanContext | None


NOWHERE: Final = Origin(NO_REQUEST, None)


def current_origin() -> Origin:
    """The request that is being worked on."""
    return Origin(current_request.get(), current_context())


class Passage:
    """One envelope on its way to Kafka: headers that say where its events come from."""

    def __init__(self, origins: Sequence[Origin], partition: int, events: int) -> None:
        self._span = _span(origins, partition, events)
        self._brought = [origin.request.text for origin in origins if origin.request.brought]
        self._began_seconds = monotonic_seconds()
        self.headers: list[tuple[str, bytes]] = []
        ids = pack_ids(origin.request for origin in origins)
        if ids:
            self.headers.append((IDS_HEADER, ids))
        if self._span is not None:
            context = self._span.get_span_context()
            self.headers.append((TRACEPARENT, traceparent_of(context).encode()))

    def ended(self, fault: str | None, partition: int | None, offset: int | None) -> None:
        """Kafka has the envelope at a position, or refuses it for a reason."""
        if fault is None:
            ACKNOWLEDGEMENT_SECONDS.observe(monotonic_seconds() - self._began_seconds)
        if self._span is not None:
            if fault is not None:
                self._span.set_attribute("error.message", fault)
            self._span.end()
        if self._brought:
            where = {"partition": partition, "offset": offset, "request_ids": self._brought}
            _log.info("envelope %s", fault or "in the log", extra={"context": where})


def _span(origins: Sequence[Origin], partition: int, events: int) -> Span | None:
    active = tracing()
    if active is None:
        return None
    contexts = [origin.context for origin in origins if origin.context is not None]
    if not contexts:
        return None
    span = active.publishing("usage.events publish", contexts)
    span.set_attribute("messaging.system", "kafka")
    span.set_attribute("messaging.destination.partition.id", str(partition))
    span.set_attribute("messaging.batch.message_count", events)
    return span
