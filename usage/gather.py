"""Usage rows of windows at a cut: from stored totals where they answer, the rest from events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, Protocol

import polars as pl
from clickhouse_connect.driver.client import Client

from catalog.meter_definition import MeterDefinition
from catalog.metering.aggregate import (
    CompiledMeters,
    compile_meters,
    keep,
    measure,
    merge,
    total,
)
from catalog.metering.aggregations import AGGREGATIONS
from usage.ask import Who, everyone
from usage.cut import Cut
from usage.events import EVENTS, read_events, without_voided
from usage.plan import Cover, Ledger, OffsetRange
from usage.spans import Cells, Spans, as_hours
from usage.stored import WINDOW_ROWS, read_stored

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SUBJECTS_MAX: Final = 5_000
"""More subjects than these are not listed in queries: everybody is read, and sorted out here."""

_Part = Callable[[], list[pl.DataFrame]]


def compile_all(meters: Sequence[MeterDefinition]) -> CompiledMeters:
    """The kernel's layout of just these meters, whatever their catalog versions."""
    return compile_meters(meters, max((each.catalog_version for each in meters), default=0))


class Source(Protocol):
    """What quantities are worked out of; see `Gatherer`, which reads the tables."""

    @property
    def by_dimensions(self) -> bool:
        """Whether groups are apart by dimensions, too."""
        ...

    def rows(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """`WINDOW_ROWS` of meters in windows."""
        ...

    def measured(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """The measured events of the windows that no void takes back, with `window`."""
        ...


def measure_windows(events: pl.DataFrame, spans: Spans, compiled: CompiledMeters) -> pl.DataFrame:
    """Measured events with `window` and `key`: those inside some window that some meter reads."""
    return keep(measure(spans.place(events), compiled), "window", "key")


def merge_windows(
    rows: pl.DataFrame, compiled: CompiledMeters, *, by_dimensions: bool
) -> pl.DataFrame:
    """`WINDOW_ROWS` of usage rows with `window`."""
    rows = rows.with_columns(pl.lit(_EPOCH).alias("hour"))
    if not by_dimensions:
        rows = rows.with_columns(pl.lit("").alias("dimensions"))
    merged = merge(rows, compiled, ("window",))
    return merged.select(WINDOW_ROWS.names()).match_to_schema(WINDOW_ROWS)


def total_windows(
    measured: pl.DataFrame, meters: Sequence[MeterDefinition], *, by_dimensions: bool
) -> pl.DataFrame:
    """Measured events as `WINDOW_ROWS`."""
    compiled = compile_all(meters)
    rows = total(measured, compiled, ("window",))
    return merge_windows(rows, compiled, by_dimensions=by_dimensions)


@dataclass(frozen=True, slots=True)
class Gatherer:
    """One answer being put together: of some of a tenant's subjects, up to a cut."""

    client: Client
    pool: ThreadPoolExecutor
    ledger: Ledger
    cut: Cut
    who: tuple[Who, ...]
    by_dimensions: bool

    def rows(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """`WINDOW_ROWS`: one per window, meter, subject and dimensions that has events.

        A group of a meter that is not linear and that a void touches is made from the events that
        are left, so its `voided_count` is 0.
        """
        parts = list(self._parts(meters, spans))
        found = [pl.DataFrame(schema=WINDOW_ROWS)]
        for frames in self.pool.map(lambda part: part(), parts):
            found += frames
        compiled = compile_all(meters)
        whole = merge_windows(pl.concat(found), compiled, by_dimensions=self.by_dimensions)
        return self._without_voided(whole, meters, spans)

    def measured(self, meters: Sequence[MeterDefinition], spans: Spans) -> pl.DataFrame:
        """The measured events of the windows that no void takes back, with `window`."""
        return self._measured(meters, spans, self.who)

    def _measured(
        self, meters: Sequence[MeterDefinition], spans: Spans, who: Sequence[Who]
    ) -> pl.DataFrame:
        compiled = compile_all(meters)
        kept = [measure_windows(pl.DataFrame(schema=EVENTS), spans, compiled)]
        hours = as_hours(spans.all_cells)
        for some in who:
            blocks = read_events(self.client, some, meters, hours, self._everything())
            kept += [measure_windows(block, spans, compiled) for block in blocks]
        return without_voided(pl.concat(kept))

    def _everything(self) -> list[OffsetRange]:
        parts = sorted(self.cut.by_partition().items())
        return [OffsetRange(*part, 0, end) for part, end in parts if end]

    def _parts(self, meters: Sequence[MeterDefinition], spans: Spans) -> Iterator[_Part]:
        """What has to be read; no event is in two parts."""
        by_version = sorted(meters, key=lambda meter: meter.catalog_version)
        alike: dict[tuple[Cover, Cover], list[MeterDefinition]] = {}
        for version, group in groupby(by_version, lambda meter: meter.catalog_version):
            coarse = self.ledger.cover(self.cut, version)
            fine = self.ledger.cover(self.cut, version, levels=1)
            alike.setdefault((coarse, fine), []).extend(group)
        for (coarse, fine), some in alike.items():
            for who in self.who:
                if coarse == fine:
                    hours = sorted((*as_hours(spans.days), *as_hours(spans.hours)))
                    yield from self._covered(who, some, spans, hours, fine)
                else:
                    yield from self._covered(who, some, spans, spans.days, coarse)
                    yield from self._covered(who, some, spans, spans.hours, fine)
                if spans.edges:
                    everything = Cover((), tuple(self._everything()))
                    yield from self._covered(who, some, spans, spans.edges, everything)

    def _covered(
        self,
        who: Who,
        meters: Sequence[MeterDefinition],
        spans: Spans,
        cells: Sequence[Cells],
        cover: Cover,
    ) -> Iterator[_Part]:
        """The parts that answer for some cells: stored totals of runs, totals of events."""

        def stored() -> list[pl.DataFrame]:
            return list(
                read_stored(
                    self.client, who, meters, cells, cover.runs, by_dimensions=self.by_dimensions
                )
            )

        def made() -> list[pl.DataFrame]:
            compiled = compile_all(meters)
            blocks = read_events(self.client, who, meters, as_hours(cells), cover.events)
            measured = [measure_windows(block, spans, compiled) for block in blocks]
            return [
                total_windows(each, meters, by_dimensions=self.by_dimensions) for each in measured
            ]

        if cells and cover.runs:
            yield stored
        if cells and cover.events:
            yield made

    def _without_voided(
        self, rows: pl.DataFrame, meters: Sequence[MeterDefinition], spans: Spans
    ) -> pl.DataFrame:
        """Make groups that a void touches, and that are not linear, from the events left."""
        bent = [meter for meter in meters if not AGGREGATIONS[meter.aggregation].linear]
        ids = [str(meter.id) for meter in bent]
        touched = rows.filter((pl.col("voided_count") > 0) & pl.col("meter_id").is_in(ids))
        groups = touched.select("meter_id", "subject").unique()
        if groups.is_empty():
            return rows
        again = [meter for meter in bent if str(meter.id) in set(groups["meter_id"])]
        who = self.who
        if groups["subject"].n_unique() <= _SUBJECTS_MAX:
            who = tuple(everyone(self.who[0].tenant_id, groups["subject"].unique().to_list()))
        measured = self._measured(again, spans, who)
        left = total_windows(measured, again, by_dimensions=self.by_dimensions)
        of_groups = left.join(groups, on=["meter_id", "subject"], how="semi")
        rest = rows.join(groups, on=["meter_id", "subject"], how="anti")
        return pl.concat([rest, of_groups])
