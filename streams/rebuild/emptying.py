"""Emptying derived tables: all of them, the totals, or single runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from core.levels import LEVELS_MAX, ROLL
from db.cluster import run_statements

_RUNS_AT_ONCE: Final = 2_000


class Run(NamedTuple):
    """A run of a level of one partition; level 0 is a chunk."""

    generation: int
    partition: int
    level: int
    run: int


def empty_everything(client: Client) -> None:
    """Empty all that a worker makes from the log, the ledger first."""
    run_statements(client, "empty_derived_tables", {})


def empty_usage(client: Client) -> None:
    """Empty the totals: chunks are proved as before, but without any meter.

    From the first statement on everything is read from the events, so no answer is ever wrong.
    """
    run_statements(client, "empty_usage", {})


def forget_totals(client: Client, runs: Iterable[Run]) -> None:
    """Let the jobs make the totals of some runs again, and of every run above them."""
    for where in _places(runs):
        run_statements(client, "forget_totals", where)


def forget_chunks(client: Client, chunks: Iterable[Run], chunk_records: Mapping[int, int]) -> None:
    """Let a worker make some chunks again from the log: events, totals and proof.

    chunk_records: by generation.
    """
    for where in _places(chunks):
        size = chunk_records[int(str(where["generation"]))]
        run_statements(client, "forget_chunks", where | {"chunk_records": size})


def with_ancestors(runs: Iterable[Run]) -> set[Run]:
    """The runs, and every run of a higher level that they are a part of."""
    return {
        Run(run.generation, run.partition, level, run.run // ROLL ** (level - run.level))
        for run in runs
        for level in range(run.level, LEVELS_MAX)
    }


def _places(runs: Iterable[Run]) -> Iterator[dict[str, object]]:
    """The runs with those above them, as parameters of a query per partition."""
    parts: dict[tuple[int, int], list[Run]] = {}
    for run in sorted(with_ancestors(runs), key=lambda run: (-run.level, *run)):
        parts.setdefault((run.generation, run.partition), []).append(run)
    for (generation, partition), all_runs in parts.items():
        for at in range(0, len(all_runs), _RUNS_AT_ONCE):
            some = all_runs[at : at + _RUNS_AT_ONCE]
            yield {
                "generation": generation,
                "partition": partition,
                "runs": [f"{run.level}/{run.run}" for run in some],
                "chunks": [run.run for run in some if run.level == 0],
            }
