"""Subscriptions created over HTTP, by threads with a connection each, which is kept."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import psycopg
from psycopg.rows import dict_row

from benchmarks.crowd import Crowd
from benchmarks.errors import BenchmarkError
from benchmarks.installation import load_sql
from core.acting import SYSTEM, Acting
from core.clock import monotonic_seconds
from db.postgres import Database, Role

THREADS: Final = 8
_CREATED: Final = 201
_TIMEOUT_SECONDS: Final = 60
_MILLIS: Final = 1000
_REPEATED: Final = 20


@dataclass(frozen=True, slots=True)
class Creating:
    """What came of it: a second's worth, and how long half of the requests, and 99 in 100, took."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float


def create_over_http(url: str, api_key: str, first: int, many: int, threads: int) -> Creating:
    """Subscribe the customers from number `first` on to the plan. Raises `BenchmarkError`."""
    numbers = iter(range(first, first + many))

    def work(_: int) -> list[float]:
        connection, took = _connection(url), []
        while (number := next(numbers, None)) is not None:
            began = monotonic_seconds()
            _post(connection, api_key, number)
            took.append(monotonic_seconds() - began)
        connection.close()
        return took

    began = monotonic_seconds()
    with ThreadPoolExecutor(threads) as pool:
        took = [each for some in pool.map(work, range(threads)) for each in some]
    seconds = monotonic_seconds() - began
    middle, late = np.quantile(took, (0.5, 0.99)) * _MILLIS
    return Creating(len(took), len(took) / seconds, round(float(middle), 2), round(float(late), 2))


def repeat(url: str, api_key: str, first: int) -> list[str]:
    """Some of the requests once more, by the same keys: the same answers, or what is different."""
    connection = _connection(url)
    ids = [
        [_post(connection, api_key, first + at)["id"] for _ in range(2)] for at in range(_REPEATED)
    ]
    connection.close()
    return [f"asked twice, got {one} and {other}" for one, other in ids if one != other]


def differ(url: str, crowd: Crowd, first: int, many: int) -> list[str]:
    """What Postgres lacks, or has too much, of the subscriptions that were created."""
    values = {"tenant_id": crowd.tenant_id, "first": first, "last": first + many - 1}
    with psycopg.connect(url, row_factory=dict_row) as conn:
        row = conn.execute(load_sql("select_created"), values).fetchone()
    assert row is not None
    return [f"{found} {name}, not {many}" for name, found in row.items() if found != many]


def rows_per_second(url: str, crowd: Crowd, first: int, many: int, threads: int) -> float:
    """The least there is to do: a subscription's bare row and a commit, by as many threads."""
    statement, numbers = load_sql("insert_bare_subscription"), iter(range(first, first + many))
    acting = Acting(crowd.tenant_id, SYSTEM)
    with Database(url, Role.API, connections_max=threads) as db:

        def work(_: int) -> None:
            while (number := next(numbers, None)) is not None:
                with db.transaction(acting) as conn:
                    conn.execute(statement, {"tenant_id": crowd.tenant_id, "number": number})

        began = monotonic_seconds()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return many / (monotonic_seconds() - began)


def _connection(url: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)


def _post(connection: HTTPConnection, api_key: str, number: int) -> dict[str, Any]:
    body = {"slug": f"s-{number}", "customer": f"c-{number}", "plan": "standard"}
    headers = {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"create-{number}",
    }
    connection.request("POST", "/v1/subscriptions", json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != _CREATED:
        raise BenchmarkError(f"the server answered {answer.status}: {text[:300]!r}")
    found: dict[str, Any] = json.loads(text)
    return found
