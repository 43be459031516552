"""Results against the recount: every meter, hour and subject, in both directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from benchmarks.events import METERS, START, Cell, Recount, Traffic
from benchmarks.installation import Installation, load_sql
from core.clock import epoch_micros
from core.period import Period
from db.clickhouse import connect_clickhouse
from usage.reader import UsageReader
from usage.verify import verify

Quantities = Mapping[tuple[str, Cell], tuple[Decimal, int]]
"""(meter's slug, cell) -> quantity and number of events."""

NAMED_MAX: Final = 20
"""Differences named; the rest is counted."""


def compare(expected: Quantities, found: Quantities) -> list[str]:
    """What differs, one line each, the first `NAMED_MAX` of them; none when all is equal."""
    cells = sorted(expected.keys() | found.keys())
    lines = [
        f"{slug} {cell}: expected {expected.get((slug, cell))}, found {found.get((slug, cell))}"
        for slug, cell in cells
        if expected.get((slug, cell)) != found.get((slug, cell))
    ]
    more = len(lines) - NAMED_MAX
    return lines[:NAMED_MAX] + ([f"and {more} more"] if more > 0 else [])


def check_stage(where: Installation, traffic: Traffic, recount: Recount) -> list[str]:
    """What differs between the stage's results and the recount: totals, ledger, proof."""
    report = verify(where.endpoints.clickhouse, where.meters)
    lines = [f"verify: {difference}" for difference in report.differences[:NAMED_MAX]]
    wanted = {
        "events": recount.events,
        "accepted": recount.accepted,
        "duplicates": recount.duplicates,
        "conflicts": recount.conflicts,
        "rejected": 0,
    }
    lines += [
        f"ledger: {report.totals[name]} {name}, expected {count}"
        for name, count in wanted.items()
        if report.totals[name] != count
    ]
    return lines + compare(recount.quantities(), _stage_quantities(where, traffic))


def _stage_quantities(where: Installation, traffic: Traffic) -> Quantities:
    slugs = {str(meter.id): meter.slug for meter in where.meters}
    reader = UsageReader(where.endpoints.clickhouse)
    try:
        cut = reader.cut()
        found: dict[tuple[str, Cell], tuple[Decimal, int]] = {}
        for hour in range(traffic.hours):
            start = START + timedelta(hours=hour)
            period = Period(start, start + timedelta(hours=1))
            rows = reader.period_usage(
                where.tenant_id, where.meters, period, cut, by_dimensions=True
            )
            for row in rows.to_dicts():
                model, region = json.loads(row["dimensions"])
                cell = (epoch_micros(start), row["subject"], model, region)
                found[slugs[row["meter_id"]], cell] = (row["quantity"], row["event_count"])
        return found
    finally:
        reader.close()


def check_baseline(where: Installation, _: Traffic, recount: Recount) -> list[str]:
    """What differs between a baseline's results and the recount."""
    client = connect_clickhouse(where.endpoints.clickhouse)
    try:
        stored = client.query(load_sql("select_baseline_count")).result_rows[0][0]
        usage = client.query(load_sql("select_baseline_usage")).result_rows
    finally:
        client.close()
    found = {
        (slug, (hour, subject, model, region)): (Decimal(quantity), requests)
        for hour, subject, model, region, requests, *rest in usage
        for slug, quantity in zip(METERS, (requests, *rest), strict=True)
    }
    lines = compare(recount.quantities(), found)
    if stored != recount.accepted:
        lines.insert(0, f"{stored} events stored, expected {recount.accepted}")
    return lines
