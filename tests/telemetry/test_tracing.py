from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import ValidationError
from telemetry.otlp import exporter_to
from telemetry.tracing import (
    LINKS_MAX,
    TraceSettings,
    current_context,
    parse_traceparent,
    start_tracing,
    stop_tracing,
    traceparent_of,
    tracing,
)

_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _spans(file: Path) -> list[dict[str, Any]]:
    return [
        span
        for line in file.read_text().splitlines()
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.fixture
def file(tmp_path: Path) -> Any:
    path = tmp_path / "traces.jsonl"
    start_tracing("test", TraceSettings(f"file:{path}", ratio=0.0))
    yield path
    stop_tracing()


def test_tracing_is_off_unless_it_is_started() -> None:
    assert tracing() is None
    assert current_context() is None
    start_tracing("test", None)
    assert tracing() is None


def test_a_caller_that_brings_a_trace_decides_that_it_is_kept(file: Path) -> None:
    active = tracing()
    assert active is not None
    with active.serving("GET", {}):
        assert current_context() is None  # the share of traces that is kept is 0
    with active.serving("GET", {"traceparent": _PARENT}) as span:
        span.update_name("GET /x")
        context = current_context()
        assert context is not None
        assert parse_traceparent(traceparent_of(context)) is not None
    stop_tracing()
    (span_,) = _spans(file)
    assert (span_["name"], span_["parentSpanId"]) == ("GET /x", "b7ad6b7169203331")
    assert span_["traceId"] == "0af7651916cd43dd8448eb211c80319c"


def test_a_span_of_many_origins_is_in_the_first_trace_and_links_to_the_others(file: Path) -> None:
    active = tracing()
    assert active is not None
    texts = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 50)]
    contexts = [context for text in texts if (context := parse_traceparent(text))]
    assert len(contexts) == 49
    with (
        active.consuming("step", [*contexts, contexts[0]]),
        active.calling("insert"),
    ):
        pass
    active.publishing("publish", contexts[:1]).end()
    stop_tracing()
    insert, step, publish = _spans(file)
    assert (step["traceId"], step["parentSpanId"]) == (f"{1:032x}", f"{1:016x}")
    assert [link["traceId"] for link in step["links"]] == [
        f"{number:032x}" for number in range(2, 2 + LINKS_MAX)
    ]
    assert (insert["traceId"], insert["parentSpanId"]) == (step["traceId"], step["spanId"])
    assert (publish["traceId"], "links" in publish) == (f"{1:032x}", False)


@pytest.mark.parametrize("text", ["", "x", _PARENT[:-2] + "00", _PARENT.replace("0af7", "0AFX")])
def test_what_is_no_kept_trace_has_no_context(text: str) -> None:
    assert parse_traceparent(text) is None


def test_an_exporter_that_reaches_nobody_stops_nothing(tmp_path: Path) -> None:
    for target in ("http://127.0.0.1:9/v1/traces", f"file:{tmp_path}/none/traces.jsonl"):
        start_tracing("test", TraceSettings(target, ratio=1.0))
        active = tracing()
        assert active is not None
        with active.serving("GET", {}):
            pass
        stop_tracing()
    assert tracing() is None


@pytest.mark.parametrize("target", ["", "file:", "ftp://host", "collector:4318"])
def test_a_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(ValidationError, match="--traces-to"):
        exporter_to(target)


def test_a_collector_gets_otlp_in_json(tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []

    def take(request: httpx.Request) -> httpx.Response:
        got.append(json.loads(request.content))
        return httpx.Response(200, json={})

    exporter = exporter_to("http://collector:4318/v1/traces")
    exporter._client = httpx.Client(transport=httpx.MockTransport(take))  # type: ignore[attr-defined]  # a collector of our own
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": "x"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("s") as span:
        span.set_attributes({"n": 1, "b": True, "f": 0.5, "l": ["a"], "t": "x"})
    provider.shutdown()
    (document,) = got
    (made,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {each["key"]: each["value"] for each in made["attributes"]} == {
        "n": {"intValue": "1"},
        "b": {"boolValue": True},
        "f": {"doubleValue": 0.5},
        "l": {"arrayValue": {"values": [{"stringValue": "a"}]}},
        "t": {"stringValue": "x"},
    }
    assert int(made["startTimeUnixNano"]) <= int(made["endTimeUnixNano"])
    assert made["kind"] == 1
