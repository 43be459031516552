"""Usage of a period, exact at a cut: whole hours from `meter_usage`, the rest from the events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.exceptions import OperationalError
from urllib3.exceptions import HTTPError

import sql
from catalog.metering.aggregate import QUANTITY, aggregate, compile_meters
from catalog.meters import MeterDefinition
from core.clock import epoch_micros
from core.errors import DependencyDownError
from core.ids import TenantId
from core.period import Period
from db.clickhouse import connect_clickhouse
from rating.sums import sum_quantities
from usage.cut import Cut, read_cut

_HOUR: Final = timedelta(hours=1)
_SUBJECT_BYTES_MAX: Final = 32 * 1024
"""Of subjects in one query, with room for escapes: ClickHouse reads 256 KiB of text."""

_QUOTES: Final = 4
_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "meter_id": pl.String,
    "subject": pl.String,
    "summed": QUANTITY,
    "event_count": pl.Int64,
    "unmeterable_count": pl.Int64,
}


class UsageReader:
    """Reads usage from one ClickHouse database; threads may share it."""

    def __init__(self, clickhouse_url: str) -> None:
        self._client = connect_clickhouse(clickhouse_url)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def cut(self) -> Cut:
        """The newest cut. Answers at it never change."""
        return read_cut(self._client)

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """What each subject used of each meter in the period, by event time.

        Returns one row per meter and subject with events: meter_id String, subject String, quantity
        Decimal(38, 12), event_count Int64, unmeterable_count Int64; sorted by the first two. The
        quantity of a `count` meter is its number of events.
        """
        if subjects is not None and not subjects:
            return self._quantities([], meters)
        groups: defaultdict[int, list[MeterDefinition]] = defaultdict(list)
        for meter in meters:
            groups[meter.catalog_version].append(meter)
        try:
            parts = [
                part
                for version, group in sorted(groups.items())
                for some in _slices(subjects)
                for part in self._group(tenant_id, group, version, period, cut, some)
            ]
        except (OperationalError, HTTPError, OSError) as error:
            raise DependencyDownError(f"ClickHouse does not answer: {error}") from error
        return self._quantities(parts, meters)

    def _group(
        self,
        tenant_id: TenantId,
        meters: list[MeterDefinition],
        catalog_version: int,
        period: Period,
        cut: Cut,
        subjects: Sequence[str],
    ) -> list[pl.DataFrame]:
        """Whole hours and the rest, both from the same set of runs.

        Two queries ask for that set one after the other. It only grows, so when it is as large
        afterwards as it was before, it was the same all the time.
        """
        first_hour = _hour(period.start + _HOUR - timedelta(microseconds=1))
        end_hour = max(first_hour, _hour(period.end))
        chunks = self._client.query(sql.load("clickhouse/queries/chunk_records_of_generations"))
        parameters: dict[str, Any] = {
            "tenant_id": str(tenant_id),
            "meter_ids": [str(meter.id) for meter in meters],
            "types": sorted({meter.event_type for meter in meters}),
            "subjects": list(subjects),
            "start_us": epoch_micros(period.start),
            "end_us": epoch_micros(period.end),
            "first_hour_us": epoch_micros(first_hour),
            "end_hour_us": epoch_micros(end_hour),
            "catalog_version": catalog_version,
            "cut_parts": list(cut.offsets),
            "cut_ends": list(cut.offsets.values()),
            "generations": [generation for generation, _ in chunks.result_rows],
            "chunk_records": [chunk_records for _, chunk_records in chunks.result_rows],
        }
        while True:
            usable = self._usable_runs(parameters)
            parts = [self._hours(parameters), *self._events(parameters, meters, catalog_version)]
            if self._usable_runs(parameters) == usable:
                return parts

    def _usable_runs(self, parameters: dict[str, Any]) -> int:
        rows = self._client.query(
            sql.load("clickhouse/queries/count_usable_runs"), parameters=parameters
        ).result_rows
        return int(rows[0][0])

    def _hours(self, parameters: dict[str, Any]) -> pl.DataFrame:
        hours = self._client.query_arrow(
            sql.load("clickhouse/queries/period_usage_of_hours"), parameters=parameters
        )
        return _normal(pl.DataFrame(pl.from_arrow(hours)))

    def _events(
        self, parameters: dict[str, Any], meters: list[MeterDefinition], catalog_version: int
    ) -> Iterator[pl.DataFrame]:
        compiled = compile_meters(meters, catalog_version)
        stream = self._client.query_arrow_stream(
            sql.load("clickhouse/queries/period_usage_events"), parameters=parameters
        )
        with stream as blocks:
            for block in blocks:
                rows = aggregate(pl.DataFrame(pl.from_arrow(block)), compiled)
                yield _normal(rows.rename({"sum": "summed"}))

    def _quantities(
        self, parts: list[pl.DataFrame], meters: Sequence[MeterDefinition]
    ) -> pl.DataFrame:
        counting = [str(meter.id) for meter in meters if meter.aggregation == "count"]
        counted = pl.col("event_count").cast(QUANTITY)
        return (
            sum_quantities(
                pl.concat([pl.DataFrame(schema=_SCHEMA), *parts]),
                ("meter_id", "subject"),
                "summed",
                ("event_count", "unmeterable_count"),
            )
            .select(
                "meter_id",
                "subject",
                pl.when(pl.col("meter_id").is_in(counting))
                .then(counted)
                .otherwise(pl.col("summed"))
                .alias("quantity"),
                "event_count",
                "unmeterable_count",
            )
            .sort("meter_id", "subject")
        )


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _normal(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items())


def _slices(subjects: Sequence[str] | None) -> Iterator[list[str]]:
    """Subjects in portions that fit into a query's text; no subjects at all stand for everybody."""
    if subjects is None:
        yield []
        return
    portion: list[str] = []
    size = 0
    for subject in dict.fromkeys(subjects):
        size += len(subject.encode()) + _QUOTES
        if portion and size > _SUBJECT_BYTES_MAX:
            yield portion
            portion, size = [], len(subject.encode()) + _QUOTES
        portion.append(subject)
    if portion:
        yield portion
