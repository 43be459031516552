"""`python -m benchmarks.bench_entitlements`: checks from memory, over HTTP.

Customers with a limited feature are asked about in turn by one caller whose connection is kept,
while the server reads all of them again in the background. First once each, cold: read through.
Then warm. Every answer must be right and as fresh as is stated. Exits with 1 when something
differs, or a gate is missed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import date
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import numpy as np
import typer

from benchmarks.errors import BenchmarkError
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.installation import Installation, servers
from benchmarks.machine import ProcessCost
from benchmarks.measuring import worker
from benchmarks.progress import Step, new_bars, reporter, stepper
from benchmarks.whole_path import url_of
from core.clock import SystemClock, monotonic_seconds
from core.collecting import collect_less
from core.errors import TollbookError
from db.postgres import Database
from entitlements.memory import Ages
from identity.api_keys import ENTITLEMENTS_READ, insert_api_key
from subscriptions.setup import apply_catalog

CUSTOMERS: Final = 20
CHECKS: Final = 10_000
_SERVE: Final = ("cli.main", "serve", "api", "--port", "0", "--state-dir", "state")
_P99: Final = "warm check over HTTP: p99, ms"
BOUNDS: Final = (Bound(_P99, most=5),)
_LIMIT: Final = "1000"
_MILLIS: Final = 1_000
_OK: Final = 200
_TIMEOUT_SECONDS: Final = 60


def main(
    customers: Annotated[int, typer.Option(min=1, help="Asked about in turn.")] = CUSTOMERS,
    checks: Annotated[int, typer.Option(min=100, help="Warm checks.")] = CHECKS,
    gates: Annotated[bool, typer.Option(help="Fail above the stated figure.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "entitlements.json",
) -> None:
    """Measure checks, cold and warm, and look at every answer.

    Example: python -m benchmarks.bench_entitlements --checks 1000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    collect_less()
    try:
        with (
            new_bars() as bars,
            servers(os.environ, reporter(bars)) as running,
            running.installation() as where,
        ):
            run = _measure(where, customers, checks, stepper(bars))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    figures = {
        _P99: run["warm_p99_ms"],
        "warm check over HTTP: p50, ms": run["warm_p50_ms"],
        "cold check over HTTP: p50, ms": run["cold_p50_ms"],
        "CPU of the server each, background too, ms": run["server_cpu_ms"],
    }
    outcome = Outcome("entitlements", [run], figures, BOUNDS, run["differences"])
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _measure(where: Installation, customers: int, checks: int, step: Step) -> dict[str, Any]:
    log = where.folder / "api.log"
    with Database(where.endpoints.postgres) as db:
        tenant_id = apply_catalog(db, SystemClock(), _document(customers)).tenant_id
        with db.transaction() as conn:
            scopes = (ENTITLEMENTS_READ,)
            key = insert_api_key(conn, SystemClock(), tenant_id, "benchmark", scopes=scopes)
    with worker(_SERVE, where.endpoints.as_environment(), log) as process:
        address = urlsplit(url_of(process, log))
        connection = HTTPConnection(address.netloc, timeout=_TIMEOUT_SECONDS)
        with step("cold", customers):
            cold = [_check(connection, key, number) for number in range(customers)]
        cost = ProcessCost(process.pid)
        cost.begin()
        with step("warm", checks):
            warm = [_check(connection, key, number % customers) for number in range(checks)]
        cost.sample()
        connection.close()
    middle, late = np.quantile([took for took, _ in warm], (0.5, 0.99)) * _MILLIS
    return {
        "run": "checks",
        "customers": customers,
        "checks": checks,
        "cold_p50_ms": round(float(np.median([took for took, _ in cold])) * _MILLIS, 2),
        "warm_p50_ms": round(float(middle), 2),
        "warm_p99_ms": round(float(late), 2),
        "server_cpu_ms": round(cost.cpu_seconds / checks * _MILLIS, 3),
        "differences": sorted({text for _, text in (*cold, *warm) if text}),
    }


def _check(connection: HTTPConnection, key: str, number: int) -> tuple[float, str]:
    """How long a check took, and what is wrong with its answer."""
    path = f"/v1/customers/customer-{number}/entitlements/calls"
    began = monotonic_seconds()
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    body = answer.read()
    took = monotonic_seconds() - began
    if answer.status != _OK:
        raise BenchmarkError(f"a check was answered {answer.status}: {body[:300]!r}")
    told = json.loads(body)
    if (told["allowed"], told["limit"], told["used"]) != (True, _LIMIT, "0"):
        return took, f"customer {number} was told {told}"
    if Decimal(told["age_seconds"]) > Decimal(Ages().fresh) + 1:
        return took, "an answer was older than it may be"
    return took, ""


def _document(customers: int) -> dict[str, Any]:
    names = [f"customer-{number}" for number in range(customers)]
    card = {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "1"}}
    limit = {"feature": "calls", "limit": _LIMIT, "hard": True}
    meter = {"slug": "calls", "name": "Calls", "event_type": "call", "aggregation": "count"}
    plan = {"slug": "plan", "name": "Plan", "currency": "USD", "rate_cards": [card]}
    return {
        "tenant": {"slug": "bench", "name": "Bench"},
        "meters": [meter],
        "features": [{"slug": "calls", "name": "Calls", "kind": "metered", "meter": "calls"}],
        "plans": [plan | {"entitlements": [limit]}],
        "customers": [
            {"slug": name, "name": name, "currency": "USD", "subjects": [name]} for name in names
        ],
        "subscriptions": [
            {"slug": name, "customer": name, "plan": "plan", "anchor": date(2026, 1, 1)}
            for name in names
        ],
    }


if __name__ == "__main__":
    typer.run(main)
