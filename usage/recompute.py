"""Stored totals against the totals of their raw events, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregate import (
    USAGE_COLUMNS,
    USAGE_SCHEMA,
    compile_meters,
    keep,
    measure,
    merge,
    total,
)
from catalog.metering.rows import KEY_COLUMNS
from core.levels import LEVELS_MAX, ROLL
from usage.events import EVENTS
from usage.slices import Slice
from usage.verify_ledger import RUN, Difference, LedgerFacts

_KEY: Final = (*RUN, *KEY_COLUMNS)
_VALUES: Final = (*USAGE_COLUMNS[len(KEY_COLUMNS) :], "last_offset")
_STORED: Final = pl.Schema(
    {
        "generation": pl.UInt16(),
        "partition": pl.UInt16(),
        "run": pl.UInt64(),
        **USAGE_SCHEMA,
        "last_offset": pl.UInt64(),
    }
)
_EVENTS: Final = pl.Schema({**EVENTS, "misplaced": pl.Boolean()})
_DIFFERENCES_MAX: Final = 1000
"""Told of one slice: whoever has more differences has enough."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a slice: rows of totals, what differs, and the accepted rows by chunk."""

    rows: int
    differences: list[Difference]
    found: pl.DataFrame


class Recomputer:
    """Recomputes slices; threads may share it."""

    def __init__(
        self, client: Client, meters: Sequence[MeterDefinition], facts: LedgerFacts
    ) -> None:
        self._client, self._facts = client, facts
        newest = facts.runs["catalog_version"].max()
        self._compiled = compile_meters(meters, int(str(newest or 0)))
        self._meters = pl.DataFrame(
            [(str(meter.id), meter.catalog_version) for meter in meters],
            schema={"meter_id": pl.String, "since": pl.UInt32},
            orient="row",
        )
        self._complete = [
            facts.runs.filter((pl.col("level") == level) & pl.col("complete")).select(
                *RUN, "last_offset", "catalog_version"
            )
            for level in range(LEVELS_MAX)
        ]

    def check(self, some: Slice) -> Checked:
        """Compare the stored totals of a slice with those of its events."""
        events = self._read(some.events, some.parameters)
        events = events.select(pl.col(name).cast(_EVENTS[name]) for name in events.columns)
        proved = self._facts.proved(events)
        differences = list(_misplaced(proved))
        found = proved.group_by(RUN).agg(pl.len().cast(pl.Int64).alias("found"))
        of_complete = proved.filter(pl.col("complete"))
        measured = keep(measure(of_complete, self._compiled), *RUN)
        del events, proved, of_complete
        rows = total(measured, self._compiled, RUN)
        del measured
        stored = self._read(some.stored, some.parameters)
        checked = 0
        for level in range(LEVELS_MAX):
            there = self._known(stored.filter(pl.col("level") == level), level)
            again = self._known(self._rolled_up(rows, level), level)
            checked += len(there)
            differences += list(_unequal(there, again, level))[:_DIFFERENCES_MAX]
        return Checked(checked, differences, found.select(self._facts.found_schema.names()))

    def _read(self, query: str, parameters: dict[str, Any]) -> pl.DataFrame:
        table = self._client.query_arrow(
            sql.load(f"clickhouse/queries/{query}"), parameters=parameters
        )
        return pl.DataFrame(pl.from_arrow(table))

    def _rolled_up(self, rows: pl.DataFrame, level: int) -> pl.DataFrame:
        """The totals of chunks as those of the complete runs of a level."""
        if level == 0:
            return rows
        runs = self._complete[level]
        above = rows.with_columns(pl.col("run") // ROLL**level)
        above = above.join(runs.select(RUN), on=RUN, how="semi")
        return merge(above, self._compiled, RUN, days=True)

    def _known(self, rows: pl.DataFrame, level: int) -> pl.DataFrame:
        """Rows of complete runs of a level, of meters that the run's catalog knew, in one form."""
        mine = (
            rows.join(self._complete[level], on=RUN, how="inner", suffix="_proved")
            .join(self._meters, on="meter_id", how="inner")
            .filter(pl.col("since") <= pl.col("catalog_version"))
        )
        return _in_one_order(
            mine.select(pl.col(name).cast(dtype) for name, dtype in _STORED.items())
        )


def _in_one_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Equal rows in an equal order: by the hash of their key, several times cheaper than by it.

    Keys of one hash may change places. Rows are then compared one by one, and found to be equal.
    """
    return rows[rows.select(_KEY).hash_rows().arg_sort()]


def _misplaced(events: pl.DataFrame) -> Iterator[Difference]:
    """Events stored under another hour than theirs, where no question about a time finds them."""
    wrong = events.filter("misplaced").head(_DIFFERENCES_MAX)
    for row in wrong.with_columns(level=0).to_dicts():
        cell = {name: row[name] for name in ("level", *RUN, "offset", "row")}
        yield Difference("usage_events", cell, {"hour": "another one"}, {"time": row["time"]})


def _unequal(stored: pl.DataFrame, again: pl.DataFrame, level: int) -> Iterator[Difference]:
    """Cell by cell, in both directions."""
    if stored.equals(again):
        return
    both = stored.join(again, on=_KEY, how="full", suffix="_again", coalesce=True)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_again")) for name in _VALUES)
    for row in both.filter(~same).sort(_KEY).to_dicts():
        yield Difference(
            "meter_usage",
            {"level": level, **{name: row[name] for name in _KEY}},
            {name: row[name] for name in _VALUES},
            {name: row[f"{name}_again"] for name in _VALUES},
        )
