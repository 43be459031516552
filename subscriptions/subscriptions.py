"""Subscriptions: a customer, a plan version, and the anchor that the periods step from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sql
from catalog.meters import check_slug
from catalog.plans import PlanVersion
from core.calendar.cycle import Cycle
from core.calendar.intervals import MONTHLY, Interval
from core.calendar.zones import parse_time_zone
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError
from core.ids import SubscriptionId, format_id, new_uuid
from core.period import Period
from db.outbox import Change, append
from db.postgres import Connection
from subscriptions.customers import Customer

STATUS_ACTIVE: Final = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; `period` is its earliest one that is not invoiced."""

    id: SubscriptionId
    slug: str
    customer: Customer
    plan_version: PlanVersion
    status: str
    anchor: datetime
    interval: Interval
    period: Period

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        return {
            "id": format_id("sub", self.id),
            "slug": self.slug,
            "customer": format_id("cus", self.customer.id),
            "plan_version": format_id("plv", self.plan_version.id),
            "status": self.status,
            "anchor": self.anchor.isoformat(),
            "billing_cycle": str(self.interval),
            "period_start": self.period.start.isoformat(),
            "period_end": self.period.end.isoformat(),
        }


def ensure_subscription(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    plan_version: PlanVersion,
    *,
    slug: str,
    anchor: datetime,
    interval: Interval = MONTHLY,
) -> tuple[Subscription, bool]:
    """The subscription called `slug`, made if missing; and whether it was made.

    An existing one keeps the plan version that it was made with. `customer` must come from this
    transaction, which holds its lock. Raises `BusinessLogicError` for a plan in another currency,
    or without a line for this billing cycle,
    `ConflictError` when the slug stands for something else, or when another subscription of the
    customer prices one of the plan's meters at the same time.
    """
    known = _find(conn, customer, slug)
    if known is not None:
        _check_same(known, plan_version, slug=slug, anchor=anchor, interval=interval)
        return known, False
    if not plan_version.sold:
        raise BusinessLogicError("plan: it is not sold any more; choose one that is", field="plan")
    if plan_version.currency != customer.currency:
        raise BusinessLogicError(
            f"plan: it is priced in {plan_version.currency}, customer {customer.slug!r} pays in"
            f" {customer.currency}",
            field="plan",
        )
    _check_lines(conn, plan_version, interval)
    _check_overlap(conn, customer, plan_version, slug=slug, anchor=anchor)
    cycle = Cycle(anchor, parse_time_zone(customer.time_zone), interval)
    made = Subscription(
        SubscriptionId(new_uuid(clock)),
        check_slug(slug),
        customer,
        plan_version,
        STATUS_ACTIVE,
        anchor,
        interval,
        cycle.period_of(anchor),
    )
    conn.execute(
        sql.load("postgres/queries/insert_subscription"),
        {
            "id": made.id,
            "tenant_id": customer.tenant_id,
            "slug": slug,
            "customer_id": customer.id,
            "plan_id": plan_version.plan_id,
            "plan_version_id": plan_version.id,
            "status": made.status,
            "billing_cycle": str(interval),
            "currency": customer.currency.code,
            "time_zone": customer.time_zone,
            "anchor": anchor,
            "period_start": made.period.start,
            "period_end": made.period.end,
            "now": clock.now(),
        },
    )
    told = made.as_resource()
    append(conn, clock, customer.tenant_id, Change("subscription.created", told["id"], told))
    return made, True


def _check_lines(conn: Connection, plan_version: PlanVersion, interval: Interval) -> None:
    row = conn.execute(
        sql.load("postgres/queries/has_lines_of_cycle"),
        {"plan_version_id": plan_version.id, "cycle": str(interval)},
    ).fetchone()
    assert row is not None
    if not row["has_lines"]:
        raise BusinessLogicError(
            f"billing_cycle: the plan has no line that is billed {interval}; choose the cadence of"
            " one of its lines",
            field="billing_cycle",
        )


def _find(conn: Connection, customer: Customer, slug: str) -> Subscription | None:
    row = conn.execute(
        sql.load("postgres/queries/select_subscription"),
        {"tenant_id": customer.tenant_id, "slug": slug},
    ).fetchone()
    if row is None:
        return None
    if row["customer_id"] != customer.id:
        raise ConflictError(
            f"customer: subscription {slug!r} belongs to another customer; choose another slug",
            field="customer",
        )
    return Subscription(
        SubscriptionId(row["id"]),
        slug,
        customer,
        PlanVersion(row["plan_version_id"], row["plan_id"], row["number"], customer.currency),
        row["status"],
        row["anchor_at"],
        Interval.parse(row["billing_cycle"]),
        Period(row["period_start"], row["period_end"]),
    )


def _check_same(
    known: Subscription,
    plan_version: PlanVersion,
    *,
    slug: str,
    anchor: datetime,
    interval: Interval,
) -> None:
    if known.plan_version.plan_id != plan_version.plan_id:
        raise ConflictError(
            f"plan: subscription {slug!r} is for another plan; choose another slug", field="plan"
        )
    if known.anchor != anchor:
        raise ConflictError(
            f"anchor: subscription {slug!r} steps from {known.anchor.isoformat()}, for ever;"
            " choose another slug",
            field="anchor",
        )
    if known.interval != interval:
        raise ConflictError(
            f"billing_cycle: subscription {slug!r} is billed {known.interval}, for ever; choose"
            " another slug",
            field="billing_cycle",
        )


def _check_overlap(
    conn: Connection, customer: Customer, plan_version: PlanVersion, *, slug: str, anchor: datetime
) -> None:
    taken = conn.execute(
        sql.load("postgres/queries/select_meter_overlap"),
        {
            "tenant_id": customer.tenant_id,
            "customer_id": customer.id,
            "plan_version_id": plan_version.id,
            "anchor": anchor,
        },
    ).fetchone()
    if taken is not None:
        raise ConflictError(
            f"plan: subscriptions {taken['slug']!r} and {slug!r} of customer {customer.slug!r}"
            f" would both price the meter {taken['meter']!r}",
            field="plan",
        )
