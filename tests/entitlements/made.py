"""Facts of a customer, made by hand: nothing is read from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from core.calendar.intervals import MONTHLY, Interval
from core.ids import CustomerId, PlanId, SubscriptionId, TenantId
from core.money import Currency
from core.period import Period
from entitlements.facts import Facts, Grant, Offer, Override
from subscriptions.customers.customer import Customer
from subscriptions.customers.subjects import SubjectLink
from subscriptions.life.lifecycle import Status
from subscriptions.life.standing import Standing
from subscriptions.life.subscription import Subscription
from subscriptions.life.timeline import Pause, Terms

TENANT = TenantId(UUID(int=1))
CUSTOMER = CustomerId(UUID(int=2))
PLAN, OTHER, ADDON = UUID(int=11), UUID(int=12), UUID(int=13)
START = datetime(2026, 1, 31, 10, tzinfo=UTC)


def subscription(
    *terms: Terms,
    number: int = 1,
    zone: str = "UTC",
    anchor: datetime = START,
    interval: Interval = MONTHLY,
    status: Status = "ACTIVE",
    pauses: tuple[Pause, ...] = (),
    over: datetime | None = None,
) -> Subscription:
    held = terms or (Terms(anchor, None, PLAN),)
    standing = Standing(
        at=anchor,
        status=status,
        start=held[0].start,
        activation="start",
        plan_version_id=held[-1].plan_version_id,
        quantities={},
        addons={},
        terms=held,
        pauses=pauses,
        trial_ends_at=None,
        trial_converts=True,
        cancel_at=None,
        expires_at=None,
        over_at=over,
        failed_payments=0,
        retry_at=None,
        grace_ends_at=None,
    )
    return Subscription(
        id=SubscriptionId(UUID(int=100 + number)),
        tenant_id=TENANT,
        slug=f"sub-{number}",
        customer_id=CUSTOMER,
        customer="contoso",
        plan_id=PlanId(UUID(int=10)),
        plan="standard",
        plan_number=1,
        currency=Currency("EUR"),
        time_zone=zone,
        anchor=anchor,
        interval=interval,
        period=Period(anchor, datetime(2030, 1, 1, tzinfo=UTC)),
        billed_until=None,
        standing=standing,
        revision=1,
        recorded_at=anchor,
    )


def facts(
    *subscriptions: Subscription,
    offers: Mapping[UUID, Mapping[str, Offer]] | None = None,
    overrides: tuple[Override, ...] = (),
    grants: tuple[Grant, ...] = (),
    links: tuple[SubjectLink, ...] = (),
    zone: str = "UTC",
) -> Facts:
    customer = Customer(
        CUSTOMER, TENANT, "contoso", "Contoso", zone, Currency("EUR"), {}, None, "self",
        "together", None, {}, 1, None,
    )  # fmt: skip
    given = {PLAN: {"calls": Offer(Decimal(100))}} if offers is None else offers
    return Facts(customer, subscriptions, given, overrides, grants, links)


def override(
    start: datetime, end: datetime | None = None, offer: Offer | None = None, number: int = 1
) -> Override:
    return Override(UUID(int=200 + number), "calls", offer, start, end, start, {})


def grant(
    quantity: int, start: datetime, end: datetime, priority: int = 100, number: int = 1
) -> Grant:
    return Grant(
        UUID(int=300 + number), "calls", Decimal(quantity), priority, start, end, start, {}
    )
