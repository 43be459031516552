from __future__ import annotations

import json
import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal

from core.endpoints import Endpoints
from core.period import Period
from db.clickhouse import connect_clickhouse
from tests.usage.plain_usage import Data, Told, net
from tests.usage.random_logs import START, TENANT, TOLD, random_log
from tests.usage.written_log import Log, Stored, write
from usage.conflicts import conflicts
from usage.dry_run import dry_run
from usage.unmeterable import UNMETERABLE, unmeterable_events

MINE = [told for told in TOLD if told.meter.tenant_id == TENANT]
REASONS = {
    None: "missing", "much": "not_a_number", True: "not_a_number", "1e15": "too_large",
    "0.0000000000001": "too_precise",
}  # fmt: skip
CONFLICT = """INSERT INTO stream_conflicts
    (generation, partition, offset, tenant_id, id, source, log_time, data)
    SELECT 1, 0, number, if(number = 2, 'other', {tenant:String}), toString(number), 's', number,
        '{}'
    FROM numbers(4)"""


def matched(log: Log, told: Told, period: Period) -> list[tuple[Stored, Data]]:
    """The events that a meter reads, voids applied."""
    read = [
        (event, json.loads(event.data, parse_int=Decimal, parse_float=Decimal))
        for event in net(log.events)
        if event.tenant_id == str(TENANT)
        and event.type in told.meter.event_types
        and event.time in period
    ]
    return [(event, data) for event, data in read if told.counts(data)]


def test_events_that_a_meter_cannot_read_are_listed_and_a_dry_run_counts_them(
    installation: Endpoints, seed: int
) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 120)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    everything = Period(START - timedelta(days=1), START + timedelta(days=9))
    some = Period(START + timedelta(hours=5, minutes=3), START + timedelta(days=3))
    for told in MINE:
        for period in (everything, some):
            events = matched(log, told, period)
            lost = {
                (event.generation, event.partition, event.offset, event.row)
                for event, data in events
                if told.value(data) is None
            }
            rows = unmeterable_events(installation.clickhouse, told.meter, period)
            assert set(rows.select("generation", "partition", "offset", "row").rows()) == lost
            assert rows["time"].is_sorted()
            assert rows["id"].to_list() == [
                f"{offset}-{row}" for offset, row in rows.select("offset", "row").rows()
            ]
            tried = dry_run(installation.clickhouse, told.meter, period)
            assert tried.counted == len(events) - len(lost)
            assert sum(tried.reasons.values()) == len(lost)
            counted = Counter(rows["reason"])
            assert {name: number for name, number in tried.reasons.items() if number} == counted
            assert tried.usage["event_count"].sum() == tried.counted
    assert unmeterable_events(installation.clickhouse, TOLD[1].meter, everything, 2).height <= 2


def test_each_reason_is_told_apart(installation: Endpoints) -> None:
    events = [
        Stored(1, 0, at, 0, 1, at, str(TENANT), "call", "s", START, json.dumps(data))
        for at, value in enumerate(REASONS)
        for data in [{"usage": {"input": value}}]
    ]
    log, meters = Log({(1, 0): len(events)}, {1: 2}, events), [told.meter for told in TOLD]
    write(installation.clickhouse, log, meters, random.Random(0), holes=False)
    rows = unmeterable_events(installation.clickhouse, TOLD[1].meter)
    assert rows.schema == UNMETERABLE
    assert rows["reason"].to_list() == list(REASONS.values())
    newest = dry_run(installation.clickhouse, TOLD[1].meter, Period(START, START + timedelta(1)), 2)
    assert (newest.events_read, newest.counted) == (2, 0)


def test_conflicts_are_listed_for_their_tenant_alone(installation: Endpoints) -> None:
    client = connect_clickhouse(installation.clickhouse)
    client.command(CONFLICT, parameters={"tenant": str(TENANT)})
    client.close()
    rows = conflicts(installation.clickhouse, TENANT)
    assert rows["id"].to_list() == ["3", "1", "0"]
    assert conflicts(installation.clickhouse, TENANT, limit=1)["data"].to_list() == ["{}"]
