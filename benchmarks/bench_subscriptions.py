"""`python -m benchmarks.bench_subscriptions`: subscriptions at scale, found, claimed and created.

Makes a crowd inside Postgres, one in five with a period to invoice. One worker finds and claims
them as a billing run does, then also moves them on, then two workers share the same periods; beside
them one subscription at a time, a commit each. Then new ones are created over HTTP, beside their
bare rows. Every due period must be found exactly once, as it was made, and no hot query may read a
large table as a whole. Exits with 1 when something differs, or a gate is missed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks import creating
from benchmarks.billing_crowd import Billing, bill, bill_one_by_one, bill_together, differ
from benchmarks.crowd import Crowd, fill, reset
from benchmarks.errors import BenchmarkError
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.installation import Installation, servers
from benchmarks.machine import ProcessCost
from benchmarks.measuring import worker
from benchmarks.progress import Step, new_bars, reporter, stepper
from benchmarks.query_plans import Answer, ask
from benchmarks.whole_path import url_of
from core.clock import SystemClock
from core.collecting import YOUNG_OBJECTS_OF_BATCH, collect_less
from core.errors import TollbookError
from db.postgres import Database
from identity.api_keys import SUBSCRIPTIONS_WRITE, insert_api_key

SUBSCRIPTIONS: Final = 100_000
FULL_SUBSCRIPTIONS: Final = 1_000_000
CREATES: Final = 2_000
_ONE_BY_ONE: Final = 2_000
_PAGE: Final = 10_000
_WARMING: Final = 10
"""One in so many requests more, before anything is measured."""

_WORKERS: Final = 2
_SERVE: Final = ("cli.main", "serve", "api", "--port", "0", "--state-dir", "state")
_CLAIMED: Final = "found and claimed, subscriptions/s"
_CREATED: Final = "created over HTTP, subscriptions/s"
BOUNDS: Final = Bound(_CLAIMED, least=20_000), Bound(_CREATED, least=200)


def main(
    subscriptions: Annotated[
        int, typer.Option(min=1_000, help="Subscriptions, one in five of them due.")
    ] = SUBSCRIPTIONS,
    creates: Annotated[int, typer.Option(min=100, help="Created over HTTP.")] = CREATES,
    full: Annotated[bool, typer.Option("--full", help="A million subscriptions.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail below the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "subscriptions.json",
) -> None:
    """Measure due periods and new subscriptions beside their baselines, and check all of them.

    Example: python -m benchmarks.bench_subscriptions --subscriptions 10000 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    many = FULL_SUBSCRIPTIONS if full else subscriptions
    collect_less(YOUNG_OBJECTS_OF_BATCH)
    try:
        with (
            new_bars() as bars,
            servers(os.environ, reporter(bars)) as running,
            running.installation() as where,
        ):
            runs = _measure(where, many, creates, stepper(bars))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    differences = [f"{run['run']}: {line}" for run in runs for line in run["differences"]]
    outcome = Outcome("subscriptions", runs, _figures(runs), BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    by_name = {run["run"]: run for run in runs}
    rate = "subscriptions_per_second"
    plain, created = by_name["one by one"][rate], by_name["created"]
    return {
        _CLAIMED: by_name["claimed"][rate],
        "and moved on, subscriptions/s": by_name["moved on"][rate],
        "and moved on by two workers, subscriptions/s": by_name["moved on by two"][rate],
        "one at a time, subscriptions/s": plain,
        "moved on: x one at a time": by_name["moved on"][rate] / plain,
        _CREATED: created["per_second"],
        "created over HTTP: p50, ms": created["p50_ms"],
        "created over HTTP: p99, ms": created["p99_ms"],
        "created over HTTP: CPU of the server each, ms": created["server_cpu_ms"],
        "bare rows, subscriptions/s": created["bare_rows_per_second"],
        "slowest question, ms": max(each["milliseconds"] for each in by_name["plans"]["answers"]),
    }


def _measure(where: Installation, many: int, creates: int, step: Step) -> list[dict[str, Any]]:
    url, warming = where.endpoints.postgres, creates // _WARMING
    spare = warming + 2 * creates
    with step("making subscriptions", many + spare) as tell:
        crowd = fill(url, many, spare, tell=tell)
    runs = [*_billed(where, crowd, step)]
    with step("asking for plans", 0):
        runs.append(_plans(ask(url, crowd, min(_PAGE, many // 100))))
    with step("creating over HTTP", creates):
        runs.append(_created(where, crowd, creates, warming))
    return runs


def _billed(where: Installation, crowd: Crowd, step: Step) -> list[dict[str, Any]]:
    url, due = where.endpoints.postgres, sum(1 for _ in crowd.due())
    with step("finding and claiming", due) as tell:
        claimed = bill(url, crowd.tenant_id, mark=False, tell=tell)
    runs = [_run("claimed", crowd, _seconds(claimed), claimed)]
    one_by_one = min(_ONE_BY_ONE, crowd.due_count // 2)
    with step("one at a time", one_by_one):
        seconds = bill_one_by_one(url, crowd.tenant_id, one_by_one)
    plain = {"run": "one by one", "subscriptions_per_second": one_by_one / seconds}
    runs.append(plain | {"subscriptions": one_by_one, "differences": []})
    reset(url, crowd)
    with step("moving on", due) as tell:
        moved = bill(url, crowd.tenant_id, mark=True, tell=tell)
    runs.append(_run("moved on", crowd, _seconds(moved), moved))
    runs[-1]["differences"] += _left(url, crowd)
    reset(url, crowd)
    with step("moving on, two workers", 0):
        shared = bill_together(where.endpoints, crowd.tenant_id, _WORKERS)
    runs.append(_run("moved on by two", crowd, max(map(_seconds, shared)), *shared))
    runs[-1]["differences"] += _left(url, crowd)
    return runs


def _run(name: str, crowd: Crowd, seconds: float, *done: Billing) -> dict[str, Any]:
    many = crowd.due_count
    return {
        "run": name,
        "subscriptions": many,
        "periods": sum(len(each.got) for each in done),
        "subscriptions_per_second": many / seconds,
        "seconds": round(seconds, 3),
        "find_seconds": [round(each.find_seconds, 3) for each in done],
        "claim_seconds": [round(each.claim_seconds, 3) for each in done],
        "mark_seconds": [round(each.mark_seconds, 3) for each in done],
        "differences": differ(crowd, *done),
    }


def _seconds(done: Billing) -> float:
    return done.find_seconds + done.claim_seconds + done.mark_seconds


def _left(url: str, crowd: Crowd) -> list[str]:
    left = bill(url, crowd.tenant_id, mark=False).got
    return [f"{len(left)} periods are still due, such as {left[0]}"] if left else []


def _plans(answers: Sequence[Answer]) -> dict[str, Any]:
    differences = [
        f"{each.name} ({each.query}) reads all of {', '.join(each.scans)}"
        for each in answers
        if each.scans
    ]
    return {
        "run": "plans",
        "answers": [asdict(each) for each in answers],
        "differences": differences,
    }


def _created(where: Installation, crowd: Crowd, many: int, warming: int) -> dict[str, Any]:
    url, log, first = where.endpoints.postgres, where.folder / "api.log", crowd.count + 1
    with Database(url) as db, db.transaction() as conn:
        key = insert_api_key(
            conn, SystemClock(), crowd.tenant_id, "benchmark", scopes=(SUBSCRIPTIONS_WRITE,)
        )
    with worker(_SERVE, where.endpoints.as_environment(), log) as process:
        server = url_of(process, log)
        creating.create_over_http(server, key, first, warming, creating.THREADS)
        first += warming
        cost = ProcessCost(process.pid)
        cost.begin()
        done = creating.create_over_http(server, key, first, many, creating.THREADS)
        cost.sample()
        differences = creating.repeat(server, key, first)
    differences += creating.differ(url, crowd, first, many)
    bare = creating.rows_per_second(url, crowd, first + many, many, creating.THREADS)
    return {
        "run": "created",
        **asdict(done),
        "threads": creating.THREADS,
        "server_cpu_ms": round(cost.cpu_seconds / many * 1000, 2),
        "bare_rows_per_second": bare,
        "differences": differences,
    }


if __name__ == "__main__":
    typer.run(main)
