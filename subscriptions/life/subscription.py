"""Subscriptions as they are kept and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sql
from catalog.meter_definition import is_slug
from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.errors import ValidationError
from core.ids import CustomerId, PlanId, SubscriptionId, TenantId, format_id, parse_id
from core.money import Currency, Money
from core.period import Period
from db.postgres import Connection
from db.rows import read_many
from subscriptions.errors import SubscriptionNotFoundError
from subscriptions.life.lifecycle import CONTEXT_STATES
from subscriptions.life.standing import Standing
from subscriptions.life.timeline import Pause, Terms


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription and how it stands; `period` is its earliest one that is not invoiced.

    `stretch_start` is since when it is billed without a break, `opened_at` the start that was last
    invoiced in advance, `credit_minor` what its last invoice left of credits, for the next one.
    One that came from elsewhere was billed there up to `came_at`, and in advance for own periods of
    its lines that began before `advance_from`.
    `customer` and `plan` are slugs. `subjects` are those whose usage it bills, None: all of its
    customer's. `recorded_at` is when it was last changed.
    """

    id: SubscriptionId
    tenant_id: TenantId
    slug: str
    customer_id: CustomerId
    customer: str
    plan_id: PlanId
    plan: str
    plan_number: int
    currency: Currency
    time_zone: str
    anchor: datetime
    interval: Interval
    period: Period
    billed_until: datetime | None
    standing: Standing
    revision: int
    recorded_at: datetime
    subjects: tuple[str, ...] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    stretch_start: datetime | None = None
    opened_at: datetime | None = None
    credit_minor: int = 0
    came_at: datetime | None = None
    advance_from: datetime | None = None

    @property
    def cycle(self) -> Cycle:
        """Where its periods begin and end."""
        return Cycle(self.anchor, parse_time_zone(self.time_zone), self.interval)

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        stands, pause = self.standing, self.standing.pause
        return {
            "id": format_id("sub", self.id),
            "slug": self.slug,
            "customer": self.customer,
            "customer_id": format_id("cus", self.customer_id),
            "plan": self.plan,
            "plan_version": self.plan_number,
            "plan_version_id": format_id("plv", stands.plan_version_id),
            "status": stands.status,
            "context_state": CONTEXT_STATES[stands.status],
            "activation": stands.activation,
            "currency": self.currency.code,
            "time_zone": self.time_zone,
            "billing_cycle": str(self.interval),
            "anchor": self.anchor.isoformat(),
            "start": stands.start.isoformat(),
            "trial_ends_at": _text(stands.trial_ends_at),
            "trial_converts": stands.trial_converts,
            "cancel_at": _text(stands.cancel_at),
            "expires_at": _text(stands.expires_at),
            "ended_at": _text(stands.over_at),
            "failed_payments": stands.failed_payments,
            "retry_at": _text(stands.retry_at),
            "grace_ends_at": _text(stands.grace_ends_at),
            "quantities": quantity_texts(stands.quantities),
            "addons": _shown_addons(stands.addons),
            "subjects": None if self.subjects is None else list(self.subjects),
            "terms": [terms_resource(each) for each in stands.terms],
            "pause": None if pause is None else pause_resource(pause),
            "period_start": self.period.start.isoformat(),
            "period_end": self.period.end.isoformat(),
            "billed_until": _text(self.billed_until),
            "advance_billed_until": _text(self.advance_from),
            "opened_at": _text(self.opened_at),
            "credit": Money(self.credit_minor, self.currency).as_json(),
            "revision": self.revision,
            "metadata": dict(self.metadata),
        }


def terms_resource(terms: Terms) -> dict[str, Any]:
    """What is billed in a stretch of time, as it is shown."""
    return {
        "start": terms.start.isoformat(),
        "end": _text(terms.end),
        "plan_version_id": format_id("plv", terms.plan_version_id),
        "quantities": quantity_texts(terms.quantities),
        "addons": _shown_addons(terms.addons),
        "trial": terms.trial,
        "phase": terms.phase,
    }


def pause_resource(pause: Pause) -> dict[str, Any]:
    """A pause as it is shown."""
    return {
        "start": pause.start.isoformat(),
        "end": _text(pause.end),
        "billing": pause.billing,
        "service": pause.service,
    }


def quantity_texts(quantities: Mapping[str, Decimal]) -> dict[str, str]:
    """Agreed quantities as exact texts."""
    return {key: f"{each:f}" for key, each in quantities.items()}


def addon_texts(addons: Mapping[UUID, Decimal]) -> dict[str, str]:
    """How many of each add-on, by plan version, as they are stored."""
    return {str(each): f"{many:f}" for each, many in addons.items()}


def _shown_addons(addons: Mapping[UUID, Decimal]) -> dict[str, str]:
    return {format_id("plv", each): f"{many:f}" for each, many in addons.items()}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def subscription_key(text: str) -> dict[str, Any]:
    """What a subscription is looked up by: its id (`sub_…`) or its slug.

    Raises `SubscriptionNotFoundError` for a text that is neither.
    """
    try:
        if text.startswith("sub_"):
            return {"id": parse_id("sub", text), "slug": None}
    except ValidationError:
        pass
    if not is_slug(text):
        raise _not_found(text)
    return {"id": None, "slug": text}


def _not_found(text: str) -> SubscriptionNotFoundError:
    return SubscriptionNotFoundError(
        f"subscription: there is none called {text!r}", subscription=text
    )


def find_subscription(conn: Connection, tenant_id: TenantId, text: str) -> Subscription:
    """The subscription with this id or slug. Raises `SubscriptionNotFoundError`."""
    found = page_of_subscriptions(conn, tenant_id, **subscription_key(text), limit=1)
    if not found:
        raise _not_found(text)
    return found[0]


def page_of_subscriptions(
    conn: Connection,
    tenant_id: TenantId,
    *,
    id: UUID | None = None,  # noqa: A002 - the word of the query
    slug: str | None = None,
    customer_id: UUID | None = None,
    status: str | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Subscription]:
    """At most `limit` subscriptions whose slug comes after `after`, by slug."""
    rows = conn.execute(
        sql.load("postgres/queries/select_subscription_page"),
        {
            "tenant_id": tenant_id,
            "id": id,
            "slug": slug,
            "customer_id": customer_id,
            "status": status,
            "after": after,
            "limit": limit,
        },
    ).fetchall()
    ids = [row["id"] for row in rows]
    terms, pauses = read_terms(conn, ids), read_pauses(conn, ids)
    return [_subscription(row, terms.get(row["id"], ()), pauses.get(row["id"], ())) for row in rows]


class _TermsRow(NamedTuple):
    subscription_id: UUID
    plan_version_id: UUID
    quantities: Mapping[str, str] | None
    addons: Mapping[str, str] | None
    trial: bool
    phase: str | None
    valid_from: datetime
    valid_to: datetime | None


class _PauseRow(NamedTuple):
    subscription_id: UUID
    billing: bool
    service: bool
    valid_from: datetime
    valid_to: datetime | None


def read_terms(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[Terms, ...]]:
    """What is planned for each subscription, in order of time; none where nothing is."""
    query = sql.load("postgres/queries/select_subscription_terms")
    found: dict[UUID, tuple[Terms, ...]] = {}
    for row in read_many(conn, query, {"subscription_ids": list(ids)}, _TermsRow):
        terms = Terms(
            row.valid_from,
            row.valid_to,
            row.plan_version_id,
            _quantities(row.quantities),
            row.trial,
            _addons(row.addons),
            row.phase,
        )
        found[row.subscription_id] = (*found.get(row.subscription_id, ()), terms)
    return found


def read_pauses(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[Pause, ...]]:
    """The pauses of each subscription that has any, in order of time."""
    query = sql.load("postgres/queries/select_subscription_pauses")
    found: dict[UUID, tuple[Pause, ...]] = {}
    for row in read_many(conn, query, {"subscription_ids": list(ids)}, _PauseRow):
        pause = Pause(row.valid_from, row.valid_to, row.billing, row.service)
        found[row.subscription_id] = (*found.get(row.subscription_id, ()), pause)
    return found


def _quantities(texts: Mapping[str, str] | None) -> Mapping[str, Decimal]:
    return {key: Decimal(text) for key, text in texts.items()} if texts else {}


def _addons(texts: Mapping[str, str] | None) -> Mapping[UUID, Decimal]:
    return {UUID(key): Decimal(text) for key, text in texts.items()} if texts else {}


def _subscription(
    row: Mapping[str, Any], terms: tuple[Terms, ...], pauses: tuple[Pause, ...]
) -> Subscription:
    standing = Standing(
        at=row["valid_from"],
        status=row["status"],
        start=row["start_at"],
        activation=row["activation"],
        plan_version_id=row["plan_version_id"],
        quantities=_quantities(row["quantities"]),
        addons=_addons(row["addons"]),
        terms=terms,
        pauses=pauses,
        trial_ends_at=row["trial_ends_at"],
        trial_converts=row["trial_converts"],
        cancel_at=row["cancel_at"],
        expires_at=row["expires_at"],
        over_at=row["over_at"],
        failed_payments=row["failed_payments"],
        retry_at=row["retry_at"],
        grace_ends_at=row["grace_ends_at"],
    )
    return Subscription(
        id=SubscriptionId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        customer_id=CustomerId(row["customer_id"]),
        customer=row["customer"],
        plan_id=PlanId(row["plan_id"]),
        plan=row["plan"],
        plan_number=row["plan_number"],
        currency=Currency(row["currency"]),
        time_zone=row["time_zone"],
        anchor=row["anchor_at"],
        interval=Interval.parse(row["billing_cycle"]),
        period=Period(row["period_start"], row["period_end"]),
        billed_until=row["billed_until"],
        standing=standing,
        revision=row["revision"],
        recorded_at=row["recorded_from"],
        subjects=None if row["subjects"] is None else tuple(row["subjects"]),
        metadata=row["metadata"],
        stretch_start=row["stretch_start"],
        opened_at=row["opened_at"],
        credit_minor=row["credit_minor"],
        came_at=row["came_at"],
        advance_from=row["advance_from"],
    )
