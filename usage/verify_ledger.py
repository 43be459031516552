"""What the ledger says, and whether it agrees with itself and with the rows that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from clickhouse_connect.driver.client import Client

import sql
from core.levels import LEVELS_MAX, ROLL

if TYPE_CHECKING:
    from usage.slices import ChunkRange

PART: Final = ("generation", "partition")
RUN: Final = (*PART, "run")
_VERDICTS: Final = ("accepted", "duplicates", "conflicts", "rejected")
_COUNTS: Final = ("records", "events", *_VERDICTS)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that does not hold, and where: `cell` names the run and, for usage, the row."""

    what: str
    cell: dict[str, object]
    stored: dict[str, object]
    recomputed: dict[str, object]


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The ledger: one row per run, with `chunk_records`, whether it is `complete` and `follows`.

    A chunk follows when the log is proved right up to its beginning.
    """

    runs: pl.DataFrame

    @property
    def chunks(self) -> pl.DataFrame:
        """The rows of level 0."""
        return self.runs.filter(pl.col("level") == 0)

    @property
    def found_schema(self) -> pl.Schema:
        """Of rows found in `usage_events`, by chunk."""
        return pl.Schema([*((name, self.runs.schema[name]) for name in RUN), ("found", pl.Int64())])

    def only(self, chunks: ChunkRange) -> LedgerFacts:
        """The rows of some chunks alone."""
        inside = (
            (pl.col("level") == 0)
            & (pl.col("generation") == chunks.generation)
            & (pl.col("partition") == chunks.partition)
            & pl.col("run").is_between(chunks.first, chunks.last)
        )
        return LedgerFacts(self.runs.filter(inside))

    def sums(self) -> list[dict[str, int]]:
        """The chunks summed per partition: what the log held and what became of it."""
        return (
            self.chunks.group_by(PART)
            .agg(
                pl.len().alias("chunks"),
                (pl.col("last_offset").max() + 1).alias("end"),
                pl.col(*_COUNTS).sum(),
            )
            .sort(PART)
            .to_dicts()
        )

    def differences(self, client: Client) -> list[Difference]:
        """Where the ledger contradicts itself, or the conflicts that are kept."""
        return [
            *self._unbalanced(), *self._holes(), *self._wrong_sums(), *self._conflicts(client)
        ]  # fmt: skip

    def not_found(self, found: pl.DataFrame) -> Iterator[Difference]:
        """Chunks with another number of accepted rows than `found` (of `found_schema`)."""
        yield from _unequal(self.chunks, found, "accepted", "rows in usage_events")

    def _unbalanced(self) -> Iterator[Difference]:
        wrong = self.runs.filter(pl.col("events") != pl.sum_horizontal(_VERDICTS))
        for row in wrong.to_dicts():
            summed = sum(row[name] for name in _VERDICTS)
            yield Difference("ledger", _cell(row), _stored(row), {"sum of verdicts": summed})

    def _holes(self) -> Iterator[Difference]:
        """Chunks that do not follow the one before, or hold another number of records."""
        first = pl.col("run") * pl.col("chunk_records")
        records = pl.col("last_offset").cast(pl.Int64) + 1 - first.cast(pl.Int64)
        found = self.chunks.with_columns(records.alias("of offsets"))
        wrong = ~pl.col("follows") | (pl.col("records") != pl.col("of offsets"))
        for row in found.filter(wrong).to_dicts():
            again = {"records": row["of offsets"], "proved up to its start": row["follows"]}
            yield Difference("ledger", _cell(row), _stored(row), again)

    def _wrong_sums(self) -> Iterator[Difference]:
        """Rows of roll-ups that are not the sum of the rows below."""
        names = [*_COUNTS, "last_offset"]
        for level in range(1, LEVELS_MAX):
            below = self.runs.filter((pl.col("level") == level - 1) & pl.col("complete"))
            again = below.group_by(*PART, pl.col("run") // ROLL).agg(
                pl.col(*_COUNTS).sum(), pl.col("last_offset").max(), pl.len().alias("runs below")
            )
            both = self.runs.filter(pl.col("level") == level).join(
                again, on=RUN, how="left", suffix=" again"
            )
            same = pl.all_horizontal(
                pl.col(name).eq_missing(pl.col(f"{name} again")) for name in names
            )
            for row in both.filter(~same | (pl.col("runs below") != ROLL)).to_dicts():
                recomputed = {name: row[f"{name} again"] for name in names}
                yield Difference(
                    "ledger", _cell(row), _stored(row), recomputed | {"runs": row["runs below"]}
                )

    def _conflicts(self, client: Client) -> Iterator[Difference]:
        table = client.query_arrow(sql.load("clickhouse/queries/verify_conflicts"))
        kept = pl.DataFrame(pl.from_arrow(table))
        counted = self.proved(kept).group_by(RUN).agg(pl.col("kept").sum().alias("found"))
        yield from _unequal(self.chunks, counted, "conflicts", "rows in stream_conflicts")

    def proved(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with generation, partition and offset that a chunk proves; `RUN`, version, complete.

        Writers may be ahead of their ledger row: what they wrote is not proved yet.
        """
        sizes = self.runs.select("generation", "chunk_records").unique()
        chunks = self.chunks.select(*RUN, "last_offset", "complete", version="catalog_version")
        return (
            rows.join(sizes, on="generation", how="inner")
            .with_columns(run=pl.col("offset") // pl.col("chunk_records"))
            .join(chunks, on=RUN, how="inner")
            .filter(pl.col("offset") <= pl.col("last_offset"))
        )


def read_ledger(client: Client) -> LedgerFacts:
    """Read the whole ledger."""
    table = client.query_arrow(sql.load("clickhouse/queries/verify_ledger"))
    runs = pl.DataFrame(pl.from_arrow(table))
    span = pl.col("chunk_records") * pl.lit(ROLL, pl.UInt64).pow(pl.col("level"))
    complete = pl.col("last_offset") + 1 == (pl.col("run") + 1) * span
    before = (pl.col("last_offset") + 1).shift(1).over(*PART, "level").fill_null(0)
    follows = (pl.col("chunk_records") > 0) & (before == pl.col("run") * pl.col("chunk_records"))
    return LedgerFacts(
        runs.with_columns(
            complete.alias("complete"), ((pl.col("level") > 0) | follows).alias("follows")
        )
    )


def _unequal(
    chunks: pl.DataFrame, found: pl.DataFrame, name: str, what: str
) -> Iterator[Difference]:
    counted = found.group_by(RUN).agg(pl.col("found").cast(pl.UInt64).sum())
    both = chunks.join(counted, on=RUN, how="left").with_columns(pl.col("found").fill_null(0))
    for row in both.filter(pl.col(name) != pl.col("found")).to_dicts():
        yield Difference("ledger", _cell(row), _stored(row), {what: row["found"]})


def _cell(row: dict[str, object]) -> dict[str, object]:
    return _some(row, ("generation", "partition", "level", "run"))


def _stored(row: dict[str, object]) -> dict[str, object]:
    return _some(row, (*_COUNTS, "last_offset"))


def _some(row: dict[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: row[name] for name in names}
