from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from core import metric_names
from core.endpoints import Endpoints
from tests.ingest.service import BATCH, Service, event


def _sample(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


@pytest.mark.req("OBS-25")
def test_several_processes_on_one_port_answer_for_all_of_them(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    url = service.start("--workers", "2")
    headers = {"Authorization": f"Bearer {service.api_key}", "Content-Type": BATCH}
    try:
        for number in range(20):  # a connection each: the kernel shares them out
            batch = [event(f"{number}-{each}") for each in range(3)]
            answer = httpx.post(f"{url}/v1/events", json=batch, headers=headers, timeout=30)
            assert answer.status_code == 202
        assert httpx.get(f"{url}/nowhere").status_code == 404
        for _ in range(6):
            text = httpx.get(f"{url}/metrics", timeout=30).text
            accepted = f'{metric_names.INGEST_EVENTS}_total{{outcome="accepted"}}'
            assert _sample(text, accepted) == 60
            seconds = f'{metric_names.HTTP_SECONDS}_count{{route="/v1/events"}}'
            assert _sample(text, seconds) == 20
            below = f'{metric_names.HTTP_SECONDS}_bucket{{le="10.0",route="/v1/events"}}'
            assert _sample(text, below) == 20
            assert _sample(text, metric_names.INGEST_HELD_BYTES) == 0
            unserved = f'{metric_names.HTTP_REQUESTS}_total{{route="none",status="404"}}'
            assert _sample(text, unserved) == 1
    finally:
        service.end()
