"""`python -m benchmarks.bench_reads`: a month's usage, by the reader and by a scan of raw events.

Makes events inside ClickHouse, lets the jobs total them and roll them up, and proves some chunks by
`verify`. Then all customers of the month, one customer at a time while inserts go on, and the
reader kept from all totals. What the events add up to is known from the numbers they were made of;
every answer must be equal. Exits with 1 when one is not, or a gate is missed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.errors import BenchmarkError
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.insert_load import Orders
from benchmarks.installation import PARTITIONS, Installation, servers
from benchmarks.progress import Step, new_bars, reporter, stepper
from benchmarks.reading import (
    Readers,
    Shape,
    Usage,
    differ,
    make_events,
    plus,
    seconds_of,
    total_up,
    usage_of_numbers,
)
from core.clock import monotonic_seconds
from core.errors import TollbookError
from db.clickhouse import connect_clickhouse
from usage.cut import Cut
from usage.verify import ChunkRange, verify

EVENTS: Final = 5_000_000
FULL_EVENTS: Final = 100_000_000
_LARGE_FROM: Final = 50_000_000
"""From so many events on, envelopes of 1,000; below 100, so that small logs roll up, too."""

_EVENTS_PER_SUBJECT: Final = 100_000
_SUBJECTS_MIN: Final = 200
ONE_CUSTOMER_ASKS: Final = 400
INSERTED_PER_SECOND: Final = 20_000
_ALL_ASKS: Final = 5
_FROM_EVENTS_ASKS: Final = 3
_VERIFIED_CHUNKS: Final = 2
_START_SECONDS: Final = 120
"""How long the first insert may take."""

_POLL_SECONDS: Final = 0.1
_STOP_SECONDS: Final = 60
_LATE: Final = 0.99
_MILLIS: Final = 1000
_ALL: Final = "all customers: scan / reader"
_ONE: Final = "one customer while inserts run: p99, ms"


def bounds_of(events: int) -> tuple[Bound, ...]:
    """The gates: a scan grows with the events, the totals hardly do."""
    return Bound(_ALL, least=50 if events >= FULL_EVENTS else 10), Bound(_ONE, most=20)


def main(
    events: Annotated[int, typer.Option(min=4_000, help="Events to read.")] = EVENTS,
    asks: Annotated[
        int, typer.Option(min=1, help="Answers about one customer, each another one in turn.")
    ] = ONE_CUSTOMER_ASKS,
    full: Annotated[bool, typer.Option("--full", help="100 million events.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail beyond the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "reads.json",
) -> None:
    """Measure answers about a month beside a scan of the raw events, and check all of them.

    Example: python -m benchmarks.bench_reads --events 100000 --asks 40 --no-gates
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    events = FULL_EVENTS if full else events
    shape = Shape.of(
        events,
        1_000 if events >= _LARGE_FROM else 100,
        max(_SUBJECTS_MIN, events // _EVENTS_PER_SUBJECT),
    )
    try:
        with (
            new_bars() as bars,
            servers(os.environ, reporter(bars)) as running,
            running.installation() as where,
        ):
            run = _measure(where, shape, asks, stepper(bars))
    except (BenchmarkError, TollbookError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    bounds = bounds_of(shape.events)
    outcome = Outcome("reads", [run], _figures(run), bounds, run["differences"])
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _figures(run: dict[str, Any]) -> dict[str, float]:
    everyone, one = run["all_customers"], run["one_customer_ms"]
    return {
        "all customers: reader, s": everyone["reader_seconds"],
        "all customers: scan, s": everyone["scan_seconds"],
        _ALL: everyone["scan_seconds"] / everyone["reader_seconds"],
        "one customer: p50, ms": one["idle"][0],
        "one customer: p99, ms": one["idle"][1],
        "one customer while inserts run: p50, ms": one["inserting"][0],
        _ONE: one["inserting"][1],
        "one customer, from events alone: median, ms": one["from_events"],
        "one customer, scan: median, ms": one["scan"],
    }


def _measure(where: Installation, shape: Shape, asks: int, step: Step) -> dict[str, Any]:
    with ExitStack() as opened:
        client = opened.enter_context(closing(connect_clickhouse(where.endpoints.clickhouse)))
        readers = opened.enter_context(closing(Readers(where, client)))
        with step("making events", shape.events) as tell:
            make_events(where, client, shape, tell)
        with step("totals and roll-ups", shape.events) as tell:
            jobs = total_up(where, shape.events, tell)
        with step("verifying some chunks", PARTITIONS) as tell:
            differences = _verified(where, shape, tell)
        with step("adding up the numbers", 0):
            expected = usage_of_numbers(client, shape)
        cut = readers.cut()
        subjects = [f"customer-{number % shape.subjects}" for number in range(asks)]
        with step("all customers", _ALL_ASKS) as tell:
            everyone = _everyone(readers, cut, expected, differences, tell)
        with step("one customer", asks) as tell:
            idle = _one(readers, subjects, tell)
        with step("one customer, otherwise", 0):
            otherwise = _otherwise(readers, cut, subjects, expected, differences)
        with step("one customer while inserts run", asks) as tell:
            inserting, written = _beside_inserts(where, shape, readers, subjects, tell)
        after = plus(expected, written["usage"])
        with step("checking", 0):
            rows = readers.read(None)
            differences += differ("after the inserts", readers.usage(rows), after)
            differences += differ("scan after the inserts", readers.scan(), after)
    return {
        "run": "reads",
        **asdict(shape),
        "meters": len(where.meters),
        "jobs": jobs,
        "all_customers": everyone,
        "one_customer_ms": {"asks": asks, "idle": idle, "inserting": inserting, **otherwise},
        "events_inserted_meanwhile": written["events"],
        "differences": differences,
    }


def _verified(where: Installation, shape: Shape, tell: Callable[[int], None]) -> list[str]:
    """The last chunks of each partition, recomputed from raw events."""
    first = max(0, shape.chunks - _VERIFIED_CHUNKS)
    lines = []
    for partition in range(PARTITIONS):
        chunks = ChunkRange(1, partition, first, shape.chunks - 1)
        report = verify(where.endpoints.clickhouse, where.meters, chunks=chunks)
        if not report.rows_checked:
            lines.append(f"verify: nothing was checked in {chunks}")
        lines += [f"verify: {difference}" for difference in report.differences[:3]]
        tell(partition + 1)
    return lines


def _everyone(
    readers: Readers,
    cut: Cut,
    expected: Usage,
    differences: list[str],
    tell: Callable[[int], None],
) -> dict[str, Any]:
    took = []
    for done in range(_ALL_ASKS):
        seconds, rows = seconds_of(lambda: readers.read(cut))
        took.append(seconds)
        tell(done + 1)
    differences += differ("reader, all customers", readers.usage(rows), expected)
    scan_seconds, scanned = seconds_of(readers.scan)
    differences += differ("scan, all customers", scanned, expected)
    return {
        "reader_seconds": round(float(np.median(took)), 4),
        "reader_seconds_each": [round(seconds, 4) for seconds in took],
        "scan_seconds": round(scan_seconds, 3),
    }


def _one(
    readers: Readers, subjects: Sequence[str], tell: Callable[[int], None]
) -> tuple[float, float]:
    """Milliseconds of an answer at the newest cut: half of them, and 99 of 100, take no longer."""
    readers.read(None, subjects[:1])
    took = []
    for done, subject in enumerate(subjects, 1):
        seconds, rows = seconds_of(partial(readers.read, None, [subject]))
        if rows["subject"].unique().to_list() != [subject]:
            raise BenchmarkError(f"asked for {subject}, got {rows['subject'].unique().to_list()}")
        took.append(seconds * _MILLIS)
        tell(done)
    middle, late = np.quantile(took, (0.5, _LATE))
    return round(float(middle), 2), round(float(late), 2)


def _otherwise(
    readers: Readers,
    cut: Cut,
    subjects: Sequence[str],
    expected: Usage,
    differences: list[str],
) -> dict[str, float]:
    """The same answers from events alone, and by scans of one customer's events."""
    events, scans = [], []
    for subject in subjects[:_FROM_EVENTS_ASKS]:
        wanted = {subject: expected[subject]}
        seconds, rows = seconds_of(partial(readers.from_events, cut, [subject]))
        differences += differ("from events", readers.usage(rows), wanted)
        events.append(seconds * _MILLIS)
        seconds, found = seconds_of(partial(readers.scan, subject))
        differences += differ("scan of one customer", found, wanted)
        scans.append(seconds * _MILLIS)
        differences += differ("one customer", readers.usage(readers.read(cut, [subject])), wanted)
    return {
        "from_events": round(float(np.median(events)), 2),
        "scan": round(float(np.median(scans)), 2),
    }


def _beside_inserts(
    where: Installation,
    shape: Shape,
    readers: Readers,
    subjects: Sequence[str],
    tell: Callable[[int], None],
) -> tuple[tuple[float, float], dict[str, Any]]:
    orders = Orders(
        str(where.tenant_id), shape.subjects, shape.chunks, shape.envelope_events,
        INSERTED_PER_SECOND,
    )  # fmt: skip
    before = sum(readers.cut().offsets.values())
    with _inserting(where, orders) as process:
        deadline = monotonic_seconds() + _START_SECONDS
        while sum(readers.cut().offsets.values()) == before:
            if process.poll() is not None or monotonic_seconds() > deadline:
                raise BenchmarkError(f"no inserts: {process.communicate()[1][-500:]}")
            time.sleep(_POLL_SECONDS)
        took = _one(readers, subjects, tell)
        process.terminate()
        output, errors = process.communicate(timeout=_STOP_SECONDS)
    if process.returncode:
        raise BenchmarkError(f"the inserts ended: {errors[-500:]}")
    written: dict[str, Any] = json.loads(output)
    return took, written


@contextmanager
def _inserting(where: Installation, orders: Orders) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.insert_load", json.dumps(asdict(orders))],
        cwd=Path(__file__).parents[1], env={**os.environ, **where.endpoints.as_environment()},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    typer.run(main)
