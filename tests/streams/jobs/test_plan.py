"""The plan against its definition, run by run, over random ledgers."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streams.jobs.plan import COUNTS, Job, plan

CHUNK, ROLL, LEVELS = 3, 2, 4
Row = dict[str, Any]
Ledger = dict[tuple[int, int], Row]
SCHEMA: dict[str, Any] = {
    "level": pl.UInt8, "run": pl.UInt64, "last_offset": pl.UInt64, "log_time_ms": pl.Int64,
    "catalog_version": pl.UInt32, **dict.fromkeys(COUNTS, pl.UInt64),
}  # fmt: skip


def row(level: int, run: int, catalog: int, last: int, counts: list[int]) -> Row:
    return {
        "level": level, "run": run, "last_offset": last, "log_time_ms": 1000 + last,
        "catalog_version": catalog, **dict(zip(COUNTS, counts, strict=True)),
    }  # fmt: skip


def span(level: int) -> int:
    return CHUNK * int(ROLL**level)


def job(ledger: Ledger, level: int, run: int, newest: int) -> Row | None:
    """What one run needs, by definition: its new ledger row, with what it had as `known`."""
    last, old = (run + 1) * span(level) - 1, ledger.get((level, run))
    if level == 0:
        if old is None or old["last_offset"] != last:
            return None
        made = old | {"catalog_version": newest}
    else:
        below = [ledger.get((level - 1, run * ROLL + n)) for n in range(ROLL)]
        there = [child for child in below if child is not None]
        ends = [(run * ROLL + n + 1) * span(level - 1) - 1 for n in range(ROLL)]
        if [child["last_offset"] for child in there] != ends:
            return None
        version = min(newest, *(child["catalog_version"] for child in there))
        sums = [sum(child[name] for child in there) for name in COUNTS]
        made = row(level, run, version, last, sums)
    if old is not None and made["catalog_version"] <= old["catalog_version"]:
        return None
    return made | {"known": old["catalog_version"] if old else 0}


def by_definition(ledger: Ledger, newest: int) -> dict[tuple[int, int], Row]:
    """Every job, level by level, each on what the ones before it leave."""
    done, ledger = {}, dict(ledger)
    for level in range(LEVELS):
        for run in range(200 // ROLL**level):
            if made := job(ledger, level, run, newest):
                ledger[level, run] = done[level, run] = made
    return done


def random_ledger(rng: random.Random) -> Ledger:
    """Chunks with holes and an open end, and levels as some earlier, interrupted jobs left them."""
    ledger: Ledger = {}
    for run in range(rng.randint(0, 40)):
        if rng.random() < 0.97:
            counts = [rng.randint(0, 9) for _ in COUNTS]
            catalog = rng.choice((1, 1, 1, 2, 3))
            ledger[0, run] = row(0, run, catalog, (run + 1) * CHUNK - 1, counts)
    if ledger:
        last = max(ledger)
        ledger[last] |= {"last_offset": ledger[last]["last_offset"] - rng.randint(0, 1)}
    for newest in sorted(rng.choices((1, 2, 3), k=rng.randint(0, 2))):
        ends = rng.randint(0, 60)
        for at, made in list(by_definition(ledger, newest).items())[:ends]:
            ledger[at] = {name: made[name] for name in SCHEMA}
    return ledger


def frame(ledger: Ledger) -> pl.DataFrame:
    rows = [ledger[at] | {"level": at[0]} for at in ledger]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def runs_of(jobs: list[Job]) -> list[tuple[tuple[int, int], Row]]:
    return [
        ((job.level, row["run"]), row | {"level": job.level, "known": job.known})
        for job in jobs
        for row in job.ledger.to_dicts()
    ]


def settled(ledger: Ledger, newest: int) -> Ledger:
    """The ledger without what nobody needs to look at."""
    done = {at for at, row in ledger.items() if row["catalog_version"] >= newest}
    return {
        (level, run): row
        for (level, run), row in ledger.items()
        if (level + 1, run // ROLL) not in done
        and not (level == LEVELS - 1 and (level, run) in done)
    }


@given(st.integers(0, 2**32), st.integers(0, 4), st.sampled_from([1, 20, 10**6]))
def test_a_plan_is_its_definition_for_every_run_with_or_without_what_is_settled(
    seed: int, newest: int, batch: int
) -> None:
    ledger = random_ledger(random.Random(seed))
    expected = by_definition(ledger, newest)
    for known in (ledger, settled(ledger, newest)):
        jobs = plan(frame(known), newest, CHUNK, roll=ROLL, levels=LEVELS, batch_events=batch)
        found = runs_of(jobs)
        assert dict(found) == expected
        assert len(found) == len(expected), "no run twice"
        assert [level for (level, _), _ in found] == sorted(level for level, _ in expected)


@given(st.integers(0, 2**32))
def test_jobs_are_stretches_of_runs_with_one_version_of_bounded_size(seed: int) -> None:
    ledger = random_ledger(random.Random(seed))
    for job in plan(frame(ledger), 3, CHUNK, roll=ROLL, levels=LEVELS, batch_events=20):
        runs = job.ledger["run"].to_list()
        assert runs == list(range(job.first_run, job.end_run))
        assert job.ledger["catalog_version"].unique().to_list() == [job.catalog_version]
        most = 20 if job.level == 0 else 20 * ROLL
        assert job.accepted - job.ledger["accepted"][-1] < most


def test_nothing_is_left_to_do_once_the_jobs_are_done() -> None:
    ledger = random_ledger(random.Random(7))
    for at, made in by_definition(ledger, 3).items():
        ledger[at] = {name: made[name] for name in SCHEMA}
    assert plan(frame(ledger), 3, CHUNK, roll=ROLL, levels=LEVELS) == []
