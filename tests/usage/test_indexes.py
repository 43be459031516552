"""Usage of a period is read by the index of hours, not from all that is stored."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

import sql
from core.endpoints import Endpoints
from core.ids import TenantId
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.ask import everyone
from usage.plan import RunRange
from usage.spans import Spans
from usage.stored import _of_cells, run_parameters

TENANT = TenantId(UUID(int=1))
METER = UUID(int=2)
HOURS = 200_000
FILL = """
    INSERT INTO meter_usage (tenant_id, meter_id, subject, dimensions, hour, generation, partition,
        level, run, last_offset, event_count, unmeterable_count, sum, distinct_values)
    SELECT {tenant:String}, {meter:UUID}, 'team', '', toDateTime(number * 3600, 'UTC'), 1, 0, 0, 0,
        63, 1, 0, 1, []
    FROM numbers({hours:UInt64})"""


@pytest.fixture
def client(installation: Endpoints) -> Client:
    client = connect_clickhouse(installation.clickhouse)
    client.command(FILL, parameters={"tenant": str(TENANT), "meter": str(METER), "hours": HOURS})
    return client


@pytest.mark.req("DEP-22")
def test_usage_is_looked_up_by_tenant_subject_and_period(client: Client) -> None:
    month = Period(datetime(1980, 3, 1, tzinfo=UTC), datetime(1980, 4, 1, tzinfo=UTC))
    [who] = everyone(TENANT, ["team"])
    parameters = {
        **who.parameters(),
        **_of_cells(Spans.of([month]).days),
        **run_parameters([RunRange(1, 0, 0, 0, 64)]),
        "meter_ids": [str(METER)],
        "by_dimensions": False,
        "ordered": False,
        "distinct": False,
        "no_window": 2**32 - 1,
    }
    query = f"EXPLAIN indexes = 1 {sql.load('clickhouse/queries/stored_totals')}"
    told = "\n".join(row[0] for row in client.query(query, parameters=parameters).result_rows)
    assert "PrimaryKey" in told, told
    assert re.search(r"Name: hours\b", told), told
    steps = [(int(read), int(of)) for read, of in re.findall(r"Granules: (\d+)/(\d+)", told)]
    assert max(of for _, of in steps) >= HOURS // 1024
    assert min(read for read, _ in steps) <= 3, told
