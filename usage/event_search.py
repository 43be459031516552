"""Accepted events as they were sent, looked up by what is known of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

import sql
from core.clock import epoch_micros
from core.ids import TenantId
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.troubles import clickhouse_troubles
from usage.unmeterable import ALL_TIME

_INSTANT: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are looked for: any of the texts or keys; an empty tuple fits all.

    `period` is about their own times, `received` about when ingest took them.
    """

    ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    keys: tuple[bytes, ...] = ()
    period: Period = ALL_TIME
    received: Period = ALL_TIME
    with_voids: bool = False


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An accepted event; `sign` is -1 for a void, which has the key of what it takes back.

    `data` is the exact text, `log_time` when the log took it, at generation, partition, offset and
    row.
    """

    generation: int
    partition: int
    offset: int
    row: int
    sign: int
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    received_at: datetime
    log_time: datetime
    data: bytes

    @property
    def position(self) -> str:
        """Where it stands in the log, as generation/partition/offset/row."""
        return f"{self.generation}/{self.partition}/{self.offset}/{self.row}"


def search_events(
    clickhouse_url: str, tenant_id: TenantId, wanted: Wanted, limit: int = 100
) -> list[FoundEvent]:
    """The newest `limit` events, the newest first by their own times.

    Events that were taken back are among them. A type or a subject makes it quick, for the table is
    ordered by them; without, all the tenant's events are looked through: for people, not for the
    hot path. Raises `DependencyDownError` when ClickHouse does not answer.
    """
    parameters = {
        "tenant_id": str(tenant_id),
        "keys": [key.hex() for key in wanted.keys],
        "ids": list(wanted.ids),
        "sources": list(wanted.sources),
        "types": list(wanted.types),
        "subjects": list(wanted.subjects),
        "start_us": epoch_micros(wanted.period.start),
        "end_us": epoch_micros(wanted.period.end),
        "received_start_us": epoch_micros(wanted.received.start),
        "received_end_us": epoch_micros(wanted.received.end),
        "with_voids": int(wanted.with_voids),
        "limit": limit,
    }
    query = sql.load("clickhouse/queries/select_events")
    with closing(connect_clickhouse(clickhouse_url)) as client, clickhouse_troubles():
        table = client.query_arrow(query, parameters=parameters)
    rows = pl.DataFrame(pl.from_arrow(table)).with_columns(
        pl.col("time", "received_at", "log_time").cast(_INSTANT),
        pl.col("data").cast(pl.Binary),
        pl.col("id", "source", "type", "subject").cast(pl.String),
    )
    return [FoundEvent(**row) for row in rows.to_dicts()]
