"""Copies of accepted events that said something else: the first one counts, these are kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import polars as pl

import sql
from core.clock import epoch_micros
from core.ids import TenantId
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.troubles import clickhouse_troubles
from usage.unmeterable import ALL_TIME


def conflicts(
    clickhouse_url: str,
    tenant_id: TenantId,
    period: Period = ALL_TIME,
    limit: int = 1000,
    ids: Sequence[str] = (),
) -> pl.DataFrame:
    """The newest `limit` conflicts of a tenant that came in a period, the newest first.

    Of the events with some `ids` alone, if there are any.
    Columns: generation, partition, offset, row; id, source, type, subject; time, received_at,
    log_time Datetime; data, the text that was not counted. Raises `DependencyDownError`.
    """
    parameters = {
        "tenant_id": str(tenant_id),
        "start_us": epoch_micros(period.start),
        "end_us": epoch_micros(period.end),
        "limit": limit,
        "ids": list(ids),
    }
    with closing(connect_clickhouse(clickhouse_url)) as client, clickhouse_troubles():
        table = client.query_arrow(
            sql.load("clickhouse/queries/select_conflicts"), parameters=parameters
        )
    found = pl.DataFrame(pl.from_arrow(table))
    return found.with_columns(pl.col("data").cast(pl.String))
