"""The proof: every stored total recomputed from the raw events, every count from the ledger.

For each complete chunk, `meter_usage` must equal the aggregate of its `usage_events` under the
catalog that the ledger names; for every chunk, events = accepted + duplicates + conflicts +
rejected, and accepted = rows in `usage_events`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.metering.aggregate import (
    QUANTITY,
    USAGE_COLUMNS,
    CompiledMeters,
    compile_meters,
    measure,
    total,
)
from catalog.meters import MeterDefinition
from db.clickhouse import connect_clickhouse

_RUNS_AT_A_TIME: Final = 64
_KEY: Final = ("run", "tenant_id", "meter_id", "subject", "dimensions", "hour")
_VALUES: Final = ("event_count", "unmeterable_count", "sum", "last_offset")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not hold, and where: `cell` names the chunk and, for usage, the row."""

    what: str
    cell: dict[str, object]
    stored: dict[str, object]
    recomputed: dict[str, object]


@dataclass(slots=True)
class VerifyReport:
    """What was checked. `partitions` has one dict of ledger sums per partition of the log."""

    partitions: list[dict[str, int]]
    chunks_checked: int = 0
    rows_checked: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int]:
        """The ledger summed over all partitions."""
        names = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")
        return {name: sum(row[name] for row in self.partitions) for name in names}


def verify(
    clickhouse_url: str,
    meters: Sequence[MeterDefinition],
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> VerifyReport:
    """Check everything that is proved. `progress` is told chunks done and chunks in all."""
    client = connect_clickhouse(clickhouse_url)
    try:
        totals = client.query(sql.load("clickhouse/queries/verify_totals"))
        report = VerifyReport(list(totals.named_results()))
        report.differences += _ledger_differences(client)
        of = sum(row["chunks"] for row in report.partitions)
        compiled: dict[int, CompiledMeters] = {}
        for part in report.partitions:
            for runs in _complete_runs(client, part):
                for version in runs["catalog_version"].unique().to_list():
                    if version not in compiled:
                        compiled[version] = compile_meters(meters, version)
                _check_usage(client, part, runs, compiled, report)
                progress(report.chunks_checked, of)
        return report
    finally:
        client.close()


def _ledger_differences(client: Client) -> list[Difference]:
    rows = client.query(sql.load("clickhouse/queries/verify_ledger")).named_results()
    counts = ("events", "accepted", "duplicates", "conflicts", "rejected")
    return [
        Difference(
            "ledger",
            {name: row[name] for name in ("generation", "partition", "run")},
            {name: row[name] for name in counts},
            {"rows in usage_events": row["stored"]},
        )
        for row in rows
    ]


def _frame(client: Client, name: str, parameters: dict[str, int]) -> pl.DataFrame:
    table = client.query_arrow(sql.load(f"clickhouse/queries/{name}"), parameters=parameters)
    return pl.DataFrame(pl.from_arrow(table))


def _complete_runs(client: Client, part: dict[str, int]) -> Iterator[pl.DataFrame]:
    where = {"generation": part["generation"], "partition": part["partition"]}
    runs = _frame(client, "verify_chunks", where)
    yield from runs.iter_slices(_RUNS_AT_A_TIME)


def _check_usage(
    client: Client,
    part: dict[str, int],
    runs: pl.DataFrame,
    compiled: dict[int, CompiledMeters],
    report: VerifyReport,
) -> None:
    """Compare the totals of some chunks of a partition, cell by cell, in both directions."""
    first_run, last_run = int(runs["run"][0]), int(runs["run"][-1])
    chunk = (int(runs["last_offset"][0]) + 1) // (first_run + 1)
    where = {"generation": part["generation"], "partition": part["partition"]}
    events = _frame(
        client,
        "events_of_chunk",
        where | {"first": first_run * chunk, "end": (last_run + 1) * chunk},
    ).with_columns(run=(pl.col("offset") // chunk).cast(pl.UInt64))
    stored = _normal(
        _frame(client, "verify_usage", where | {"first_run": first_run, "end_run": last_run + 1})
    )
    for (version,), group in runs.group_by("catalog_version"):
        mine = compiled[int(str(version))]
        known = group["run"].implode()
        of_group = events.filter(pl.col("run").is_in(known))
        again = total(measure(of_group, mine), mine, ("run",)).with_columns(
            last_offset=(pl.col("run") + 1) * chunk - 1
        )
        there = stored.filter(
            pl.col("run").is_in(known) & pl.col("meter_id").is_in(mine.meters["meter_id"].implode())
        )
        report.differences += _unequal(there, _normal(again), where)
        report.rows_checked += len(there)
        report.chunks_checked += len(group)


def _normal(rows: pl.DataFrame) -> pl.DataFrame:
    """One form for rows from both sides, so that equal means equal."""
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "run": pl.UInt64,
        "hour": pl.Datetime("us", "UTC"),
        "event_count": pl.UInt64,
        "unmeterable_count": pl.UInt64,
        "sum": QUANTITY,
        "last_offset": pl.UInt64,
    }
    names = (*USAGE_COLUMNS, "run", "last_offset")
    return rows.select(pl.col(name).cast(types.get(name, pl.String)) for name in names)


def _unequal(
    stored: pl.DataFrame, again: pl.DataFrame, where: dict[str, int]
) -> Iterator[Difference]:
    both = stored.join(again, on=_KEY, how="full", suffix="_again", coalesce=True)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_again")) for name in _VALUES)
    for row in both.filter(~same).to_dicts():
        yield Difference(
            "meter_usage",
            where | {name: row[name] for name in _KEY},
            {name: row[name] for name in _VALUES},
            {name: row[f"{name}_again"] for name in _VALUES},
        )
