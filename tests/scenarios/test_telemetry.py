"""One request on its way through every process: its id, its trace, what is counted of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import metric_names
from core.clock import SystemClock, monotonic_seconds
from infra.local.child import Child
from infra.local.stack import LocalStack
from tests.scenarios.world import World

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_PARENT = "b7ad6b7169203331"


def _events(first: int, count: int) -> list[dict[str, Any]]:
    now = SystemClock().now().isoformat()
    return [
        {
            "specversion": "1.0", "id": f"e{number}", "source": "/a", "type": "request",
            "subject": "s", "time": now, "data": {"usage": {"tokens": 1}},
        }
        for number in range(first, first + count)
    ]  # fmt: skip


def _post(
    url: str, world: World, events: list[dict[str, Any]], headers: dict[str, str]
) -> httpx.Response:
    headers = headers | {
        "Authorization": f"Bearer {world.api_key}",
        "Content-Type": "application/cloudevents-batch+json",
    }
    return httpx.post(f"{url}/v1/events", json=events, headers=headers, timeout=30)


def _lines(process: Child) -> list[dict[str, Any]]:
    """The structured lines of a process's log; each must have the fields of one."""
    found = [json.loads(line) for line in process.read_log().splitlines() if line.startswith("{")]
    for line in found:
        assert line.keys() == {"timestamp", "level", "service", "message", "context"}, line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
        assert line["level"] in {"DEBUG", "INFO", "WARN", "ERROR"}
    return found


def _about(lines: list[dict[str, Any]], request_id: str) -> list[dict[str, Any]]:
    return [line for line in lines if request_id in json.dumps(line["context"])]


def _metrics(url: str) -> dict[str, float]:
    """Samples by name and labels."""
    text = httpx.get(f"{url}/metrics", timeout=10).text
    samples = (line.rpartition(" ") for line in text.splitlines() if line[:1] not in {"", "#"})
    return {name: float(value) for name, _, value in samples}


def _await_metric(url: str, name: str, value: float) -> dict[str, float]:
    """All samples once one of them has a value: it is counted right after the write."""
    deadline = monotonic_seconds() + 20
    while (found := _metrics(url)).get(name) != value:
        assert monotonic_seconds() < deadline, found
        time.sleep(0.1)
    return found


def _worker(world: World, *options: str) -> tuple[Child, str]:
    arguments = ("serve", "streams", "--worker-id", "w", "--metrics-port", "0", *options)
    process = world.process("w", *arguments)
    return process, process.wait_for(r"metrics and health at (http://[\d.:]+)")[1]


@pytest.mark.req("OBS-22")
def test_the_id_of_a_request_stands_in_the_log_of_every_hop(
    world: World, stack: LocalStack
) -> None:
    url = world.ingest()
    worker, _ = _worker(world)
    answer = _post(url, world, _events(0, 3), {"X-Request-Id": "order-4711"})
    assert answer.headers["X-Request-Id"] == "order-4711"
    made = _post(url, world, _events(3, 1), {"X-Request-Id": "no spaces please"})
    assert re.fullmatch("[0-9a-f]{32}", made.headers["X-Request-Id"])
    world.wait_until_proved(lambda: None)

    (ingest,) = (process for process in world.processes if process.name == "ingest")
    messages = {line["message"] for line in _about(_lines(ingest), "order-4711")}
    assert messages == {"envelope in the log", "request answered"}
    counted = _about(_lines(worker), "order-4711")
    assert {line["message"] for line in counted} == {"records counted"}
    assert {line["service"] for line in counted} == {"streams"}
    clickhouse = stack.state.log("clickhouse").read_text()
    for table in ("usage_events", "stream_ledger"):
        assert re.search(rf"INSERT INTO \W*{table}\b.*order-4711", clickhouse), clickhouse[-2000:]


@pytest.mark.req("OBS-21")
def test_one_trace_spans_api_kafka_consumer_and_clickhouse(world: World, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.jsonl" for name in ("ingest", "streams")}
    options = {
        name: ("--traces-to", f"file:{path}", "--trace-ratio", "0") for name, path in files.items()
    }
    ingest = world.process("ingest", "serve", "ingest", "--port", "0", *options["ingest"])
    url = ingest.wait_for(r"listening on (http://\S+)")[1]
    worker, _ = _worker(world, *options["streams"])
    traced = {"traceparent": f"00-{_TRACE}-{_PARENT}-01"}
    assert _post(url, world, _events(0, 1), {}).status_code == 202
    assert _post(url, world, _events(1, 1), traced).status_code == 202
    world.wait_until_proved(lambda: None)
    spans = _await_spans(files, world)
    assert {span["traceId"] for span in spans} == {_TRACE}

    by_id = {span["spanId"]: span for span in spans}
    inserts = [span for span in spans if span["name"].startswith("insert ")]
    assert {"insert usage_events", "insert stream_ledger"} <= {span["name"] for span in inserts}
    for insert in inserts:
        step = by_id[insert["parentSpanId"]]
        publish = by_id[step["parentSpanId"]]
        request = by_id[publish["parentSpanId"]]
        names = (step["name"], publish["name"], request["name"], request["parentSpanId"])
        assert names == (
            "usage.events process",
            "usage.events publish",
            "POST /v1/events",
            _PARENT,
        )
        assert (step["service"], request["service"]) == ("tollbook-streams", "tollbook-ingest")
        assert int(request["startTimeUnixNano"]) <= int(publish["startTimeUnixNano"])
        assert int(publish["startTimeUnixNano"]) <= int(step["startTimeUnixNano"])
    assert worker.alive()


def _await_spans(files: dict[str, Path], world: World) -> list[dict[str, Any]]:
    """All spans, with their service, once the last insert of the step is among them."""
    deadline = monotonic_seconds() + 30
    while True:
        spans = [span for path in files.values() for span in _spans(path)]
        names = {span["name"] for span in spans}
        if {"POST /v1/events", "usage.events process"} <= names:
            return spans
        assert monotonic_seconds() < deadline, (names, world.logs())
        time.sleep(0.2)


def _spans(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [
        span | {"service": group["resource"]["attributes"][0]["value"]["stringValue"]}
        for line in lines
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


def test_what_is_counted_is_what_was_sent(world: World) -> None:
    url = world.ingest()
    _, worker = _worker(world)
    assert httpx.get(f"{worker}/livez").json() == {"status": "alive"}
    events = _events(0, 40)
    for _ in range(2):  # everything twice: copies
        assert _post(url, world, events, {}).status_code == 202
    wrong = [*_events(90, 1), {"specversion": "1.0"}]
    assert _post(url, world, wrong, {}).json()["accepted"] == 1
    world.wait_until_proved(lambda: None)

    ingest = _metrics(url)
    assert ingest[f'{metric_names.INGEST_EVENTS}_total{{outcome="accepted"}}'] == 81
    assert ingest[f'{metric_names.INGEST_EVENTS}_total{{outcome="rejected"}}'] == 1
    route = f'{metric_names.HTTP_REQUESTS}_total{{route="/v1/events",status="202"}}'
    assert ingest[route] == 3
    assert ingest[metric_names.INGEST_HELD_BYTES] == 0
    envelopes = sum(world.log_ends().values())
    assert ingest[f"{metric_names.INGEST_ACKNOWLEDGEMENT_SECONDS}_count"] == envelopes

    assert httpx.get(f"{worker}/readyz").json() == {"status": "ready"}
    streams = _await_metric(worker, f"{metric_names.STREAM_RECORDS}_total", envelopes)
    verdicts = {
        verdict: streams[f'{metric_names.STREAM_EVENTS}_total{{verdict="{verdict}"}}']
        for verdict in ("accepted", "duplicate", "conflict", "rejected")
    }
    assert verdicts == {"accepted": 41, "duplicate": 40, "conflict": 0, "rejected": 0}
    assert streams[f"{metric_names.STREAM_FRESHNESS_SECONDS}_count"] == 41
    assert 0 < streams[f"{metric_names.STREAM_FRESHNESS_SECONDS}_sum"] < 41 * 60
    assert streams[f"{metric_names.STREAM_LEDGER_IMBALANCE}_total"] == 0
    assert streams[metric_names.STREAM_HALTED] == 0
    assert streams[metric_names.STREAM_WAITING] == 0
    for name in (metric_names.STREAM_LAG_RECORDS, metric_names.STREAM_LAG_SECONDS):
        lags = [value for sample, value in streams.items() if sample.startswith(f"{name}{{")]
        assert lags
        assert set(lags) == {0}
    keys = [v for k, v in streams.items() if k.startswith(metric_names.STREAM_INDEX_KEYS)]
    assert sum(keys) == 41
    flushes = f'{metric_names.STREAM_FLUSH_SECONDS}_count{{table="stream_ledger"}}'
    assert streams[flushes] >= 1
    for name in [*ingest, *streams]:
        assert str(world.tenant_id) not in name
        assert "acme" not in name


def test_a_bridge_answers_for_its_health_and_counts(world: World) -> None:
    bridge = world.process("b", "serve", "bridge", "--worker-id", "b", "--metrics-port", "0")
    url = bridge.wait_for(r"metrics at (http://[\d.:]+)")[1]
    assert _await_status(f"{url}/readyz", 200).json() == {"status": "ready"}
    assert _metrics(url)[metric_names.STREAM_WAITING] == 0
    taken = world.process(
        "c", "serve", "bridge", "--worker-id", "c", "--metrics-port", url.rpartition(":")[2]
    )
    deadline = monotonic_seconds() + 60
    while taken.alive():
        assert monotonic_seconds() < deadline
        time.sleep(0.1)
    assert "error: metrics: cannot listen on" in taken.read_log()


@pytest.mark.slow
def test_a_worker_is_ready_while_it_has_its_share_and_clickhouse_answers(
    fragile_world: World, fresh_stack: LocalStack
) -> None:
    url = fragile_world.ingest()
    process, worker = _worker(fragile_world)
    _await_status(f"{worker}/readyz", 200)
    fresh_stack.kill("clickhouse")
    assert _post(url, fragile_world, _events(0, 3), {}).status_code == 202
    refused = _await_status(f"{worker}/readyz", 503).json()
    assert "clickhouse" in refused["error"]["details"]["checks"]
    assert httpx.get(f"{worker}/livez").status_code == 200
    deadline = monotonic_seconds() + 30
    while not (waiting := _metrics(worker)[metric_names.STREAM_WAITING]):
        assert monotonic_seconds() < deadline
        time.sleep(0.2)
    assert waiting >= 1
    fresh_stack.start_part("clickhouse")
    fragile_world.wait_until_proved(process.start)
    assert _await_status(f"{worker}/readyz", 200).json() == {"status": "ready"}
    assert process.starts == 1
    assert _await_metric(worker, metric_names.STREAM_WAITING, 0)


def _await_status(url: str, status: int) -> httpx.Response:
    deadline = monotonic_seconds() + 60
    while (answer := httpx.get(url, timeout=15)).status_code != status:
        assert monotonic_seconds() < deadline, answer.text
        time.sleep(0.2)
    return answer
