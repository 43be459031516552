"""A plan with a fee a month and a fee a year: each subscription pays the one that it chose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from catalog.meters import MeterDefinition
from core.clock import ManualClock
from core.errors import BusinessLogicError, ValidationError
from core.ids import TenantId
from core.period import Period
from db.postgres import Database
from invoicing.billing_run import BillingRunner
from invoicing.tenants import billing_tenants
from tests.invoicing.builders import OneQuantity, period_usage_frame
from tests.plugins.database import database, database_url
from tests.subscriptions.world import apply, customer, document, plan, subscription
from usage.cut import Cut

__all__ = ["database", "database_url"]

NOW = datetime(2026, 1, 15, tzinfo=UTC)
FLAT = {"model": "flat"}


class DailyUsage(OneQuantity):
    """Each subject uses a million tokens a day, by the days of UTC that begin in a period."""

    def cut(self) -> Cut:
        return Cut({"1/0": 1})

    def period_usage(
        self,
        tenant_id: TenantId,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        del tenant_id, cut
        days = (period.end - period.start).days
        rows = [
            (str(meter.id), subject, Decimal(days * 1_000_000), days, 0)
            for meter in meters
            for subject in subjects or ()
        ]
        return period_usage_frame(rows)


def both(**changes: Any) -> dict[str, Any]:
    """49 a month or 490 a year, and 3.00 a million tokens in both."""
    fees = [
        {"key": "month", "name": "Fee", "cadence": "monthly", "price": FLAT | {"amount": "49"}},
        {"key": "year", "name": "Fee", "cadence": "yearly", "price": FLAT | {"amount": "490"}},
    ]
    return plan() | {"rate_cards": [*fees, plan()["rate_cards"][1]]} | changes


def set_up(database: Database, *subscriptions: dict[str, Any]) -> None:
    people = [customer(name, time_zone="UTC") for name in ("contoso", "fabrikam")]
    apply(database, document(plans=[both()], customers=people, subscriptions=list(subscriptions)))


def billed(database: Database) -> list[tuple[str, str, dict[str, int]]]:
    """First day, customer, and amount of each line of every invoice, in minor units."""
    with database.transaction() as conn:
        [tenant] = billing_tenants(conn)
    runner = BillingRunner(database, DailyUsage(), ManualClock(NOW))
    [closed] = runner.close(tenant, datetime(2026, 1, 1, tzinfo=UTC))
    assert closed.parked == []
    return sorted(
        (
            invoice.period.start.date().isoformat(),
            str(invoice.buyer["name"]),
            {line.line_key: line.amount_minor for line in invoice.lines},
        )
        for invoice in closed.invoices
    )


@pytest.mark.req("RAT-12")
def test_a_month_and_a_year_bill_their_own_amounts(database: Database) -> None:
    start = date(2024, 1, 1)
    set_up(
        database,
        subscription(anchor=start),
        subscription("fabrikam", anchor=start, billing_cycle="yearly"),
    )
    found = billed(database)
    months = [(start, lines) for start, name, lines in found if name == "Contoso"]
    years = [(start, lines) for start, name, lines in found if name == "Fabrikam"]
    assert [start for start, _ in months] == [
        f"{year}-{month:02}-01" for year in (2024, 2025) for month in range(1, 13)
    ]
    assert {lines["month"] for _, lines in months} == {4900}
    assert sum(lines["tokens"] for _, lines in months) == (366 + 365) * 300
    assert months[1][1] == {"month": 4900, "tokens": 29 * 300}
    assert years == [
        ("2024-01-01", {"year": 49_000, "tokens": 366 * 300}),
        ("2025-01-01", {"year": 49_000, "tokens": 365 * 300}),
    ]


def test_a_plan_says_what_each_cycle_costs_before_any_use(database: Database) -> None:
    set_up(database)
    with database.transaction() as conn:
        row = conn.execute("SELECT prices FROM catalog.pricing_plans").fetchone()
    assert row == {
        "prices": {
            "monthly": {"amount": "49", "currency": "USD"},
            "yearly": {"amount": "490", "currency": "USD"},
        }
    }


def test_a_cycle_without_a_line_is_refused(database: Database) -> None:
    fees = both()["rate_cards"][:2]
    content = document(
        plans=[both(rate_cards=fees)], subscriptions=[subscription(billing_cycle="quarterly")]
    )
    with pytest.raises(BusinessLogicError, match="the plan has no line that is billed quarterly"):
        apply(database, content)


def test_a_cadence_that_is_none_is_refused_by_its_path(database: Database) -> None:
    fee = both()["rate_cards"][0] | {"cadence": "now and then"}
    with pytest.raises(ValidationError, match=r"^plans\[0\]\.rate_cards\[0\]\.cadence: write"):
        apply(database, document(plans=[both(rate_cards=[fee])]))
