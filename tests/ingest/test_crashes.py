from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from infra.local.child import Child
from infra.local.stack import LocalStack
from tests.ingest.senders import Senders
from tests.ingest.service import BATCH, Service, event

_HEADERS = {"Content-Type": BATCH}


@pytest.mark.req("DEP-09")
def test_any_process_serves_and_killing_one_under_load_loses_nothing_answered(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    urls = [service.start(), service.start()]
    try:
        senders = Senders(service, urls)
        senders.wait_for(1_000)
        service.processes[0].signal(signal.SIGKILL)
        senders.wait_for(len(senders.acknowledged) + 1_000)
        senders.finish()
        assert senders.retries > 0
        assert set(senders.acknowledged) <= set(service.logged_ids())
    finally:
        service.end()


def test_workers_end_with_the_process_that_started_them(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    url = service.start("--workers", "2")
    try:
        service.processes[0].signal(signal.SIGKILL)
        deadline = monotonic_seconds() + 30
        while True:
            try:
                httpx.get(f"{url}/livez", timeout=5)
            except httpx.ConnectError:
                break
            except httpx.HTTPError:  # one of them ends just now
                pass
            assert monotonic_seconds() < deadline, "they hold the port, and nobody watches them"
            time.sleep(0.1)
        service.start("--workers", "2", "--port", url.rpartition(":")[2])
        with service.client() as client:
            assert client.post(f"{url}/v1/events", json=event("again")).status_code == 202
    finally:
        service.end()


def test_a_stopping_server_answers_what_it_has_begun(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    url = service.start("--workers", "2")
    stopping = threading.Thread(target=service.processes[0].signal, args=(signal.SIGTERM,))

    def slow_body() -> Iterator[bytes]:
        yield b'[{"specversion":"1.0","id":"slow",'
        time.sleep(0.3)  # the server has the head of the request now
        stopping.start()
        time.sleep(0.7)
        yield b'"source":"/a","type":"t","subject":"s"}]'

    try:
        with service.client() as client:
            answer = client.post(f"{url}/v1/events", content=slow_body(), headers=_HEADERS)
        assert answer.status_code == 202
        stopping.join(30)
        assert not service.processes[0].alive()
        assert service.logged_ids() == ["slow"]
    finally:
        service.end()


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.req("ING-02", "OBS-23")
def test_while_kafka_is_down_nothing_is_answered_202_and_afterwards_all_is_well(
    fresh_installation: Endpoints, fresh_stack: LocalStack, tmp_path: Path
) -> None:
    service = Service(fresh_installation, tmp_path)
    service.start()
    try:
        with service.client() as client:
            assert client.post("/v1/events", json=event("before")).status_code == 202
            assert client.get("/readyz").status_code == 200
            fresh_stack.kill("kafka")
            began = monotonic_seconds()
            with ThreadPoolExecutor(8) as pool:
                url, headers = f"{service.url}/v1/events", client.headers

                def post(event_id: str) -> httpx.Response:
                    return httpx.post(url, json=event(event_id), headers=headers, timeout=30)

                answers = list(pool.map(post, [f"during-{number}" for number in range(8)]))
            assert monotonic_seconds() - began < 10
            for answer in answers:
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.json()["error"]["code"] == "dependency_down"
            not_ready = client.get("/readyz")
            assert not_ready.status_code == 503
            assert "kafka" in not_ready.json()["error"]["details"]["checks"]
            assert client.get("/livez").status_code == 200

            fresh_stack.start_part("kafka")
            deadline = monotonic_seconds() + 30
            while client.post("/v1/events", json=event("after")).status_code != 202:
                assert monotonic_seconds() < deadline, service.processes[0].read_log()
                time.sleep(0.2)
            while client.get("/readyz").status_code != 200:
                assert monotonic_seconds() < deadline
                time.sleep(0.2)
        assert {"before", "after"} <= set(service.logged_ids())
        assert service.processes[0].starts == 1
    finally:
        service.end()


def test_ingest_starts_and_serves_known_keys_while_postgres_is_away(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    service.start()
    service.end()
    away = Endpoints(
        kafka=installation.kafka,
        clickhouse=installation.clickhouse,
        postgres="postgresql://nobody@127.0.0.1:9/nothing",
        topic_prefix=installation.topic_prefix,
    )
    again = Child(
        "again",
        ["serve", "ingest", "--port", "0", "--state-dir", str(tmp_path / "ingest-0")],
        away,
        tmp_path,
        os.environ,
    )
    service.processes.append(again)
    again.start()
    try:
        url = again.wait_for(r"listening on (http://\S+)")[1]
        with service.client() as client:
            assert client.post(f"{url}/v1/events", json=event("1")).status_code == 202
            assert client.get(f"{url}/readyz").status_code == 200
    finally:
        service.end()
