"""A customer for each case of `model_cases`, in Postgres, and a month of events in ClickHouse."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from catalog.meters import list_meters
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.ids import BillingRunId, TenantId
from core.period import Period
from db.postgres import Database
from invoicing.billing_run import BillingRunner, terms_of
from invoicing.drafting import due_blocks, rate_block, read_block
from invoicing.model import Invoice
from invoicing.preview import preview
from invoicing.runs import BillingRun
from invoicing.tenants import BillingTenant, billing_tenants
from subscriptions.setup import apply_catalog
from tests.invoicing.model_cases import CASES, FEE, ZONE, Use
from tests.usage.written_log import Log, Stored, write
from usage.reader import UsageReader

NOW = datetime(2024, 1, 15, tzinfo=UTC)
PERIOD = Period(datetime(2023, 10, 31, 23, tzinfo=UTC), datetime(2023, 11, 30, 23, tzinfo=UTC))
CHANGED = datetime(2023, 11, 12, 9, 17, 3, tzinfo=UTC)
SPANS = (Period(PERIOD.start, CHANGED), Period(CHANGED, PERIOD.end))
_SPAN = timedelta(days=34)
_FIRST = datetime(2023, 10, 30, tzinfo=UTC)
_PARTITIONS = 3
_EACH = 45


@dataclass(frozen=True)
class Month:
    """What was used, and what the run and a preview before it made of it, by case."""

    uses: dict[str, list[Use]]
    invoices: dict[str, Invoice]
    previewed: dict[str, Invoice]
    in_parts: dict[str, Invoice]
    """Drafts whose every line is billed in two parts, before and after `CHANGED`."""


def set_up() -> dict[str, Any]:
    """The set-up document: a plan, a customer with two subjects and a subscription for each."""
    read = {"event_type": "use", "value": "n", "dimensions": {"region": "region", "size": "size"}}
    return {
        "tenant": {
            "slug": "models",
            "name": "Models",
            "invoicing": {"seller": {"name": "Models GmbH", "address": ["Berlin"]}},
        },
        "meters": [
            {"slug": "units", "name": "Units", "aggregation": "sum", **read},
            {"slug": "peak", "name": "Peak", "aggregation": "max", **read},
        ],
        "plans": [
            {
                "slug": slug(name),
                "name": name,
                "currency": "EUR",
                "rate_cards": [*_fee(name), _card(name)],
            }
            for name in CASES
        ],
        "customers": [
            {
                "slug": slug(name),
                "name": name,
                "currency": "EUR",
                "time_zone": ZONE,
                "subjects": [f"{name}-a", f"{name}-b"],
            }
            for name in CASES
        ],
        "subscriptions": [
            {
                "slug": slug(name),
                "customer": slug(name),
                "plan": slug(name),
                "anchor": date(2023, 11, 1),
            }
            for name in CASES
        ],
    }


def slug(name: str) -> str:
    return name.replace("_", "-")


def _fee(name: str) -> list[dict[str, Any]]:
    fee = {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": FEE}}
    return [fee] if name == "percent_of_lines" else []


def _card(name: str) -> dict[str, Any]:
    case = CASES[name]
    card: dict[str, Any] = {"key": "line", "name": name, "price": case.price(case.model or name)}
    if case.meter is not None:
        card["meter"] = case.meter
    if case.quantity is not None:
        card["quantity"] = case.quantity
    return card


def month(endpoints: Endpoints, rng: random.Random) -> Month:
    """Set everything up, write the events, preview, and close."""
    with Database(endpoints.postgres) as db, closing(UsageReader(endpoints.clickhouse)) as reader:
        applied = apply_catalog(db, ManualClock(NOW), set_up())
        with db.transaction() as conn:
            [tenant] = billing_tenants(conn)
            meters = list_meters(conn, applied.tenant_id)
        log, uses = _events(applied.tenant_id, rng)
        write(endpoints.clickhouse, log, meters, rng)
        as_of = datetime(2023, 12, 2, tzinfo=UTC)
        parts = _in_parts(db, reader, tenant, as_of)
        drafts = preview(db, reader, ManualClock(NOW), tenant, as_of)
        [closed] = BillingRunner(db, reader, ManualClock(NOW), block_customers=5).close(
            tenant, as_of
        )
        assert not closed.parked, [each.error_message for each in closed.parked]
    invoices, previewed, in_parts = (
        {str(invoice.buyer["name"]): invoice for invoice in some}
        for some in (closed.invoices, drafts.invoices, parts)
    )
    return Month(uses, invoices, previewed, in_parts)


def _in_parts(
    db: Database, reader: UsageReader, tenant: BillingTenant, as_of: datetime
) -> list[Invoice]:
    run = BillingRun(BillingRunId(UUID(int=0)), tenant.tenant_id, as_of, reader.cut())
    terms = terms_of(tenant, run)
    [dues] = due_blocks(db, tenant.tenant_id, terms, 100)
    with db.transaction(snapshot=True) as conn:
        block = read_block(conn, tenant.tenant_id, dues)
    billables = [
        replace(
            each, lines=tuple(replace(line, span=span) for span in SPANS for line in each.lines)
        )
        for each in block.billables
    ]
    return rate_block(reader, terms, replace(block, billables=billables))


def _events(tenant_id: TenantId, rng: random.Random) -> tuple[Log, dict[str, list[Use]]]:
    """Some events lie outside the month, some are taken back, some have no readable number."""
    rows: list[list[Stored]] = [[] for _ in range(_PARTITIONS)]
    uses: dict[str, list[Use]] = {name: [] for name in CASES}
    key = 0
    for name in CASES:
        for subject in (f"{name}-a", f"{name}-b"):
            for at in rng.sample(range(_SPAN // timedelta(milliseconds=1)), _EACH):
                key += 1
                time = _FIRST + timedelta(milliseconds=at)
                use, data = _event(subject, time, rng)
                part = key % _PARTITIONS
                place = len(rows[part])
                event = Stored(
                    1, part, place, 0, 1, key, str(tenant_id), "use", subject, time,
                    json.dumps(data),
                )  # fmt: skip
                rows[part].append(event)
                if voided := rng.random() < 0.1:
                    rows[part].append(
                        Stored(
                            1,
                            part,
                            place + 1,
                            0,
                            -1,
                            key,
                            str(tenant_id),
                            "use",
                            subject,
                            time,
                            event.data,
                        )
                    )
                if use and not voided and PERIOD.start <= time < PERIOD.end:
                    uses[name].append(use)
    ends = {(1, part): len(some) for part, some in enumerate(rows)}
    return Log(ends, {1: 16}, [event for some in rows for event in some]), uses


def _event(subject: str, time: datetime, rng: random.Random) -> tuple[Use | None, dict[str, Any]]:
    number = f"{rng.randrange(200)}.{rng.randrange(1000):03}"
    region, size = rng.choice(("eu", "us")), rng.choice(("s", "xl"))
    cost = f"{rng.randrange(9)}.{rng.randrange(10_000):04}" if rng.random() < 0.8 else None
    data: dict[str, Any] = {"n": number, "region": region, "size": size}
    if cost is not None:
        data["cost"] = {"total": cost}
    if rng.random() < 0.05:
        return None, data | {"n": "many"}
    amount = None if cost is None else Fraction(cost)
    return Use(subject, time, Fraction(number), region, size, amount), data
