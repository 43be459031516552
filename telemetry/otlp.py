"""Spans as OTLP in JSON: one export is one document, a line of a file or the body of a POST."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, StatusCode

from core.errors import ValidationError

_POST_SECONDS: Final = 5.0
_STATUS: Final = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}


class FileExporter(SpanExporter):
    """Appends each export to a file, as a line; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans; a full disk loses them and stops nothing."""
        line = json.dumps(document_of(spans), separators=(",", ":")) + "\n"
        try:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


class HttpExporter(SpanExporter):
    """Posts each export to a collector, for example http://127.0.0.1:4318/v1/traces."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=_POST_SECONDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Post the spans, once: what a collector does not take is lost and stops nothing."""
        try:
            answer = self._client.post(self._url, json=document_of(spans))
        except httpx.HTTPError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if answer.is_success else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Let go of the connection."""
        self._client.close()


def exporter_to(target: str) -> SpanExporter:
    """The exporter of `file:PATH` or of a collector's URL. Raises `ValidationError`."""
    kind, _, rest = target.partition(":")
    if kind == "file" and rest:
        return FileExporter(Path(rest))
    if kind in {"http", "https"} and rest.startswith("//"):
        return HttpExporter(target)
    raise ValidationError(
        f"--traces-to: {target!r} is neither file:PATH nor the URL of a collector, such as"
        " http://127.0.0.1:4318/v1/traces",
        field="traces-to",
    )


def document_of(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """An `ExportTraceServiceRequest` in JSON, spans grouped by their resource."""
    groups: dict[int, tuple[Resource, list[dict[str, Any]]]] = {}
    for span in spans:
        groups.setdefault(id(span.resource), (span.resource, []))[1].append(_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource.attributes)},
                "scopeSpans": [{"scope": {"name": "tollbook"}, "spans": made}],
            }
            for resource, made in groups.values()
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None, "an exported span has a context"
    made: dict[str, Any] = {
        **_ids(context),
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": _STATUS[span.status.status_code]},
    }
    if span.parent is not None:
        made["parentSpanId"] = f"{span.parent.span_id:016x}"
    if span.links:
        made["links"] = [_ids(link.context) for link in span.links]
    return made


def _ids(context: SpanContext) -> dict[str, str]:
    return {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}
