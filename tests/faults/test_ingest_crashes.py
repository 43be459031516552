"""Ingest dies at its crash points under load: what it answered 202 counts, and once."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from core.faults import EXIT_CODE, POINTS
from infra.local.child import Child
from tests.ingest.senders import Senders
from tests.ingest.service import Service
from usage.verify import verify

CRASHES = int(os.environ.get("TOLLBOOK_INGEST_CRASHES", "2"))
"""At each point."""

INGEST_POINTS = [point for point in POINTS if point.startswith("ingest_")]
_PASSES_MAX = 40
_PATIENCE_SECONDS = 120.0


def _die(service: Service, senders: Senders, urls: list[str], fault: str, record: Path) -> None:
    """One life of the server: it takes events until it comes to the point where it dies."""
    environ = {**os.environ, "TOLLBOOK_FAULT": f"{fault}:{record}"}
    state = str(service.folder / "state")
    arguments = ["serve", "ingest", "--port", "0", "--state-dir", state]
    number = len(service.processes)
    process = Child(f"ingest-{number}", arguments, service.endpoints, service.folder, environ)
    service.processes.append(process)
    process.start()
    urls[:] = [process.wait_for(r"listening on (http://\S+)")[1]]
    if fault.startswith("ingest_while_stopping"):
        senders.wait_for(len(senders.acknowledged) + 200)
        process.signal(signal.SIGTERM)
    deadline = monotonic_seconds() + _PATIENCE_SECONDS
    while process.alive():
        senders.check()
        assert monotonic_seconds() < deadline, f"{fault} was not reached"
        time.sleep(0.01)
    assert process.exit_code() == EXIT_CODE, process.read_log()[-3000:]
    assert record.read_text().startswith(f"{fault} ")
    record.unlink()


@pytest.mark.slow
def test_no_event_answered_is_lost_and_no_retry_counts_twice(
    installation: Endpoints, tmp_path: Path, seed: int
) -> None:
    assert len(INGEST_POINTS) == 5
    rng = random.Random(seed)
    points = INGEST_POINTS * CRASHES
    rng.shuffle(points)
    service = Service(installation, tmp_path)
    urls = ["http://127.0.0.1:9"]
    senders = Senders(service, urls)
    try:
        for point in points:
            passes = 1 if point == "ingest_while_stopping" else rng.randint(1, _PASSES_MAX)
            _die(service, senders, urls, f"{point}:{passes}", tmp_path / "reached")
        urls[:] = [service.start()]
        senders.finish()
        logged = service.logged_ids()
        assert set(senders.acknowledged) <= set(logged), f"--seed {seed}"
        assert senders.retries > 0
        _count(service)
        totals = verify(installation.clickhouse, []).totals
        assert totals["accepted"] == len(set(logged)), f"--seed {seed}"
        assert totals["duplicates"] == len(logged) - len(set(logged)), f"--seed {seed}"
        assert totals["conflicts"] == totals["rejected"] == 0
    finally:
        service.end()


def _count(service: Service) -> None:
    """Let a worker read the whole log."""
    worker = Child(
        "worker",
        ["serve", "streams", "--worker-id", "a", "--state-dir", str(service.folder / "state")],
        service.endpoints, service.folder, os.environ,
    )  # fmt: skip
    service.processes.append(worker)
    worker.start()
    records = len(service.read_log())
    deadline = monotonic_seconds() + _PATIENCE_SECONDS
    while True:
        done = verify(service.endpoints.clickhouse, []).totals["records"]
        if done == records:
            break
        assert monotonic_seconds() < deadline, f"{done} of {records}\n{worker.read_log()[-2000:]}"
        time.sleep(0.2)
    worker.signal(signal.SIGTERM)
