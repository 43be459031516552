"""Usage of a tenant: exact at a cut, for any windows of time, now and for ever the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

import polars as pl

import sql
from catalog.meter_definition import MeterDefinition, counted_period
from core.clock import epoch_micros, monotonic_seconds
from core.errors import DependencyDownError
from core.ids import TenantId
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.answer import ANSWER, answer
from usage.ask import everyone
from usage.cut import Cut
from usage.gather import Gatherer
from usage.look import Look, read_look
from usage.spans import Spans
from usage.troubles import clickhouse_troubles

_INSTANT: Final = pl.Datetime("us", "UTC")
_THREADS: Final = 2
"""Queries of one answer that run side by side."""

_LOOK_SECONDS: Final = 1.0
"""How long a look at the ledger serves: an older one is as right, only less coarse."""


class UsageReader:
    """Reads usage from one ClickHouse database; threads may share it."""

    def __init__(self, clickhouse_url: str) -> None:
        self._client = connect_clickhouse(clickhouse_url)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="usage")
        self._look: tuple[float, Look] | None = None

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.shutdown()
        self._client.close()

    def cut(self) -> Cut:
        """The newest cut. Answers at it never change. Raises `DependencyDownError`."""
        return self._renewed().cut

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
        *,
        by_dimensions: bool = False,
    ) -> pl.DataFrame:
        """What each subject used of each meter in the period, by event time.

        Returns one row per meter and subject (and dimensions) with events, or with a level that
        holds: meter_id, subject, (dimensions) String; quantity Decimal(38, 12), after the unit's
        conversion, a ratio rounded half away from zero; numerator, denominator String: the same
        quantity, exact; event_count, unmeterable_count Int64, net of voids. Sorted by the first.

        Raises `DependencyDownError` when ClickHouse does not answer, or proves less than the cut.
        """
        usage = self.windowed_usage(
            tenant_id, meters, [period], cut, subjects, by_dimensions=by_dimensions
        )
        return usage.drop("window")

    def windowed_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        windows: Sequence[Period],
        cut: Cut,
        subjects: Sequence[str] | None = None,
        *,
        by_dimensions: bool = False,
    ) -> pl.DataFrame:
        """`period_usage` of each of several windows: its columns after `window` UInt32.

        `windows` are sorted and disjoint, of any length, with gaps or without: the days of a time
        zone, say. `window` is a place in them. Raises `ValidationError` when they overlap.
        """
        Spans.of(windows)
        columns = [n for n in ANSWER.names() if by_dimensions or n != "dimensions"]
        parts = [pl.DataFrame(schema=ANSWER)]
        who = tuple(everyone(tenant_id, subjects))
        if who and meters and windows:
            gatherer = Gatherer(
                self._client, self._pool, self._look_at(cut).ledger, cut, who, by_dimensions
            )
            for numbers, some in _counted_alike(meters, windows).items():
                spans = Spans.of([period for _, period in numbers])
                with clickhouse_troubles():
                    found = answer(gatherer, some, spans)
                places = pl.Series([number for number, _ in numbers], dtype=pl.UInt32)
                parts.append(found.with_columns(places.gather(found["window"]).alias("window")))
        key = ("window", "meter_id", "subject", "dimensions")
        return pl.concat(parts).sort(key).select(columns)

    def merged_rows(
        self,
        meter: MeterDefinition,
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """`WINDOW_ROWS` of a period: one for each subject and all dimensions that have events.

        For an aggregation that merges; raises as `period_usage`.
        """
        who = tuple(everyone(meter.tenant_id, subjects))
        ledger = self._look_at(cut).ledger
        gatherer = Gatherer(self._client, self._pool, ledger, cut, who, by_dimensions=True)
        with clickhouse_troubles():
            return gatherer.rows([meter], Spans.of([period]))

    def measured_events(
        self,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The events of a period that some of one tenant's meters read, voids taken off.

        What `catalog.metering.aggregate.measure` tells of them, with `key`; raises as
        `period_usage`.
        """
        who = tuple(everyone(meters[0].tenant_id, subjects))
        ledger = self._look_at(cut).ledger
        gatherer = Gatherer(self._client, self._pool, ledger, cut, who, by_dimensions=True)
        with clickhouse_troubles():
            return gatherer.measured(meters, Spans.of([period]))

    def event_times(
        self, meter: MeterDefinition, cut: Cut, subjects: Sequence[str] | None = None
    ) -> tuple[datetime, datetime] | None:
        """First and last time of events of a meter's types at a cut; None where there are none.

        Raises `DependencyDownError` when ClickHouse does not answer.
        """
        parts = cut.by_partition()
        parameters = {
            "tenant_id": str(meter.tenant_id),
            "types": list(meter.event_types),
            "subjects": list(subjects or ()),
            "generations": [generation for generation, _ in parts],
            "partitions": [partition for _, partition in parts],
            "ends": list(parts.values()),
        }
        query = sql.load("clickhouse/queries/times_of_events")
        with clickhouse_troubles():
            table = self._client.query_arrow(query, parameters=parameters)
        rows = pl.DataFrame(pl.from_arrow(table)).select(pl.all().cast(_INSTANT)).rows()
        return rows[0] if rows else None

    def seen_keys(
        self,
        tenant_id: TenantId,
        types: Sequence[str],
        subjects: Sequence[str],
        times: tuple[datetime, datetime],
        keys: Sequence[bytes],
        cut: Cut,
    ) -> set[bytes]:
        """Which of these events are among those up to the cut, by key; taken back or not.

        A few hundred at most: they stand in the query's text. `times` are the first and the last
        time of theirs. Raises `DependencyDownError`.
        """
        parts = cut.by_partition()
        parameters = {
            "tenant_id": str(tenant_id),
            "types": list(types),
            "subjects": list(subjects),
            "start_us": epoch_micros(times[0]),
            "last_us": epoch_micros(times[1]),
            "keys": [key.hex() for key in keys],
            "generations": [generation for generation, _ in parts],
            "partitions": [partition for _, partition in parts],
            "ends": list(parts.values()),
        }
        query = sql.load("clickhouse/queries/seen_keys")
        with clickhouse_troubles():
            rows = self._client.query(query, parameters=parameters).result_rows
        return {bytes.fromhex(key) for (key,) in rows}

    def _look_at(self, cut: Cut) -> Look:
        """A look that proves the cut."""
        if self._look is not None:
            since, look = self._look
            if monotonic_seconds() - since < _LOOK_SECONDS and _proves(look, cut):
                return look
        look = self._renewed()
        if not _proves(look, cut):
            raise DependencyDownError(
                f"ClickHouse proves the log up to {look.cut.as_json()} only, which is less than the"
                f" cut {cut.as_json()}: it is being repaired; ask again"
            )
        return look

    def _renewed(self) -> Look:
        now = monotonic_seconds()
        with clickhouse_troubles():
            look = read_look(self._client)
        self._look = (now, look)
        return look


def _proves(look: Look, cut: Cut) -> bool:
    proved = look.cut.offsets
    return all(proved.get(part, 0) >= end for part, end in cut.offsets.items())


def _counted_alike(
    meters: Sequence[MeterDefinition], windows: Sequence[Period]
) -> dict[tuple[tuple[int, Period], ...], list[MeterDefinition]]:
    """Meters by the windows, or parts of windows, that count: archived ones count less."""
    alike: defaultdict[tuple[tuple[int, Period], ...], list[MeterDefinition]] = defaultdict(list)
    for meter in meters:
        counted = [(at, counted_period(meter, window)) for at, window in enumerate(windows)]
        numbers = tuple((at, period) for at, period in counted if period is not None)
        if numbers:
            alike[numbers].append(meter)
    return alike
