"""The proof: every stored total recomputed from the raw events, every count from the ledger.

For each complete run of every level, `meter_usage` must equal the aggregate of its `usage_events`
under the catalog that the ledger names. For every chunk, events = accepted + duplicates + conflicts
+ rejected, accepted = rows in `usage_events`, conflicts = copies kept; and the ledger of a roll-up
is the sum of its runs. What lies beyond what the ledger proves is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from catalog.meter_definition import MeterDefinition
from core.errors import NotFoundError
from db.clickhouse import connect_clickhouse
from usage.recompute import Checked, Recomputer
from usage.slices import ChunkRange, Slice, of_chunks, slices
from usage.troubles import clickhouse_troubles
from usage.verify_ledger import Difference, read_ledger

__all__ = ["ChunkRange", "Difference", "VerifyReport", "verify"]

_THREADS: Final = 2
_COUNTS: Final = ("records", "events", "accepted", "duplicates", "conflicts", "rejected")


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
        return {name: sum(row[name] for row in self.partitions) for name in _COUNTS}


def verify(
    clickhouse_url: str,
    meters: Sequence[MeterDefinition],
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    chunks: ChunkRange | None = None,
) -> VerifyReport:
    """Check everything that is proved, or some chunks of one partition alone.

    `progress` is told events done and events in all. Raises `DependencyDownError` when ClickHouse
    does not answer, `NotFoundError` when the ledger has no such chunks.
    """
    client = connect_clickhouse(clickhouse_url)
    try:
        with clickhouse_troubles():
            return _verify(client, meters, progress, chunks)
    finally:
        client.close()


def _verify(
    client: Client,
    meters: Sequence[MeterDefinition],
    progress: Callable[[int, int], None],
    chunks: ChunkRange | None,
) -> VerifyReport:
    facts = read_ledger(client)
    if chunks is not None:
        facts = facts.only(chunks)
        if facts.chunks.is_empty():
            raise NotFoundError(f"chunks: the ledger has none of {chunks}")
    report = VerifyReport(facts.sums(), chunks_checked=len(facts.chunks.filter("complete")))
    report.differences += facts.differences(client)
    recomputer = Recomputer(client, meters, facts)
    work = slices(client) if chunks is None else [of_chunks(chunks, facts)]
    results = _side_by_side(recomputer, work, progress)
    counts = [pl.DataFrame(schema=facts.found_schema)]
    for checked in results:
        report.rows_checked += checked.rows
        report.differences += checked.differences
        counts.append(checked.found)
    report.differences += facts.not_found(pl.concat(counts))
    return report


def _side_by_side(
    recomputer: Recomputer, work: Sequence[Slice], progress: Callable[[int, int], None]
) -> Iterable[Checked]:
    of, done = sum(each.size for each in work), 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as pool:
        for each, checked in zip(work, pool.map(recomputer.check, work), strict=True):
            done += each.size
            progress(done, of)
            yield checked
