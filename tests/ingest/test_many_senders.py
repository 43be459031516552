"""Thousands of clients at once, and a stream of events at ten times ten million a day."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from infra.local.child import Child
from tests.ingest.load import Answers, Load, Template
from tests.ingest.service import Service

pytestmark = pytest.mark.timed

CLIENTS: Final = 2_000
P99_SECONDS: Final = 5.0
"""Stated in docs/reference/limits.md."""

ROUNDS: Final = 3

_SECONDS: Final = 6.0
_DAY_EVENTS: Final = 10_000_000
_PER_SECOND: Final = 10 * _DAY_EVENTS / 86_400
_BATCH: Final = 10
_COPIES: Final = 20
_STREAMING_SECONDS: Final = 120


_COUNTS: Final = """
SELECT * FROM
    (SELECT sum(events), sum(accepted) FROM stream_ledger FINAL WHERE level = 0) AS ledger,
    (SELECT count(), uniqExact(key) FROM usage_events FINAL) AS events
"""


@pytest.mark.slow
@pytest.mark.req("SCL-01")
def test_two_thousand_clients_at_once_are_all_answered_in_time(
    installation: Endpoints, tmp_path: Path
) -> None:
    service = Service(installation, tmp_path)
    accepted: list[int] = []
    p99_seconds: list[float] = []
    url = service.start()
    try:
        # Other work on the machine can hold up one round; what is too slow is so in every round.
        while len(p99_seconds) < ROUNDS and not (p99_seconds and p99_seconds[-1] < P99_SECONDS):
            template = Template(service.api_key, 1)
            answers = asyncio.run(_all_at_once(url, template, first_number=len(accepted)))
            assert answers.statuses == Counter({202: len(answers.accepted)})
            assert (answers.unanswered, answers.unsent) == (0, 0)
            assert len(answers.accepted) >= CLIENTS
            accepted += answers.accepted
            p99_seconds.append(float(np.quantile(answers.seconds, 0.99)))
        assert p99_seconds[-1] < P99_SECONDS, p99_seconds
        assert sorted(service.logged_ids()) == sorted(f"{number:08d}-0" for number in accepted)
    finally:
        service.end()


async def _all_at_once(url: str, template: Template, first_number: int) -> Answers:
    load = Load(url, first_number)
    try:
        return await load.closed(template, CLIENTS, _SECONDS)
    finally:
        await load.close()


@pytest.mark.slow
@pytest.mark.req("SCL-02")
def test_ten_times_ten_million_a_day_are_each_counted_once(
    installation: Endpoints, tmp_path: Path
) -> None:
    """For some seconds, with copies: a worker keeps up, so an hour is the same again and again."""
    service = Service(installation, tmp_path)
    url = service.start()
    arguments = ["serve", "streams", "--worker-id", "one", "--state-dir", str(tmp_path / "state")]
    worker = Child("worker", arguments, installation, tmp_path, os.environ)
    worker.start()
    template = Template(service.api_key, _BATCH)
    try:
        with closing(connect_clickhouse(installation.clickhouse)) as client:
            first = asyncio.run(_stream(url, template, 1.0, 0))  # what is still to be compiled is
            _wait_for(client, worker, len(first) * _BATCH)
            began = monotonic_seconds()
            sent = asyncio.run(_stream(url, template, _SECONDS, 1_000_000))
            asyncio.run(_again(url, template, sent[:_COPIES]))
            seconds = monotonic_seconds() - began
            assert len(sent) * _BATCH >= 0.9 * _PER_SECOND * _SECONDS
            distinct = (len(first) + len(sent)) * _BATCH
            counts = _wait_for(client, worker, distinct + _COPIES * _BATCH)
            assert counts == (distinct + _COPIES * _BATCH, distinct, distinct, distinct)
            assert monotonic_seconds() - began < 2 * seconds + 10, "the worker falls behind"
    finally:
        worker.end()
        service.end()


async def _stream(url: str, template: Template, seconds: float, first_number: int) -> list[int]:
    """Requests at a steady rate; the numbers of all of them."""
    load = Load(url, first_number)
    try:
        answers = await load.open(template, _PER_SECOND / _BATCH, 256, seconds)
    finally:
        await load.close()
    assert answers.statuses == Counter({202: len(answers.accepted)})
    assert (answers.unanswered, answers.unsent) == (0, 0)
    return answers.accepted


async def _again(url: str, template: Template, numbers: list[int]) -> None:
    for number in numbers:
        load, answers = Load(url, number - 1), Answers()
        assert await load.send(template, answers) == 202
        await load.close()


def _wait_for(client: Client, worker: Child, events: int) -> tuple[int, int, int, int]:
    """Events of the log until now, those that were accepted, their rows and keys."""
    deadline = monotonic_seconds() + _STREAMING_SECONDS
    while True:
        [found] = client.query(_COUNTS).result_rows
        if found[0] >= events:
            return int(found[0]), int(found[1]), int(found[2]), int(found[3])
        assert worker.alive(), worker.read_log()[-2000:]
        assert monotonic_seconds() < deadline, (found, worker.read_log()[-2000:])
        time.sleep(0.1)
