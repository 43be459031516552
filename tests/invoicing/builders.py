"""Billables and usage for pure tests: deterministic ids, keyword overrides, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from catalog.meters import MeterDefinition
from core.ids import CustomerId, MeterId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from invoicing.model import Billable, PlanLine, RunTerms
from invoicing.used import SUBJECT_USAGE, Used
from rating.prices import Price
from rating.rounding import parse_rounding_mode
from usage.cut import Cut

NOVEMBER = Period(datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC))
TENANT = TenantId(UUID(int=1))
SELLER = {
    "name": "Nordlicht Inference GmbH",
    "address": ["Speicherstraße 12", "20457 Hamburg"],
    "email": "billing@nordlicht.example",
    "tax_id": "DE 811 907 980",
    "payment": ["IBAN DE02 1203 0000 0000 2020 51"],
}
BUYER = {"name": "Code Assist Ltd", "address": ["4 Quay Street"], "email": None, "tax_id": None}


def terms(as_of: datetime = NOVEMBER.end) -> RunTerms:
    return RunTerms(TENANT, as_of, Cut({"1/0": 123, "1/1": 99}), SELLER, 30)


def meter(number: int) -> MeterId:
    return MeterId(UUID(int=0x300 + number))


def plan_line(
    key: str,
    model: str,
    parameters: Mapping[str, Any],
    *,
    meter_number: int | None = None,
    currency: str = "EUR",
    rounding: str = "half_away_from_zero",
    adjustments: Mapping[str, Any] | None = None,
    quantity: str | None = None,
    span: Period | None = None,
) -> PlanLine:
    price_id = str(UUID(int=int.from_bytes(key.encode()[:12], "big")))
    mode = parse_rounding_mode(rounding)
    around = dict(adjustments or {})
    money = Currency(currency)
    price = Price(price_id, "ab" * 32, model, dict(parameters), money, mode, around)
    meter_id = meter(meter_number) if meter_number is not None else None
    agreed = None if quantity is None else Decimal(quantity)
    return PlanLine(key, key.replace("-", " ").capitalize(), meter_id, price, 1, agreed, span)


def billable(
    number: int,
    lines: Sequence[PlanLine],
    *,
    currency: str = "EUR",
    period: Period = NOVEMBER,
    time_zone: str = "UTC",
) -> Billable:
    return Billable(
        customer_id=CustomerId(UUID(int=0x100 + number)),
        subscription_id=SubscriptionId(UUID(int=0x200 + number)),
        plan_version_id=UUID(int=0x400),
        period=period,
        time_zone=time_zone,
        currency=Currency(currency),
        buyer=BUYER,
        plan={"name": "Pay as you go", "version": 1},
        lines=tuple(lines),
    )


def usage(*rows: tuple[Billable, int, str, str]) -> Used:
    """Rows of (billable, meter number, subject, quantity); each subject has two events."""
    frame = pl.DataFrame(
        [
            (
                str(each.subscription_id),
                each.period.start,
                str(meter(number)),
                subject,
                Decimal(quantity),
                2,
                0,
            )
            for each, number, subject, quantity in rows
        ],
        schema=SUBJECT_USAGE,
        orient="row",
    )
    return Used(frame)


class OneQuantity:
    """A source of usage for prices that neither tell it apart nor look at single events."""

    def merged_rows(
        self,
        meter: MeterDefinition,
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        raise NotImplementedError("no price here tells usage apart")

    def measured_events(
        self,
        meters: Sequence[MeterDefinition],
        period: Period,
        cut: Cut,
        subjects: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        raise NotImplementedError("no price here reads single events")


def period_usage_frame(rows: Sequence[tuple[str, str, Decimal, int, int]]) -> pl.DataFrame:
    """What `UsageSource.period_usage` gives: meter, subject, quantity, and the two counts."""
    names = ("meter_id", "subject", "quantity", "event_count", "unmeterable_count")
    schema = pl.Schema({name: SUBJECT_USAGE[name] for name in names})
    return pl.DataFrame(rows, schema=schema, orient="row")
